package report

import (
	"context"
	"iter"
	"sync"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
)

// recorder is a client that reads each list of projects and clusters only once, so that the targets and the scope are
// based on the same lists. It also finds jobs that are signed off.
type recorder struct {
	poll.Client

	mu       sync.Mutex
	projects *result[atlas.ProjectList]
	clusters map[clusterList]result[atlas.ClusterList]
	listed   map[string]bool // whether a list contains a job that is signed off, by ID
}

// result is a response or an error.
type result[T any] struct {
	value T
	err   error
}

type clusterList struct {
	projectID string
	kind      atlas.ClusterKind
}

func newRecorder(client poll.Client, signOffs []config.SignOff) *recorder {
	r := &recorder{Client: client, clusters: map[clusterList]result[atlas.ClusterList]{}, listed: map[string]bool{}}
	for i := range signOffs {
		r.listed[signOffs[i].JobID] = false
	}
	return r
}

// Projects lists the projects that the credential can access.
func (r *recorder) Projects(ctx context.Context) (atlas.ProjectList, error) {
	r.mu.Lock()
	known := r.projects
	r.mu.Unlock()
	if known != nil {
		return known.value, known.err
	}
	list, err := r.Client.Projects(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.projects = &result[atlas.ProjectList]{list, err}
	return list, err
}

// Clusters lists the clusters of a kind in a project.
func (r *recorder) Clusters(
	ctx context.Context, projectID string, kind atlas.ClusterKind,
) (atlas.ClusterList, error) {
	key := clusterList{projectID, kind}
	r.mu.Lock()
	known, ok := r.clusters[key]
	r.mu.Unlock()
	if ok {
		return known.value, known.err
	}
	list, err := r.Client.Clusters(ctx, projectID, kind)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clusters[key] = result[atlas.ClusterList]{list, err}
	return list, err
}

// RestoreJobs reads a list of restore jobs.
func (r *recorder) RestoreJobs(
	ctx context.Context, list atlas.List, marks ...atlas.PageMark,
) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		for page, err := range r.Client.RestoreJobs(ctx, list, marks...) {
			r.setListed(page.Jobs)
			if !yield(page, err) {
				return
			}
		}
	}
}

// setListed records the jobs that are signed off.
func (r *recorder) setListed(jobs []atlas.RestoreJob) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range jobs {
		if _, signedOff := r.listed[jobs[i].ID]; signedOff {
			r.listed[jobs[i].ID] = true
		}
	}
}
