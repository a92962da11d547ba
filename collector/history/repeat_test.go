package history

import (
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// TestRead_RecognizesRepeatedPagesUntilTheClockMatters polls a list with one job, which is too old at some times.
func TestRead_RecognizesRepeatedPagesUntilTheClockMatters(t *testing.T) {
	a := &modelAtlas{pageSize: 10, jobs: map[string]*modelJob{}}
	a.add(job("", 300*day, atlas.StatusCompleted))
	h := newHistory(wideLimits)
	for _, poll := range []struct {
		at       time.Duration
		repeated bool
		known    int
	}{
		{200 * day, false, 0}, // the clock is set ahead
		{200 * day, false, 0},
		{200 * day, true, 0},
		{0, false, 1}, // it is corrected
		{0, false, 1},
		{time.Hour, true, 1},
		{-time.Hour, false, 1},
		{99 * day, true, 1},
		{100*day + time.Second, false, 0},
		{101 * day, false, 0},
		{102 * day, true, 0},
	} {
		now := noon.Add(poll.at)
		reading, err := a.read(h.Read(now, true))
		if err != nil {
			t.Fatal(err)
		}
		h.Merge(reading, now)
		if known := h.Summarize(now).Known; reading.Repeated() != poll.repeated || known != poll.known {
			t.Errorf("after %v: repeated %t, %d known jobs", poll.at, reading.Repeated(), known)
		}
	}
}
