package status

import (
	"fmt"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
)

// labelText returns the value of a label as text: wrong_backup_type becomes "wrong backup type".
func labelText(label string) string { return strings.ReplaceAll(label, "_", " ") }

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// moment is a time on the page, with its text relative to the time of the page. ISO is empty if the time is unknown.
type moment struct{ ISO, UTC, Text string }

// at returns a moment; empty for the zero time.
func at(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{t.UTC().Format(time.RFC3339), formatTime(t), since(t, now)}
}

// atTimestamp is at for a timestamp in an Atlas response.
func atTimestamp(t atlas.Timestamp, now time.Time) moment {
	if t == 0 {
		return moment{}
	}
	return at(t.Time(), now)
}

// sinceTimestamp is since for a timestamp in an Atlas response. It returns "" if the timestamp is missing.
func sinceTimestamp(at atlas.Timestamp, now time.Time) string {
	if at == 0 {
		return ""
	}
	return since(at.Time(), now)
}

// since returns how long ago t was, or "in …" if t is in the future. It returns "" for the zero time.
func since(t, now time.Time) string {
	switch elapsed := now.Sub(t); {
	case t.IsZero():
		return ""
	case elapsed < 0:
		return "in " + formatDuration(-elapsed)
	default:
		return formatDuration(elapsed) + " ago"
	}
}

// formatDuration formats a positive duration in its two largest units.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd %dh", d/day, d%day/time.Hour)
	}
}
