package poll

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
)

// discoveryKey identifies a list that discovery reads: the clusters of a project, or the projects that a credential
// can see if projectID is empty.
type discoveryKey struct{ credential, projectID string }

func compareKeys(a, b discoveryKey) int {
	return cmp.Or(cmp.Compare(a.credential, b.credential), cmp.Compare(a.projectID, b.projectID))
}

// DiscoveryStatus is the status of the discovery of one list: the clusters of a project, or the projects that a
// credential can see if ProjectID is empty.
type DiscoveryStatus struct {
	Credential, ProjectID string
	Found                 int       // number of projects or clusters at LastSuccess
	LastSuccess           time.Time // zero if there was none
	Err                   error     // of the last attempt; nil if it succeeded
	Reason                Reason    // class of Err; empty if Err is nil
}

// readItems are the items that were read of one list. If its counts contradict each other, it isn't consistent: items
// may be missing.
type readItems[T any] struct {
	items      []T
	consistent bool
}

// findings are the results of an attempt. Only one of the fields is used.
type findings struct {
	projects readItems[atlas.Project]
	clusters map[atlas.ClusterKind]readItems[atlas.Cluster]
}

func (f *findings) count() int {
	n := len(f.projects.items)
	for _, clusters := range f.clusters {
		n += len(clusters.items)
	}
	return n
}

// recentItems are the items of the recent reads of one list. They include an item until two consecutive, consistent
// reads don't contain it. An item that has changed is included in both forms until then. It is immutable.
type recentItems[T any] struct {
	latest   []T // items of the last consistent read, and of inconsistent reads since
	previous []T // the same of the consistent read before; equal to latest if there was none
	all      []T // of both, latest first
}

// after returns the recent items after another read. The key identifies an item.
func (r recentItems[T]) after(read readItems[T], key func(*T) string) recentItems[T] {
	switch {
	case r.all == nil:
		r.latest, r.previous = read.items, read.items
	case read.consistent:
		r.latest, r.previous = read.items, r.latest
	default:
		r.latest = union(read.items, r.latest, key)
	}
	r.all = union(r.latest, r.previous, key)
	return r
}

// union returns the items of a, and those of b that are not in a in the same form. It adds none beyond maxFound.
func union[T any](a, b []T, key func(*T) string) []T {
	known := make(map[string]*T, len(a))
	for i := range a {
		known[key(&a[i])] = &a[i]
	}
	items := append(make([]T, 0, len(a)), a...)
	for i := range b {
		same := known[key(&b[i])]
		if (same == nil || !reflect.DeepEqual(same, &b[i])) && len(items) < maxFound {
			items = append(items, b[i])
		}
	}
	return items
}

func projectKey(project *atlas.Project) string { return project.ID }

func clusterKey(cluster *atlas.Cluster) string { return cluster.Name }

// inventoryEntry is the state of one list: its status, and the items found by the last successful attempts. It is
// immutable.
type inventoryEntry struct {
	DiscoveryStatus

	projects recentItems[atlas.Project]
	clusters map[atlas.ClusterKind]recentItems[atlas.Cluster]
}

// add adds the findings of a successful attempt.
func (e *inventoryEntry) add(found *findings) {
	if found.clusters == nil {
		e.projects = e.projects.after(found.projects, projectKey)
		return
	}
	clusters := map[atlas.ClusterKind]recentItems[atlas.Cluster]{}
	for kind, read := range found.clusters {
		clusters[kind] = e.clusters[kind].after(read, clusterKey)
	}
	e.clusters = clusters
}

// flexNames returns the names of the Flex clusters. Atlas may list them among the dedicated clusters, too. A cluster
// that was listed only among the Flex clusters and is now listed only among the dedicated ones was upgraded.
func (e *inventoryEntry) flexNames() map[string]bool {
	flex, dedicated := e.clusters[atlas.FlexClusters], e.clusters[atlas.DedicatedClusters]
	names := map[string]bool{}
	for _, cluster := range flex.previous {
		names[cluster.Name] = false
	}
	for _, cluster := range dedicated.previous {
		if _, both := names[cluster.Name]; both {
			names[cluster.Name] = true
		}
	}
	for _, cluster := range flex.latest {
		names[cluster.Name] = true
	}
	return names
}

