// Package atlastest simulates the part of the MongoDB Atlas Administration API that the exporter reads: restore jobs of
// all backup types, lists of projects and clusters, both authentication schemes, paging, rate limits and errors.
// Responses have the fields of recorded responses, or of the documentation if none were recorded. If the behavior of
// Atlas is not known, a comment states the assumption.
//
// [New] returns a [Server] without projects. Methods add projects, clusters, credentials and jobs; the status of a
// [Job] follows from its description and the time. [Server.Script] replaces single responses, for example with an error
// or a response that never ends. [Server.Requests] returns the received requests.
//
// A Server is an http.Handler. Tests serve it with a [Pipe] or an httptest.Server, and the demo serves it on loopback.
package atlastest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
)

// ClusterKind is the kind of a cluster. It determines the paths that serve the cluster.
type ClusterKind int

// The kinds of clusters.
const (
	DedicatedCluster ClusterKind = iota // cloud backup, collection-level restores
	LegacyCluster                       // a dedicated cluster on legacy backup
	FlexCluster
	ServerlessInstance // retired in January 2026
	FreeCluster        // M0: in the list of dedicated clusters, but without backups
)

// Server simulates the Atlas API. Its exported fields must be set before it serves requests. Its methods are safe for
// concurrent use.
type Server struct {
	// NonceLife is the lifetime of a nonce of digest authentication. If zero, nonces do not expire.
	NonceLife time.Duration
	// Capacity and RefillPerMinute configure the token bucket of each project and set of operations. If Capacity is
	// zero, the documented values are used: 10,000 and 5,000 for the list of dedicated clusters, else 1,200 and 500. If
	// it is negative, there is no limit and there are no RateLimit headers.
	Capacity, RefillPerMinute int
	// ServerlessServed enables the serverless paths, which otherwise return status 410.
	ServerlessServed bool

	mu       sync.Mutex
	projects map[string]*project
	accounts map[string]credential // service accounts by client ID
	keys     map[string]credential // API keys by public key
	tokens   map[string]token
	nonces   map[string]time.Time
	buckets  map[string]*bucket
	rules    []*rule
	requests []Request
	serial   int
	added    int // number of clusters, for their IDs
}

type project struct {
	name     string
	tags     map[string]string
	clusters map[string]*cluster
}

type cluster struct {
	kind  ClusterKind
	state ClusterState
	lists map[atlas.BackupType]*jobList
}

type jobList struct {
	jobs  []*Job
	order Order
}

// credential is a service account or an API key.
type credential struct {
	secret   string
	projects []string // accessible projects; if empty, all
}

func (c credential) canAccess(projectID string) bool {
	return len(c.projects) == 0 || slices.Contains(c.projects, projectID)
}

// Request is a received request.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	Status              int
}

// New returns a server without projects and credentials.
func New() *Server {
	return &Server{
		projects: map[string]*project{},
		accounts: map[string]credential{},
		keys:     map[string]credential{},
		tokens:   map[string]token{},
		nonces:   map[string]time.Time{},
		buckets:  map[string]*bucket{},
	}
}

// AddProject adds a project.
func (s *Server) AddProject(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.projects[id] = &project{name: name, clusters: map[string]*cluster{}}
}

// AddCluster adds a cluster, created ten years ago and with cloud backup if its kind has it, to an existing project.
func (s *Server) AddCluster(projectID, name string, kind ClusterKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added++
	s.projects[projectID].clusters[name] = &cluster{
		kind: kind, lists: map[atlas.BackupType]*jobList{},
		state: ClusterState{
			ID: serialHex(-s.added)[:24], Created: time.Now().AddDate(-10, 0, 0), BackupEnabled: kind != FreeCluster,
		},
	}
}

// RemoveCluster removes a cluster and its jobs.
func (s *Server) RemoveCluster(projectID, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.projects[projectID].clusters, name)
}

// AddServiceAccount adds a service account that can access the given projects. If there are none, it can access all.
func (s *Server) AddServiceAccount(clientID, clientSecret string, projects ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[clientID] = credential{clientSecret, projects}
}

// AddAPIKey adds an API key that can access the given projects. If there are none, it can access all.
func (s *Server) AddAPIKey(public, private string, projects ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[public] = credential{private, projects}
}

// AddJobs adds restore jobs to a list of an existing cluster, and returns their IDs.
func (s *Server) AddJobs(list atlas.List, jobs ...Job) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(jobs))
	for _, job := range jobs {
		s.serial++
		job.setDefaults(list, s.serial)
		added := s.jobList(list)
		added.jobs = append(added.jobs, &job)
		ids = append(ids, job.ID)
	}
	return ids
}

// ChangeJob changes an existing job. It panics if there is no such job.
func (s *Server) ChangeJob(list atlas.List, id string, change func(*Job)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs := s.jobList(list).jobs
	change(jobs[indexOf(jobs, id)])
}

// RemoveJob removes a job from its list. Atlas is not known to do that. It panics if there is no such job.
func (s *Server) RemoveJob(list atlas.List, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.jobList(list)
	i := indexOf(from.jobs, id)
	from.jobs = slices.Delete(from.jobs, i, i+1)
}

func indexOf(jobs []*Job, id string) int {
	i := slices.IndexFunc(jobs, func(job *Job) bool { return job.ID == id })
	if i < 0 {
		panic(fmt.Sprintf("atlastest: no job %s", id))
	}
	return i
}

// SetOrder sets the order of a list. The default is NewestFirst.
func (s *Server) SetOrder(list atlas.List, order Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobList(list).order = order
}

// jobList returns a list of an existing cluster. The caller must hold s.mu.
func (s *Server) jobList(list atlas.List) *jobList {
	cluster := s.projects[list.ProjectID].clusters[list.ClusterName]
	if cluster.lists[list.BackupType] == nil {
		cluster.lists[list.BackupType] = &jobList{}
	}
	return cluster.lists[list.BackupType]
}

// Requests returns the matching requests, in the order of their responses. If match is nil, it returns all.
func (s *Server) Requests(match func(Request) bool) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var matched []Request
	for _, request := range s.requests {
		if match == nil || match(request) {
			matched = append(matched, request)
		}
	}
	return matched
}

// ForgetRequests clears the list of received requests.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// ServeHTTP serves a scripted response if a rule matches, else the simulated response.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	recorder := &statusRecorder{ResponseWriter: w}
	defer func() { s.record(r, recorder.status) }()
	if scripted := s.scripted(r); scripted != nil {
		scripted.ServeHTTP(recorder, r)
		return
	}
	s.respond(r).write(recorder, r)
}

func (s *Server) respond(r *http.Request) response {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == tokenPath {
		return s.tokenResponse(r)
	}
	if r.Method != http.MethodGet {
		return response{status: http.StatusMethodNotAllowed}
	}
	credential, challenge := s.authenticate(r)
	if challenge != nil {
		return *challenge
	}
	const projects = "/api/atlas/v2/groups"
	if r.URL.Path == projects {
		return s.projectsResponse(r, credential)
	}
	path, ok := strings.CutPrefix(r.URL.Path, projects+"/")
	if !ok {
		return resourceNotFound(r)
	}
	return s.projectResponse(r, credential, strings.Split(path, "/"))
}

// maxRequests limits the recorded requests, because the demo may run for days.
const maxRequests = 100_000

func (s *Server) record(r *http.Request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) < maxRequests {
		s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), status})
	}
}

// statusRecorder records the status of a response.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController access to the connection.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
