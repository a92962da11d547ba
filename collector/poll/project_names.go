package poll

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
)

const (
	nameLifetime      = time.Hour   // of a name, or of a denied request for one
	nameRetryInterval = time.Minute // after any other failure
	nameTimeout       = 5 * time.Second
)

// projectNames caches the names of projects. Discovery sets the names of the projects that it lists; pollers request
// the names of others. A failed request affects no poll.
type projectNames struct {
	requests limiter

	mu    sync.Mutex
	known map[string]projectName // by project ID
}

type projectName struct {
	name string // empty if not known
	due  time.Time
}

func newProjectNames() *projectNames { return &projectNames{known: map[string]projectName{}} }

// refresh requests the name of a project if that is due. It waits while too many other names are being requested.
func (n *projectNames) refresh(ctx context.Context, client Client, projectID string) {
	if !n.reserve(projectID) || !n.requests.acquire(ctx) {
		return
	}
	defer n.requests.release()
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	name, err := client.ProjectName(ctx, projectID)
	if err == nil {
		n.set(projectID, name)
	} else if rejection, ok := errors.AsType[*atlas.Error](err); ok {
		switch rejection.Status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
			n.set(projectID, n.name(projectID))
		}
	}
}

// reserve reports whether a request is due. If so, no other caller's is until nameRetryInterval has passed.
func (n *projectNames) reserve(projectID string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.known[projectID]
	if time.Now().Before(known.due) {
		return false
	}
	known.due = time.Now().Add(nameRetryInterval)
	n.known[projectID] = known
	return true
}

func (n *projectNames) set(projectID, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known[projectID] = projectName{name, time.Now().Add(nameLifetime)}
}

// forget drops the name of a project. If the project still has targets, its name is requested again.
func (n *projectNames) forget(projectID string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, projectID)
}

// name returns the name of a project, or an empty string if it is not known.
func (n *projectNames) name(projectID string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[projectID].name
}
