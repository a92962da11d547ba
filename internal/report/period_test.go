package report

import (
	"testing"
	"time"
)

func TestParsePeriod_AcceptsTimesWithAndWithoutZone(t *testing.T) {
	now := date(time.November, 1, 0)
	for _, test := range []struct{ from, to, wantFrom, wantTo string }{
		{"2026-07-01", "2026-10-01", "2026-07-01T00:00:00Z", "2026-10-01T00:00:00Z"},
		{"2026-07-01T02:00:00+02:00", "2026-09-30T19:00:00-05:00", "2026-07-01T00:00:00Z", "2026-10-01T00:00:00Z"},
		{"2026-07-01+02:00", "2026-10-01Z", "2026-06-30T22:00:00Z", "2026-10-01T00:00:00Z"},
		{"2026-07-01 12:30", "2026-10-01T12:30:05", "2026-07-01T12:30:00Z", "2026-10-01T12:30:05Z"},
		{"2024-02-29", "2025-02-28T00:00+05:45", "2024-02-29T00:00:00Z", "2025-02-27T18:15:00Z"},
		{"2026-07-01", "2999-01-01", "2026-07-01T00:00:00Z", "2026-11-01T00:00:00Z"},
	} {
		period, err := ParsePeriod(test.from, test.to, now)
		if err != nil || period.From.String() != test.wantFrom || period.To.String() != test.wantTo ||
			period.ToIsNow != (test.to == "2999-01-01") || period.FromGiven != test.from || period.ToGiven != test.to {
			t.Errorf("%s to %s: %+v, %v", test.from, test.to, period, err)
		}
	}
}

func TestParsePeriod_RejectsInvalidPeriods(t *testing.T) {
	now := date(time.November, 1, 0)
	const invalid = ", must be a date such as 2026-07-01 or a time such as 2026-07-01T00:00:00+02:00; " +
		"without a zone, it is in UTC"
	for _, test := range []struct{ from, to, want string }{
		{"", "2026-07-01", `--from: invalid time ""` + invalid},
		{"2026-07-01", "2026-02-29", `--to: invalid time "2026-02-29"` + invalid},
		{"1970-01-01", "2026-02-01", "--from must be after 1970-01-01"},
		{"2026-11-02", "2026-12-01", "--from is in the future: 2026-11-02T00:00:00Z is after 2026-11-01T00:00:00Z"},
		{"2026-11-01", "2026-12-01", "--from must be before now: 2026-11-01T00:00:00Z"},
		{"2026-07-01", "2026-07-01", "--from must be before --to: 2026-07-01T00:00:00Z is not before 2026-07-01T00:00:00Z"},
	} {
		if _, err := ParsePeriod(test.from, test.to, now); err == nil || err.Error() != test.want {
			t.Errorf("%s to %s:\ngot  %v\nwant %s", test.from, test.to, err, test.want)
		}
	}
}

func TestCalendarPeriod_IsTheLastCompleteOne(t *testing.T) {
	for _, test := range []struct {
		name, now, from, to string
	}{
		{lastMonth, "2026-03-31T23:59:59Z", "2026-02-01", "2026-03-01"},
		{lastMonth, "2026-01-01T00:00:00Z", "2025-12-01", "2026-01-01"},
		{lastQuarter, "2026-05-31T00:00:00Z", "2026-01-01", "2026-04-01"},
		{lastQuarter, "2026-03-31T00:00:00Z", "2025-10-01", "2026-01-01"},
		{lastQuarter, "2026-10-01T00:00:00Z", "2026-07-01", "2026-10-01"},
		{lastYear, "2026-10-01T01:00:00+02:00", "2025-01-01", "2026-01-01"},
	} {
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		period, err := CalendarPeriod(test.name, now)
		if err != nil || period.From.date() != test.from || period.To.date() != test.to || period.ToIsNow {
			t.Errorf("%s at %s: %+v, %v", test.name, test.now, period, err)
		}
		if got := period.ExpandPath("r-{from}-{to}.html"); got != "r-"+test.from+"-"+test.to+".html" {
			t.Errorf("path %s", got)
		}
	}
}
