// Package atlastest simulates the part of the MongoDB Atlas Administration API that this project reads: restore jobs
// of all backup types, the lists of projects and clusters, both authentications, paging, rate limits and refusals. Where what Atlas really does is not
// known, the simulator does the likely thing and says so.
//
// A Server is an http.Handler. Tests put it behind a Pipe or an httptest.Server; `demo` serves it on loopback.
package atlastest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
)

// ClusterKind says what a cluster is, and so which paths it can be asked at.
type ClusterKind int

// The kinds of clusters.
const (
	DedicatedCluster   ClusterKind = iota // cloud backup, collection-level restores
	LegacyCluster                         // a dedicated cluster on legacy backup
	FlexCluster                           // the small shared tier
	ServerlessInstance                    // since January 2026 there are none
	FreeCluster                           // M0: listed among the dedicated ones, and without backups
)

// Server is a simulated Atlas. Its exported fields are set before it serves; everything else goes through methods,
// which are safe while it serves.
type Server struct {
	// NonceLife is how long a digest nonce is valid. Zero stands for ever.
	NonceLife time.Duration
	// Capacity and RefillPerMinute are the token bucket of each project and set of endpoints. Zero stands for what is
	// documented: 1200 and 500, for the list of dedicated clusters 10000 and 5000. A Capacity below zero leaves the RateLimit headers out, and the limit.
	Capacity, RefillPerMinute int
	// ServerlessServed brings back the serverless paths, which otherwise answer as sunset ones do.
	ServerlessServed bool

	mu       sync.Mutex
	projects map[string]*project
	accounts map[string]credential // service accounts by client id
	keys     map[string]credential // API keys by public key
	tokens   map[string]token
	nonces   map[string]time.Time
	buckets  map[string]*bucket
	rules    []*rule
	requests []Request
	serial   int
	added    int // clusters
}

type project struct {
	name     string
	clusters map[string]*cluster
}

type cluster struct {
	id      string
	created time.Time
	kind    ClusterKind
	state   ClusterState
	lists   map[atlas.BackupType]*list
}

type list struct {
	jobs  []*Job
	order Order
}

// credential is a secret and, unless it sees everything, the projects that it sees.
type credential struct {
	secret   string
	projects []string
}

// Request is a request that was made, as tests look at it.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	Status              int
}

// New returns an empty Atlas.
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

// AddCluster adds a cluster to a project that exists.
func (s *Server) AddCluster(projectID, name string, kind ClusterKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added++
	s.projects[projectID].clusters[name] = &cluster{
		id: serialHex(-s.added)[:24], created: time.Now(), kind: kind, lists: map[atlas.BackupType]*list{},
	}
}

// RemoveCluster removes a cluster and its jobs.
func (s *Server) RemoveCluster(projectID, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.projects[projectID].clusters, name)
}

// AddServiceAccount adds a service account that sees the given projects, or all where none is given.
func (s *Server) AddServiceAccount(clientID, clientSecret string, projects ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[clientID] = credential{clientSecret, projects}
}

// AddAPIKey adds an API key that sees the given projects, or all where none is given.
func (s *Server) AddAPIKey(public, private string, projects ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[public] = credential{private, projects}
}

// AddJobs adds restore jobs to a list of a cluster that exists, and returns their ids.
func (s *Server) AddJobs(name atlas.List, jobs ...Job) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list(name)
	ids := make([]string, 0, len(jobs))
	for _, job := range jobs {
		s.serial++
		job.complete(name, s.serial)
		list.jobs = append(list.jobs, &job)
		ids = append(ids, job.ID)
	}
	return ids
}

// ChangeJob changes a job that was added.
func (s *Server) ChangeJob(name atlas.List, id string, change func(*Job)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, job := range s.list(name).jobs {
		if job.ID == id {
			change(job)
			return
		}
	}
	panic(fmt.Sprintf("atlastest: no job %s", id))
}

// RemoveJob takes a job from its list, as no real Atlas was seen to do.
func (s *Server) RemoveJob(name atlas.List, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list(name)
	for i, job := range list.jobs {
		if job.ID == id {
			list.jobs = append(list.jobs[:i:i], list.jobs[i+1:]...)
			return
		}
	}
	panic(fmt.Sprintf("atlastest: no job %s", id))
}

// SetOrder sets the order of a list; newest first is what was recorded.
func (s *Server) SetOrder(name atlas.List, order Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list(name).order = order
}

func (s *Server) list(name atlas.List) *list {
	cluster := s.projects[name.ProjectID].clusters[name.ClusterName]
	if cluster.lists[name.BackupType] == nil {
		cluster.lists[name.BackupType] = &list{}
	}
	return cluster.lists[name.BackupType]
}

// Requests returns the requests for which match is true, in the order of their answers; all for a nil match.
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

// ForgetRequests starts the record of requests anew.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// ServeHTTP answers as Atlas does, unless a scripted answer is due.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	recorder := &statusRecorder{ResponseWriter: w}
	defer func() { s.record(r, recorder.status) }()
	if scripted := s.scripted(r); scripted != nil {
		scripted.ServeHTTP(recorder, r)
		return
	}
	answer := s.answer(r)
	answer.write(recorder, r)
}

func (s *Server) answer(r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == tokenPath {
		return s.issueToken(r)
	}
	if r.Method != http.MethodGet {
		return answer{status: http.StatusMethodNotAllowed}
	}
	seen, refusal := s.authenticate(r)
	if refusal != nil {
		return *refusal
	}
	const projects = "/api/atlas/v2/groups"
	if r.URL.Path == projects {
		return s.listProjects(r, seen)
	}
	path, ok := strings.CutPrefix(r.URL.Path, projects+"/")
	if !ok {
		return noSuchResource(r)
	}
	return s.project(r, seen, strings.Split(path, "/"))
}

// maxRequests bounds the record: a demo may run for long.
const maxRequests = 100_000

func (s *Server) record(r *http.Request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) < maxRequests {
		s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), status})
	}
}

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
