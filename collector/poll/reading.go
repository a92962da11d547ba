package poll

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/internal/recovery"
)

// DiscoveryTimeout bounds an attempt to read one list of projects or clusters.
const DiscoveryTimeout = 30 * time.Second

// plan contains the lists to read for a discoveryKey. For the list of projects, only the client is used.
type plan struct {
	client  Client
	kinds   []atlas.ClusterKind // of clusters
	project bool                // the project itself, too
}

func (p *plan) equal(other *plan) bool {
	return p.client == other.client && slices.Equal(p.kinds, other.kinds) && p.project == other.project
}

// readItems are the items that were read of one list. If its counts contradict each other, it isn't consistent: items
// may be missing.
type readItems[T any] struct {
	items      []T
	consistent bool
}

// findings are the results of an attempt. Fields of items that were not read are nil.
type findings struct {
	projects *readItems[atlas.Project]
	project  *atlas.Project
	clusters map[atlas.ClusterKind]readItems[atlas.Cluster]
}

// count returns the number of projects, or of clusters that can have restore jobs.
func (f *findings) count() int {
	n := 0
	if f.projects != nil {
		n = len(f.projects.items)
	}
	for _, clusters := range f.clusters {
		for i := range clusters.items {
			if clusters.items[i].CanHaveRestores {
				n++
			}
		}
	}
	return n
}

// read makes one attempt to read a plan. A panic is returned as an error. If one list of clusters can't be read, read
// returns the others, but not as consistent: they add clusters, but remove none.
func read(ctx context.Context, key discoveryKey, plan *plan, logger *slog.Logger) (found findings, err error) {
	recovery.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, DiscoveryTimeout)
		defer cancel()
		if key.projectID == "" {
			found.projects, err = readProjects(ctx, plan.client)
			return
		}
		var projectErr error
		if plan.project {
			found.project, projectErr = readProject(ctx, plan.client, key.projectID)
		}
		found.clusters, err = readClusters(ctx, plan.client, key.projectID, plan.kinds)
		err = cmp.Or(err, projectErr)
	}, func(value any) {
		found, err = findings{}, ErrInternal
		logger.LogAttrs(ctx, slog.LevelError, "panic recovered during discovery, please report this bug",
			recovery.Attrs(value)...)
	})
	return found, err
}

func readProjects(ctx context.Context, client Client) (*readItems[atlas.Project], error) {
	list, err := client.Projects(ctx)
	if err != nil {
		return nil, err
	}
	return &readItems[atlas.Project]{list.Projects, list.Consistent}, nil
}

func readProject(ctx context.Context, client Client, projectID string) (*atlas.Project, error) {
	project, err := client.Project(ctx, projectID)
	if err != nil {
		return nil, err
	}
	return &project, nil
}

func readClusters(
	ctx context.Context, client Client, projectID string, kinds []atlas.ClusterKind,
) (found map[atlas.ClusterKind]readItems[atlas.Cluster], err error) {
	found = map[atlas.ClusterKind]readItems[atlas.Cluster]{}
	for _, kind := range kinds {
		list, kindErr := client.Clusters(ctx, projectID, kind)
		if kindErr == nil {
			found[kind] = readItems[atlas.Cluster]{list.Clusters, list.Consistent}
		}
		err = cmp.Or(err, kindErr)
	}
	if err != nil {
		for kind, list := range found {
			found[kind] = readItems[atlas.Cluster]{list.items, false}
		}
	}
	return found, err
}
