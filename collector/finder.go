package collector

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/internal/panics"
)

// place is what is asked for at once: the clusters of a project or, where the project is empty, the projects that a
// credential sees.
type place struct{ credential, projectID string }

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.credential, b.credential), cmp.Compare(a.projectID, b.projectID))
}

// inventory is what was found: for each place as it was when it was last read.
type inventory struct {
	projects map[string][]atlas.Project // by credential
	clusters map[place]map[atlas.ClusterKind][]atlas.Cluster
}

// Search is how the search of a place goes: of a project for clusters or, where the ProjectID is empty, for the
// projects that a credential sees.
type Search struct {
	Credential, ProjectID string
	Found                 int       // projects or clusters, when it last succeeded
	LastSuccess           time.Time // zero if it never did
	Err                   error     // of the last try, nil where it succeeded
	Reason                Reason    // the same in a word
}

// finder keeps the inventory up to date.
type finder struct {
	names   *projectNames
	metrics *Metrics
	logger  *slog.Logger

	mu       sync.Mutex
	found    inventory
	searches map[place]*Search
}

func newFinder(names *projectNames, metrics *Metrics, logger *slog.Logger) *finder {
	return &finder{
		names: names, metrics: metrics, logger: logger, searches: map[place]*Search{},
		found: inventory{projects: map[string][]atlas.Project{}, clusters: map[place]map[atlas.ClusterKind][]atlas.Cluster{}},
	}
}

// SearchTimeout bounds the search of one place.
const SearchTimeout = 30 * time.Second

// round looks everywhere once, or only where the last search failed. Where it fails, what was found before stays.
func (f *finder) round(ctx context.Context, setup *Setup, failedOnly bool) {
	const share = 2 // of the concurrency: searches come on top of polls
	var projects, clusters errgroup.Group
	projects.SetLimit(max(setup.Concurrency/share, 1))
	clusters.SetLimit(max(setup.Concurrency/share, 1))
	relevant := map[place]bool{}
	search := func(group *errgroup.Group, at place, search func()) {
		if !relevant[at] && (!failedOnly || f.failing(at)) {
			group.Go(func() error { f.contain(ctx, at, search); return nil })
		}
		relevant[at] = true
	}
	for _, rule := range setup.Discoveries {
		if credential := rule.Target.Credential; rule.Target.ProjectID == "" {
			search(&projects, place{credential, ""}, func() { f.findProjects(ctx, setup.Clients[credential], credential) })
		}
	}
	_ = projects.Wait()
	for at, kinds := range f.places(setup) {
		search(&clusters, at, func() { f.findClusters(ctx, setup.Clients[at.credential], at, kinds) })
	}
	_ = clusters.Wait()
	if ctx.Err() == nil {
		f.end(relevant)
	}
}

// contain lets a search that panics be one that failed.
func (f *finder) contain(ctx context.Context, at place, search func()) {
	defer func() {
		if value := recover(); value != nil {
			f.logger.LogAttrs(ctx, slog.LevelError, "panic in a search, please report it", panics.Attrs(value)...)
			f.searched(ctx, at, 0, ErrInternal, nil)
		}
	}()
	search()
}

// failing reports whether a place was never searched, or without success.
func (f *finder) failing(at place) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	search := f.searches[at]
	return search == nil || search.Err != nil
}

// anyFailing reports whether the last search of any place failed.
func (f *finder) anyFailing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, search := range f.searches {
		if search.Err != nil {
			return true
		}
	}
	return false
}

func (f *finder) places(setup *Setup) map[place][]atlas.ClusterKind {
	f.mu.Lock()
	defer f.mu.Unlock()
	return setup.places(&f.found)
}

// targets returns what a setup and what was found so far make of each other.
func (f *finder) targets(setup *Setup) (targets []Target, all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return setup.targets(&f.found)
}

// complete reports whether every search for projects has succeeded, and every other one ended, since the start.
func (f *finder) complete(setup *Setup) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range setup.Discoveries {
		target := &setup.Discoveries[i].Target
		search := f.searches[place{target.Credential, target.ProjectID}]
		if search == nil || (target.ProjectID == "" && search.LastSuccess.IsZero()) {
			return false
		}
	}
	for at := range setup.places(&f.found) {
		if f.searches[at] == nil {
			return false
		}
	}
	return true
}

// end notes that a round is over, and forgets the places that the rules are not about any longer.
func (f *finder) end(relevant map[place]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for at := range f.searches {
		if !relevant[at] {
			delete(f.searches, at)
			delete(f.found.clusters, at)
			if at.projectID == "" {
				delete(f.found.projects, at.credential)
			}
			f.metrics.forgetSearch(at)
			f.names.forget(at.projectID)
		}
	}
}

func (f *finder) findProjects(ctx context.Context, client Client, credential string) {
	at := place{credential, ""}
	searchCtx, cancel := context.WithTimeout(ctx, SearchTimeout)
	defer cancel()
	projects, err := client.Projects(searchCtx)
	if ctx.Err() != nil {
		return
	}
	for _, project := range projects {
		f.names.set(project.ID, project.Name)
	}
	f.searched(ctx, at, len(projects), err, func() { f.found.projects[credential] = projects })
}

func (f *finder) findClusters(ctx context.Context, client Client, at place, kinds []atlas.ClusterKind) {
	searchCtx, cancel := context.WithTimeout(ctx, SearchTimeout)
	defer cancel()
	found, n := map[atlas.ClusterKind][]atlas.Cluster{}, 0
	var err error
	for _, kind := range kinds {
		var clusters []atlas.Cluster
		if clusters, err = client.Clusters(searchCtx, at.projectID, kind); err != nil {
			break
		}
		found[kind] = clusters
		n += len(clusters)
	}
	if ctx.Err() == nil {
		f.searched(ctx, at, n, err, func() { f.found.clusters[at] = found })
	}
}

// searched notes what came of the search of a place, and keeps what was found if it succeeded.
func (f *finder) searched(ctx context.Context, at place, n int, err error, keep func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, next := f.searches[at], &Search{Credential: at.credential, ProjectID: at.projectID}
	if last == nil {
		last = &Search{}
	}
	where := slog.Group("", slog.String("credential", at.credential), slog.String("project_id", at.projectID))
	if err == nil {
		keep()
		next.Found, next.LastSuccess = n, time.Now()
		if last.Err != nil {
			f.logger.LogAttrs(ctx, slog.LevelInfo, "discovery succeeded again", where, slog.Int("found", n))
		}
	} else {
		next.Found, next.LastSuccess, next.Err, next.Reason = last.Found, last.LastSuccess, err, ReasonOf(err, "")
		if next.Reason != last.Reason {
			f.logger.LogAttrs(ctx, slog.LevelWarn, "discovery failed, what was found before stays", where,
				slog.String("reason", string(next.Reason)), slog.Any("err", err))
		}
	}
	f.searches[at] = next
	f.metrics.searched(at, next)
}

// state returns how each search goes, in the order of credentials and projects.
func (f *finder) state() (searches []Search) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, at := range slices.SortedFunc(maps.Keys(f.searches), comparePlaces) {
		searches = append(searches, *f.searches[at])
	}
	return searches
}
