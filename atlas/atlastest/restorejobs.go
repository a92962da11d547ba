package atlastest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
)

// resource describes the paths of a list.
type resource struct {
	collection string // path element before the cluster name
	tail       string // path between the cluster name and a job ID
	version    string
	bucket     string // operations that share one token bucket
}

var resources = map[atlas.BackupType]resource{
	atlas.Dedicated:  {"clusters", "backup/restoreJobs", "2023-01-01", "cloud_backups"},
	atlas.Collection: {"clusters", "collectionRestoreJobs", "2025-03-12", "collection_restores"},
	atlas.Flex:       {"flexClusters", "backup/restoreJobs", "2024-11-13", "flex_restores"},
	atlas.Serverless: {"serverless", "backup/restoreJobs", "2023-01-01", "serverless_backups"},
	atlas.Legacy:     {"clusters", "restoreJobs", "2023-01-01", "cloud_backups"},
}

// restoreResponse returns the response for a path below a project: a list of restore jobs, or one of the jobs.
func (s *Server) restoreResponse(r *http.Request, projectID string, project *project, path []string) response {
	for _, backupType := range atlas.BackupTypes() {
		resource := resources[backupType]
		tail := strings.Join(path[min(2, len(path)):], "/")
		id, single := strings.CutPrefix(tail, resource.tail+"/")
		if path[0] != resource.collection || (tail != resource.tail && !single) {
			continue
		}
		list := atlas.List{ProjectID: projectID, ClusterName: path[1], BackupType: backupType}
		return s.limit(r, projectID, resource.bucket, resource.version, func() response {
			if rejection := s.checkBackupType(list, project.clusters[list.ClusterName]); rejection != nil {
				return *rejection
			}
			if single {
				return s.jobResponse(list, id)
			}
			now := time.Now()
			return pageResponse(r, s.jobList(list).at(now), func(job *Job) any { return job.render(list, now) })
		})
	}
	return resourceNotFound(r)
}

// checkBackupType returns an error response if the cluster doesn't exist, or if its jobs belong to another backup type.
// Two responses are assumptions: INCORRECT_BACKUP_API_ENDPOINT for legacy backup, and 410 for a retired resource. The
// other error codes are recorded or documented.
func (s *Server) checkBackupType(list atlas.List, cluster *cluster) *response {
	reject := func(status int, code, detail string, parameters ...any) *response {
		rejection := errorResponse(status, code, detail, parameters...)
		return &rejection
	}
	if list.BackupType == atlas.Serverless && !s.ServerlessServed {
		return reject(http.StatusGone, "VERSION_GONE", "The requested version of this resource was removed.")
	}
	if cluster == nil {
		return reject(http.StatusNotFound, "CLUSTER_NOT_FOUND", fmt.Sprintf("No cluster named %s exists in group %s.",
			list.ClusterName, list.ProjectID), list.ClusterName, list.ProjectID)
	}
	badRequest := func(code, detail string) *response {
		return reject(http.StatusBadRequest, code, fmt.Sprintf(detail, list.ClusterName), list.ClusterName)
	}
	switch requested := list.BackupType; {
	case requested == atlas.Flex && cluster.kind != FlexCluster:
		return badRequest("CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API", "Cannot use non-flex cluster %s in the flex API.")
	case requested == atlas.Serverless && cluster.kind != ServerlessInstance:
		return badRequest("CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API",
			"Cluster %s cannot be used in the Serverless API.")
	case requested != atlas.Flex && cluster.kind == FlexCluster:
		return badRequest("CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", "Flex cluster %s cannot be used in the Cluster API.")
	case requested != atlas.Serverless && cluster.kind == ServerlessInstance:
		return badRequest("CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API",
			"Serverless instance %s cannot be used here.")
	case requested == atlas.Legacy && cluster.kind != LegacyCluster:
		return badRequest("INCORRECT_BACKUP_API_ENDPOINT", "Cluster %s uses cloud backup, which has another path.")
	}
	return nil
}

func (s *Server) jobResponse(list atlas.List, id string) response {
	for _, job := range s.jobList(list).jobs {
		if job.ID == id {
			return response{status: http.StatusOK, body: job.render(list, time.Now())}
		}
	}
	return errorResponse(http.StatusNotFound, "RESTORE_JOB_NOT_FOUND", "No restore job with ID "+id+" exists.", id)
}
