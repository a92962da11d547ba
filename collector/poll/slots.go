package poll

import (
	"math"
	"time"

	"atlas-restore-exporter/atlas"
)

// Bounds on the number of concurrent polls if it follows the targets. Fewer would save nothing, and 256 are enough for
// 100,000 polls of 150 ms per minute.
const (
	MinSlots = 16
	MaxSlots = 256
)

// slotTime is the duration of polls for which the number of slots suffices. Most polls are much shorter, so some polls
// that hang until their timeout don't delay the others.
const slotTime = 10 * time.Second

// slots returns the number of concurrent polls. If it follows the targets, it is the number of polls that are due
// within slotTime, as far as the rate limits of Atlas allow them: a poll that waits for its rate limit needs no slot of
// its own.
func (c *Config) slots(planned []plannedTarget) int {
	if c.Concurrency > 0 {
		return c.Concurrency
	}
	type bucket struct {
		projectID  string
		backupType atlas.BackupType
	}
	perSecond := map[bucket]float64{}
	for i := range planned {
		list := &planned[i].list
		perSecond[bucket{list.ProjectID, list.BackupType}] += 1 / planned[i].settings.Interval.Seconds()
	}
	total := 0.0
	for _, polls := range perSecond {
		total += min(polls, atlas.RequestsPerMinute/60.0)
	}
	return int(min(max(math.Ceil(total*slotTime.Seconds()), MinSlots), MaxSlots))
}
