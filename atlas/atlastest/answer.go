package atlastest

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
)

// answer is a status, headers, and a body that becomes JSON; none for a nil body.
type answer struct {
	status  int
	version string // of the resource; plain JSON where empty
	header  http.Header
	body    any
}

// gzipWriters are kept because each new one takes most of a MiB.
var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // there is no such level
	}
	return w
}}

// write sends the answer, with gzip for whoever accepts it.
func (a answer) write(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Server", "mdbws")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", "application/json")
	if a.version != "" {
		header.Set("Content-Type", "application/vnd.atlas."+a.version+"+json;charset=utf-8")
	}
	maps.Copy(header, a.header)
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	body, err := json.Marshal(a.body)
	if err != nil {
		panic(err) // a Job.Raw that is no JSON
	}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		w.WriteHeader(a.status)
		compressed := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(compressed)
		compressed.Reset(w)
		_, _ = compressed.Write(body)
		_ = compressed.Close()
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}

func apiError(status int, code, detail string, parameters ...any) answer {
	return answer{status: status, body: apiErrorBody(status, code, detail, parameters...)}
}

func apiErrorBody(status int, code, detail string, parameters ...any) map[string]any {
	if parameters == nil {
		parameters = []any{}
	}
	return map[string]any{
		"detail": detail, "error": status, "errorCode": code, "parameters": parameters,
		"reason": http.StatusText(status),
	}
}

// project answers a path below a project. The credential sees the given projects, or all where none is given.
func (s *Server) project(r *http.Request, seen, path []string) answer {
	id := path[0]
	if len(seen) > 0 && !slices.Contains(seen, id) {
		return apiError(http.StatusUnauthorized, "USER_CANNOT_ACCESS_GROUP",
			"The current user is not allowed to access the group.", id)
	}
	project := s.projects[id]
	if project == nil {
		return apiError(http.StatusNotFound, "GROUP_NOT_FOUND", "No group with ID "+id+" exists.", id)
	}
	switch len(path) {
	case 1:
		return s.limited(r, id, "projects", "2023-01-01", func() answer {
			return answer{status: http.StatusOK, body: project.render(id)}
		})
	case 2:
		return s.listClusters(r, id, project, path[1])
	}
	return s.restores(r, id, project, path[1:])
}

func noSuchResource(r *http.Request) answer {
	return apiError(http.StatusNotFound, "RESOURCE_NOT_FOUND", "Cannot find resource "+r.URL.Path+".")
}

// resource is a kind of list as the paths have it.
type resource struct {
	collection string // the path element before the cluster's name
	tail       string // what comes between the cluster's name and a job's id
	version    string
	set        string // of endpoints that share a token bucket
}

var resources = map[atlas.BackupType]resource{
	atlas.Dedicated:  {"clusters", "backup/restoreJobs", "2023-01-01", "cloud_backups"},
	atlas.Collection: {"clusters", "collectionRestoreJobs", "2025-03-12", "collection_restores"},
	atlas.Flex:       {"flexClusters", "backup/restoreJobs", "2024-11-13", "flex_restores"},
	atlas.Serverless: {"serverless", "backup/restoreJobs", "2023-01-01", "serverless_backups"},
	atlas.Legacy:     {"clusters", "restoreJobs", "2023-01-01", "cloud_backups"},
}

// restores answers a path below a project that is a list of restore jobs or one of them.
func (s *Server) restores(r *http.Request, projectID string, project *project, path []string) answer {
	for _, backupType := range atlas.BackupTypes() {
		resource := resources[backupType]
		tail := strings.Join(path[min(2, len(path)):], "/")
		id, single := strings.CutPrefix(tail, resource.tail+"/")
		if path[0] != resource.collection || (tail != resource.tail && !single) {
			continue
		}
		name := atlas.List{ProjectID: projectID, ClusterName: path[1], BackupType: backupType}
		return s.limited(r, projectID, resource.set, resource.version, func() answer {
			if refusal := s.refuseKind(name, project.clusters[name.ClusterName]); refusal != nil {
				return *refusal
			}
			if single {
				return s.job(name, id)
			}
			return s.page(r, name)
		})
	}
	return noSuchResource(r)
}

