package report

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// scope contains everything that Atlas lists to the credentials.
type scope struct {
	projects map[string]*scopeProject // by ID
	unlisted []UnlistedProject
}

// scopeProject is a project and its clusters.
type scopeProject struct {
	atlas.Project

	credentials []string                  // that the project is listed to, or configured with
	clusters    map[string]*atlas.Cluster // by name
}

// read reads the lists of all projects and their clusters, except for those that the recorders have already read.
func (s *scope) read(ctx context.Context, r *reader) {
	s.projects = map[string]*scopeProject{}
	for _, credential := range r.credentials {
		projects, err := readInTime(ctx, func(ctx context.Context) (atlas.ProjectList, error) {
			return r.recorders[credential].Projects(ctx)
		})
		if err != nil {
			s.addUnlisted(credential, "", err)
		}
		for i := range projects.Projects {
			s.project(projects.Projects[i].ID, credential).Project = projects.Projects[i]
		}
	}
	for i := range r.config.Targets {
		s.project(r.config.Targets[i].ProjectID, r.config.Targets[i].Credential)
	}
	for i := range r.config.Discoveries {
		if target := &r.config.Discoveries[i].Target; target.ProjectID != "" {
			s.project(target.ProjectID, target.Credential)
		}
	}
	var mu sync.Mutex
	var reads errgroup.Group
	reads.SetLimit(cmp.Or(r.config.Concurrency, poll.MinSlots))
	for _, id := range slices.Sorted(maps.Keys(s.projects)) {
		reads.Go(func() error {
			clusters, credential, err := s.projects[id].readClusters(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			s.projects[id].clusters = clusters
			if err != nil {
				s.addUnlisted(credential, id, err)
			}
			return nil
		})
	}
	_ = reads.Wait()
	for _, status := range slices.Concat(r.manager.Discoveries(), r.manager.Inventories()) {
		if status.Err != nil { // even if another credential can list the clusters, they were not discovered
			s.addUnlisted(status.Credential, status.ProjectID, status.Err)
		}
	}
}

// project returns the project with an ID, and records that a credential can access it.
func (s *scope) project(id, credential string) *scopeProject {
	p := s.projects[id]
	if p == nil {
		p = &scopeProject{Project: atlas.Project{ID: id}}
		s.projects[id] = p
	}
	if !slices.Contains(p.credentials, credential) {
		p.credentials = append(p.credentials, credential)
	}
	return p
}

func (s *scope) addUnlisted(credential, projectID string, err error) {
	if slices.ContainsFunc(s.unlisted, func(u UnlistedProject) bool {
		return u.ProjectID == projectID && (projectID != "" || u.Credential == credential)
	}) {
		return
	}
	s.unlisted = append(s.unlisted, UnlistedProject{
		Credential: credential, ProjectID: projectID, Reason: string(poll.ReasonOf(err, "")), Error: err.Error(),
	})
}

// readClusters reads the clusters of a project with the first credential that can list them. If none can list a kind of
// clusters, it also returns the error of one of the credentials.
func (p *scopeProject) readClusters(
	ctx context.Context, r *reader,
) (clusters map[string]*atlas.Cluster, credential string, err error) {
	clusters = map[string]*atlas.Cluster{}
	for _, kind := range []atlas.ClusterKind{atlas.FlexClusters, atlas.DedicatedClusters} {
		var list atlas.ClusterList
		var kindErr error
		for _, credential = range p.credentials {
			list, kindErr = readInTime(ctx, func(ctx context.Context) (atlas.ClusterList, error) {
				return r.recorders[credential].Clusters(ctx, p.ID, kind)
			})
			if kindErr == nil {
				break
			}
		}
		err = cmp.Or(err, kindErr)
		for i := range list.Clusters {
			name := list.Clusters[i].Name
			clusters[name] = cmp.Or(clusters[name], &list.Clusters[i]) // a Flex cluster may be in both lists
		}
	}
	return clusters, credential, err
}

// readInTime reads a list within the timeout of discovery.
func readInTime[T any](ctx context.Context, read func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, poll.DiscoveryTimeout)
	defer cancel()
	return read(ctx)
}