// inventory contains an entry for each list that discovery has attempted to read.
type inventory map[discoveryKey]*inventoryEntry

// contains reports whether every one of the keys has been attempted, and every list of projects has been read once.
func (i inventory) contains(keys map[discoveryKey][]atlas.ClusterKind) bool {
	for key := range keys {
		if entry := i[key]; entry == nil || (key.projectID == "" && entry.LastSuccess.IsZero()) {
			return false
		}
	}
	return true
}

// failed reports whether a list has not been read, or the last attempt failed.
func (i inventory) failed(key discoveryKey) bool { return i[key] == nil || i[key].Err != nil }

// anyFailed reports whether the last attempt for any list failed.
func (i inventory) anyFailed() bool {
	for key := range i {
		if i.failed(key) {
			return true
		}
	}
	return false
}

// inventoryStore is the inventory shared by discovery, which records results, and the manager, which derives targets
// from it.
type inventoryStore struct {
	logger *slog.Logger

	mu      sync.Mutex
	entries inventory
	version int // of the targets that follow from the entries
}

// snapshot returns a copy of the inventory and its version. Versions differ if the targets or the readiness that
// follow from the inventory may differ.
func (s *inventoryStore) snapshot() (found inventory, version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.entries), s.version
}

// record records the result of an attempt to read a list. After a failure, the findings of the last successes stay. If
// ctx has ended, record reports false and does nothing: the result belongs to a configuration that is no longer
// active.
func (s *inventoryStore) record(ctx context.Context, key discoveryKey, found findings, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	last := cmp.Or(s.entries[key], &inventoryEntry{})
	next := &inventoryEntry{
		DiscoveryStatus{Credential: key.credential, ProjectID: key.projectID}, last.projects, last.clusters,
	}
	next.Found, next.LastSuccess = last.Found, last.LastSuccess
	if err == nil {
		next.Found, next.LastSuccess = found.count(), time.Now()
		next.add(&found)
	} else {
		next.Err, next.Reason = err, ReasonOf(err, "")
	}
	if s.entries[key] == nil || last.LastSuccess.IsZero() != next.LastSuccess.IsZero() ||
		!reflect.DeepEqual(last.projects, next.projects) || !reflect.DeepEqual(last.clusters, next.clusters) {
		s.version++
	}
	s.entries[key] = next
	s.log(ctx, last, next)
	return true
}

// log logs each change between success and the reasons for failure.
func (s *inventoryStore) log(ctx context.Context, last, next *inventoryEntry) {
	list := slog.Group("", slog.String("credential", next.Credential), slog.String("project_id", next.ProjectID))
	switch {
	case next.Err == nil && last.Err != nil:
		s.logger.LogAttrs(ctx, slog.LevelInfo, "discovery succeeded again", list, slog.Int("found", next.Found))
	case next.Reason != last.Reason:
		s.logger.LogAttrs(ctx, slog.LevelWarn, "discovery failed, keeping targets found before", list,
			slog.String("reason", string(next.Reason)), slog.Any("err", next.Err))
	}
}

// retain drops the entries of other keys than these, and returns the dropped keys.
func (s *inventoryStore) retain(keys map[discoveryKey][]atlas.ClusterKind) (dropped []discoveryKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.entries {
		if _, ok := keys[key]; !ok {
			delete(s.entries, key)
			dropped = append(dropped, key)
		}
	}
	return dropped
}

// statuses returns the status of each list, ordered by credential and project ID.
func (s *inventoryStore) statuses() []DiscoveryStatus {
	found, _ := s.snapshot()
	var statuses []DiscoveryStatus
	for _, key := range slices.SortedFunc(maps.Keys(found), compareKeys) {
		statuses = append(statuses, found[key].DiscoveryStatus)
	}
	return statuses
}
