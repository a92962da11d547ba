package poll

import (
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
)

// Restores returns the known restores of a target, which is given by its index in States, in the order of events. It
// also returns the creation time of the oldest known job, zero if that is unknown. It must not be called while polls
// are running.
func (m *Manager) Restores(i int, now time.Time) (restores []history.Restore, oldest atlas.Timestamp) {
	return m.active.Load().pollers[i].history.Restores(now)
}
