package collector

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"atlas-restore-exporter/atlas"
)

// nameLife is how long a project's name, or a refusal to tell it, is taken for good.
const nameLife = time.Hour

// projectNames knows the names of projects. Names are no part of a poll: a failure to get one fails nothing.
type projectNames struct {
	asking singleflight.Group
	mu     sync.Mutex
	known  map[string]projectName
}

type projectName struct {
	name string
	next time.Time // when to ask again
}

func newProjectNames() *projectNames { return &projectNames{known: map[string]projectName{}} }

// get returns a project's name, the one known before where Atlas does not tell it now. Of several callers at a time
// one asks for all.
func (p *projectNames) get(ctx context.Context, client Client, projectID string) string {
	p.mu.Lock()
	current := p.known[projectID]
	p.mu.Unlock()
	if time.Now().Before(current.next) {
		return current.name
	}
	_, _, _ = p.asking.Do(projectID, func() (any, error) {
		name, err := client.ProjectName(ctx, projectID)
		if _, refused := errors.AsType[*atlas.Error](err); err == nil || refused {
			p.mu.Lock()
			defer p.mu.Unlock()
			if err != nil {
				name = current.name
			}
			p.known[projectID] = projectName{name, time.Now().Add(nameLife)}
		}
		return nil, nil //nolint:nilnil // what was found is in the map
	})
	return p.last(projectID)
}

// last returns a project's name as far as it is known.
func (p *projectNames) last(projectID string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[projectID].name
}
