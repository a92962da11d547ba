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
	Found                 int       // number of projects, or of clusters that can have restore jobs, at LastSuccess
	LastSuccess           time.Time // zero if there was none
	Err                   error     // of the last attempt; nil if it succeeded
	Reason                Reason    // class of Err; empty if Err is nil
}

// recentItems are the items of the recent reads of one list. They include an item until two consecutive, consistent
// reads don't contain it. An item that has changed is included in both forms until then. It is immutable.
type recentItems[T any] struct {
	latest   []T // items of the last consistent read, and of inconsistent reads since
	previous []T // the same of the consistent read before; equal to latest if there was none
	all      []T // of both, latest first
	complete []T // items of the last consistent read; nil if there was none
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
	if read.consistent {
		r.complete = read.items
		if r.complete == nil {
			r.complete = []T{}
		}
	}
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

	// settled is set once the list has been read, or has failed for a reason that is not temporary.
	settled  bool
	projects recentItems[atlas.Project]
	project  *atlas.Project // of the last successful read; nil if there was none
	clusters map[atlas.ClusterKind]recentItems[atlas.Cluster]
}

// add adds the findings of an attempt. Lists of other kinds of clusters than these are dropped. Those that could not be
// read remain.
func (e *inventoryEntry) add(found *findings, kinds []atlas.ClusterKind) {
	if found.projects != nil {
		e.projects = e.projects.after(*found.projects, projectKey)
	}
	if found.project != nil {
		e.project = found.project
	}
	if found.clusters == nil {
		return
	}
	clusters := map[atlas.ClusterKind]recentItems[atlas.Cluster]{}
	for _, kind := range kinds {
		if list, read := found.clusters[kind]; read {
			clusters[kind] = e.clusters[kind].after(list, clusterKey)
		} else if list, known := e.clusters[kind]; known {
			clusters[kind] = list
		}
	}
	e.clusters = clusters
}

// clustersOf returns the clusters of a kind in all lists. Atlas may list Flex clusters among the dedicated ones, too.
// If a name certainly belongs to both a Flex cluster and a dedicated one, such as during an upgrade, it is returned as
// both.
func (e *inventoryEntry) clustersOf(kind atlas.ClusterKind) []atlas.Cluster {
	flex, dedicated := e.clusters[atlas.FlexClusters], e.clusters[atlas.DedicatedClusters].all
	inFlexList := map[string]bool{}
	for i := range flex.latest {
		inFlexList[flex.latest[i].Name] = true
	}
	isFlex := func(c *atlas.Cluster) bool { return c.Flex || inFlexList[c.Name] && !c.Dedicated }
	var clusters []atlas.Cluster
	if kind == atlas.FlexClusters {
		clusters = append(clusters, flex.all...)
	}
	for i := range dedicated {
		if isFlex(&dedicated[i]) == (kind == atlas.FlexClusters) {
			clusters = append(clusters, dedicated[i])
		}
	}
	return clusters
}

// inventory contains an entry for each list that discovery has attempted to read.
type inventory map[discoveryKey]*inventoryEntry

// unsettled returns the number of keys whose lists have neither been read nor failed permanently.
func (i inventory) unsettled(keys map[discoveryKey][]atlas.ClusterKind) int {
	n := 0
	for key := range keys {
		if i[key] == nil || !i[key].settled {
			n++
		}
	}
	return n
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

// inventoryStore is an inventory shared by a goroutine that reads lists and records the results, and the manager, which
// derives targets and facts from it.
type inventoryStore struct {
	// logFailed and logSuccess log each change between success and the reasons for failure.
	logFailed, logSuccess func(context.Context, ...slog.Attr)

	mu      sync.Mutex
	entries inventory
	version int // see snapshot
	// anySuccess is set if also a successful read without changes makes a new version.
	anySuccess bool
}

// setAnySuccess sets whether also a successful read without changes makes a new version.
func (s *inventoryStore) setAnySuccess(anySuccess bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.anySuccess = anySuccess
}

// snapshot returns a copy of the inventory and its version. Versions differ if the targets, the facts, or the readiness
// that follow from the inventory may differ.
func (s *inventoryStore) snapshot() (found inventory, version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.entries), s.version
}

// currentVersion returns the version that snapshot would return, without a copy of the inventory.
func (s *inventoryStore) currentVersion() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// record records the result of an attempt to read a list. After a failure, the findings of the last successes stay,
// except that a project that was read is recorded. If ctx has ended, record does nothing: the result belongs to a
// configuration that is no longer active.
func (s *inventoryStore) record(
	ctx context.Context, key discoveryKey, kinds []atlas.ClusterKind, found findings, err error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	last := cmp.Or(s.entries[key], &inventoryEntry{})
	next := *last
	next.Credential, next.ProjectID, next.Err, next.Reason = key.credential, key.projectID, nil, ""
	if err == nil {
		next.Found, next.LastSuccess, next.settled = found.count(), time.Now(), true
	} else {
		next.Err, next.Reason = err, ReasonOf(err, "")
		next.settled = last.settled || !next.Reason.temporary()
	}
	next.add(&found, kinds)
	if s.entries[key] == nil || !last.sameContent(&next) || s.anySuccess && err == nil {
		s.version++
	}
	s.entries[key] = &next
	s.log(ctx, last, &next)
}

func (e *inventoryEntry) sameContent(other *inventoryEntry) bool {
	return e.settled == other.settled && e.Reason == other.Reason && reflect.DeepEqual(e.projects, other.projects) &&
		reflect.DeepEqual(e.project, other.project) && reflect.DeepEqual(e.clusters, other.clusters)
}

func (s *inventoryStore) log(ctx context.Context, last, next *inventoryEntry) {
	list := slog.Group("", slog.String("credential", next.Credential), slog.String("project_id", next.ProjectID))
	switch {
	case next.Err == nil && last.Err != nil:
		s.logSuccess(ctx, list, slog.Int("found", next.Found))
	case next.Reason != last.Reason:
		s.logFailed(ctx, list, slog.String("reason", string(next.Reason)), slog.Any("err", next.Err))
	}
}

// retain drops the entries that are not wanted.
func (s *inventoryStore) retain(wanted func(discoveryKey) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.entries, func(key discoveryKey, _ *inventoryEntry) bool { return !wanted(key) })
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
