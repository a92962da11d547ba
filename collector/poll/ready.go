package poll

import (
	"fmt"
	"sync/atomic"
)

// Ready reports whether the state has been complete: every list of projects and clusters that discovery reads has been
// read, or has failed for a reason that is not temporary, and every target found by then has been polled, with any
// result. It depends on nothing but the state. Once a call has returned true, Ready stays true, until a configuration
// with further credentials or projects is applied.
func (m *Manager) Ready() bool {
	active := m.active.Load()
	if lists, targets := active.pending(); lists+targets == 0 {
		active.ready.Store(true)
	}
	return active.ready.Load()
}

// Unready describes why the manager is not ready; it returns an empty string if the manager is ready.
func (m *Manager) Unready() string {
	if m.Ready() {
		return ""
	}
	lists, targets := m.active.Load().pending()
	return fmt.Sprintf("waiting for discovery of %d lists and the first poll of %d targets", lists, targets)
}

// pending returns the number of lists that discovery has yet to read, and of targets that have yet to be polled.
func (a *activeState) pending() (lists, targets int) {
	for _, p := range a.pollers {
		if p.published.Load().LastPoll.IsZero() {
			targets++
		}
	}
	return a.unsettled, targets
}

// readiness returns the flag to use with another configuration: the same unless that adds credentials or projects.
func (a *activeState) readiness(config *Config) *atomic.Bool {
	before := a.config.sources()
	for source := range config.sources() {
		if !before[source] {
			return new(atomic.Bool)
		}
	}
	return a.ready
}

// sources returns the credentials of a configuration, its projects, and the credentials all of whose projects it
// covers.
func (c *Config) sources() map[string]bool {
	sources := map[string]bool{}
	for credential := range c.Clients {
		sources["credential "+credential] = true
	}
	for i := range c.Targets {
		sources["project "+c.Targets[i].ProjectID] = true
	}
	for i := range c.Discoveries {
		if target := &c.Discoveries[i].Target; target.ProjectID != "" {
			sources["project "+target.ProjectID] = true
		} else {
			sources["projects of "+target.Credential] = true
		}
	}
	return sources
}