// refuseKind refuses to serve a cluster on the path of another kind. The codes are recorded or documented, that the
// legacy path answers INCORRECT_BACKUP_API_ENDPOINT and a sunset path 410 is inferred.
func (s *Server) refuseKind(name atlas.List, cluster *cluster) *answer {
	refuse := func(status int, code, detail string, parameters ...any) *answer {
		refusal := apiError(status, code, detail, parameters...)
		return &refusal
	}
	if name.BackupType == atlas.Serverless && !s.ServerlessServed {
		return refuse(http.StatusGone, "VERSION_GONE", "The requested version of this resource is gone.")
	}
	if cluster == nil {
		return refuse(http.StatusNotFound, "CLUSTER_NOT_FOUND", fmt.Sprintf("No cluster named %s exists in group %s.",
			name.ClusterName, name.ProjectID), name.ClusterName, name.ProjectID)
	}
	bad := func(code, detail string) *answer {
		return refuse(http.StatusBadRequest, code, fmt.Sprintf(detail, name.ClusterName), name.ClusterName)
	}
	switch asked := name.BackupType; {
	case asked == atlas.Flex && cluster.kind != FlexCluster:
		return bad("CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API", "Cannot use non-flex cluster %s in the flex API.")
	case asked == atlas.Serverless && cluster.kind != ServerlessInstance:
		return bad("CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API", "Cluster %s cannot be used in the Serverless API.")
	case asked != atlas.Flex && cluster.kind == FlexCluster:
		return bad("CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", "Flex cluster %s cannot be used in the Cluster API.")
	case asked != atlas.Serverless && cluster.kind == ServerlessInstance:
		return bad("CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API", "Serverless instance %s cannot be used here.")
	case asked == atlas.Legacy && cluster.kind != LegacyCluster:
		return bad("INCORRECT_BACKUP_API_ENDPOINT", "Cluster %s uses cloud backup, which has another path.")
	}
	return nil
}

// limited checks the version that is asked for and takes a token from the bucket before it answers.
func (s *Server) limited(r *http.Request, projectID, set, version string, next func() answer) answer {
	asked, ok := strings.CutPrefix(r.Header.Get("Accept"), "application/vnd.atlas.")
	asked, isJSON := strings.CutSuffix(asked, "+json")
	if _, err := time.Parse(time.DateOnly, asked); !ok || !isJSON || err != nil || asked < version {
		return apiError(http.StatusNotAcceptable, "INVALID_VERSION_DATE", "Want a version date in Accept.")
	}
	header, refusal := s.take(projectID, set, r.URL.Path)
	if refusal != nil {
		return *refusal
	}
	answer := next()
	answer.header = header
	if answer.status == http.StatusOK {
		answer.version = version
	}
	return answer
}

func (s *Server) job(name atlas.List, id string) answer {
	for _, job := range s.list(name).jobs {
		if job.ID == id {
			return answer{status: http.StatusOK, body: job.render(name, time.Now())}
		}
	}
	return apiError(http.StatusNotFound, "RESTORE_JOB_NOT_FOUND", "No restore job with ID "+id+" exists.", id)
}

func (s *Server) page(r *http.Request, name atlas.List) answer {
	now := time.Now()
	jobs := s.list(name).at(now)
	return paged(r, jobs, func(job *Job) any { return job.render(name, now) })
}

// paged answers with the page of a list that is asked for.
func paged[T any](r *http.Request, items []T, render func(T) any) answer {
	query := r.URL.Query()
	number, err1 := intParameter(query, "pageNum", 1, 1<<30)
	size, err2 := intParameter(query, "itemsPerPage", 100, 500)
	if err1 != nil || err2 != nil {
		return apiError(http.StatusBadRequest, "INVALID_QUERY_PARAMETER", "Invalid query parameter specified.")
	}
	results := []any{}
	for _, item := range items[min((number-1)*size, len(items)):min(number*size, len(items))] {
		results = append(results, render(item))
	}
	links := []any{link(r.URL.RequestURI(), "self")}
	page := func(number int, rel string) {
		query.Set("pageNum", strconv.Itoa(number))
		links = append(links, link(r.URL.Path+"?"+query.Encode(), rel))
	}
	if number > 1 {
		page(number-1, "previous")
	}
	if number*size < len(items) {
		page(number+1, "next")
	}
	body := map[string]any{"links": links, "results": results}
	if query.Get("includeCount") != "false" {
		body["totalCount"] = len(items)
	}
	return answer{status: http.StatusOK, body: body}
}

func intParameter(query url.Values, name string, standard, largest int) (int, error) {
	if !query.Has(name) {
		return standard, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err == nil && (n < 1 || n > largest) {
		err = strconv.ErrRange
	}
	return n, err
}

func link(path, rel string) map[string]any {
	return map[string]any{"href": "https://cloud.mongodb.com" + path, "rel": rel}
}
