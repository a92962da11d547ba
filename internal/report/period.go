package report

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
)

// Period is the half-open interval [From, To).
type Period struct {
	From Time `json:"from"`
	To   Time `json:"to"`
	// FromGiven and ToGiven are the texts that the user gave.
	FromGiven string `json:"from_given"`
	ToGiven   string `json:"to_given"`
	// ToIsNow is set if the given end is later than the generation of the report, which is the end then.
	ToIsNow bool `json:"to_is_generation"`
}

// timeLayouts are the formats of a time. Z07:00 is an optional zone.
var timeLayouts = []string{
	time.DateOnly, "2006-01-02Z07:00", "2006-01-02T15:04", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05",
	time.RFC3339,
}

// parseTime parses a date or a time. Without a zone, it is in UTC.
func parseTime(flag, text string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, strings.Replace(text, " ", "T", 1)); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s: invalid time %q, must be a date such as 2026-07-01 or a time such as "+
		"2026-07-01T00:00:00+02:00; without a zone, it is in UTC", flag, text)
}

// ParsePeriod returns the period between two times, the second of which is limited to now.
func ParsePeriod(from, to string, now time.Time) (Period, error) {
	start, err := parseTime("--from", from)
	if err != nil {
		return Period{}, err
	}
	end, err := parseTime("--to", to)
	if err != nil {
		return Period{}, err
	}
	now = now.Truncate(time.Second)
	switch {
	case start.Unix() <= 0:
		return Period{}, errors.New("--from must be after 1970-01-01")
	case start.After(now):
		return Period{}, fmt.Errorf("--from is in the future: %s is after %s",
			start.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case !start.Before(end):
		return Period{}, fmt.Errorf("--from must be before --to: %s is not before %s",
			start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	p := Period{FromGiven: from, ToGiven: to, ToIsNow: end.After(now)}
	if p.ToIsNow {
		end = now
	}
	if !start.Before(end) {
		return Period{}, fmt.Errorf("--from must be before now: %s", start.Format(time.RFC3339))
	}
	p.From, p.To = timeOf(start), timeOf(end)
	return p, nil
}

// The names of calendar periods.
const (
	lastMonth   = "last-month"
	lastQuarter = "last-quarter"
	lastYear    = "last-year"
)

// CalendarPeriod returns the last complete calendar month, quarter, or year in UTC before now.
func CalendarPeriod(name string, now time.Time) (Period, error) {
	year, month, _ := now.UTC().Date()
	var months int
	switch name {
	case lastMonth:
		months = 1
	case lastQuarter:
		months, month = 3, month-(month-1)%3
	case lastYear:
		months, month = 12, time.January
	default:
		return Period{}, fmt.Errorf("--period: unknown period %q, must be %s, %s, or %s",
			name, lastMonth, lastQuarter, lastYear)
	}
	end := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	start := end.AddDate(0, -months, 0)
	return ParsePeriod(start.Format(time.DateOnly), end.Format(time.DateOnly), now)
}

// ExpandPath replaces {from} and {to} in the path of a file with the dates of the period.
func (p *Period) ExpandPath(path string) string {
	return strings.NewReplacer("{from}", p.From.date(), "{to}", p.To.date()).Replace(path)
}

// contains reports whether a time is in the period.
func (p *Period) contains(t Time) bool { return p.From <= t && t < p.To }

func timeOf(t time.Time) Time { return Time(atlas.TimestampOf(t)) }
