package recompute

import (
	"slices"
	"time"
)

// dates are the paths of the dates of all backup types.
var dates = [][]string{
	{"restoreScheduledDate"}, {"restoreFinishedDate"}, {"snapshotFinishedDate"}, {"expirationDate"},
	{"createdAt"}, {"finishedAt"}, {"expiresAt"}, {"timestamp"}, {"desiredTimestamp", "date"},
	{"created"}, {"timestamp", "date"}, {"delivery", "expires"},
}

// invalidate removes or changes dates, the ID, or the target of a job.
func (h *history) invalidate(f fields) {
	switch h.IntN(6) {
	case 0: // all times but the recovery point
		f["id"] = h.id(h.Now.Add(3 * 365 * day))
		for _, path := range dates {
			if !slices.Contains([]string{"timestamp", "snapshotFinishedDate", "date", "expiresAt"}, path[len(path)-1]) {
				set(f, path, nil)
			}
		}
		if h.chance(50) {
			for _, path := range dates {
				set(f, path, nil)
			}
			delete(f, "snapshotId")
			delete(f, "oplogTs")
			delete(f, "pointInTimeUTCSeconds")
			delete(f, "pointInTimeUtcSeconds")
		}
	case 1: // the target
		for _, name := range []string{"targetGroupId", "targetClusterName", "targetProjectId", "targetDeploymentItemName"} {
			delete(f, name)
		}
	default:
		for range 1 + h.IntN(3) {
			set(f, pick(h, dates...), h.badDate())
		}
	}
}

// badDate returns a value that is not a plausible date, or nil to remove the date.
func (h *history) badDate() any {
	switch h.IntN(4) {
	case 0:
		return pick[any](h, "2027-02-29T10:00:00Z", "2024-02-30T00:00:00Z", "yesterday", "", 1785500000, fields{})
	case 1:
		return h.format(h.Now.Add(day + time.Second + h.upTo(600*day)))
	}
	return nil
}

// set changes a field, or removes it. A field whose parent is absent remains absent.
func set(f fields, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		parent, ok := f[name].(fields)
		if !ok {
			return
		}
		f = parent
	}
	name := path[len(path)-1]
	if _, ok := f[name]; !ok {
		return
	}
	if value == nil {
		delete(f, name)
		return
	}
	f[name] = value
}
