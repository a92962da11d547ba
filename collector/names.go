package collector

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
)

const (
	nameLife    = time.Hour   // how long a project's name, or a refusal to tell it, is taken for good
	nameRetry   = time.Minute // after any other failure to get it
	nameTimeout = 5 * time.Second
)

// projectNames knows the names of projects. Names are no part of a poll: a failure to get one fails and delays nothing.
type projectNames struct {
	mu    sync.Mutex
	known map[string]projectName
}

type projectName struct {
	name string
	next time.Time // when to ask again
}

func newProjectNames() *projectNames { return &projectNames{known: map[string]projectName{}} }

// refresh asks for a project's name if that is due and nobody else does.
func (p *projectNames) refresh(ctx context.Context, client Client, projectID string) {
	if !p.due(projectID) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	name, err := client.ProjectName(ctx, projectID)
	switch refusal, refused := errors.AsType[*atlas.Error](err); {
	case err == nil:
		p.set(projectID, name)
	case refused && slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, refusal.Status):
		p.set(projectID, p.name(projectID))
	}
}

// due reports whether to ask for a name, and lets nobody else do so for a while.
func (p *projectNames) due(projectID string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.known[projectID]
	if time.Now().Before(known.next) {
		return false
	}
	known.next = time.Now().Add(nameRetry)
	p.known[projectID] = known
	return true
}

func (p *projectNames) set(projectID, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[projectID] = projectName{name, time.Now().Add(nameLife)}
}

// forget drops what is known of a project. If it is still polled, it is asked for anew.
func (p *projectNames) forget(projectID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, projectID)
}

// name returns a project's name as far as it is known.
func (p *projectNames) name(projectID string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[projectID].name
}
