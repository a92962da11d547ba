package collector

import (
	"context"
	"regexp"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// Discovery is a rule by which targets are found.
type Discovery struct {
	// Target is what each target is like that the rule finds. Of its List only the ProjectID counts; where that is
	// empty, the rule is for every project that the credential sees and that has no rule of its own.
	Target      Target
	Projects    Pattern           // of their names; for a rule without a ProjectID
	Clusters    Pattern           // of their names
	Tags        map[string]string // that a cluster must have, all of them
	BackupTypes []atlas.BackupType
}

// Pattern matches what Include finds (everything, if it is nil) and Exclude does not.
type Pattern struct{ Include, Exclude *regexp.Regexp }

func (p Pattern) matches(name string) bool {
	return (p.Include == nil || p.Include.MatchString(name)) && (p.Exclude == nil || !p.Exclude.MatchString(name))
}

func (d *Discovery) wants(cluster *atlas.Cluster) bool {
	for key, value := range d.Tags {
		if has, tagged := cluster.Tags[key]; !tagged || has != value {
			return false
		}
	}
	return d.Clusters.matches(cluster.Name)
}

// kinds returns the kinds of clusters that the rule is about.
func (d *Discovery) kinds() []atlas.ClusterKind {
	var kinds []atlas.ClusterKind
	for _, backupType := range d.BackupTypes {
		if kind, listed := atlas.ClusterKindOf(backupType); listed && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// firstSearchRetry is when a search that failed is tried again; then after twice the time, and so on up to the interval.
const firstSearchRetry = 15 * time.Second

// discover searches at once, at its interval, and whenever there is another setup, until ctx ends. In between it only
// looks again where it failed.
func (m *Manager) discover(ctx context.Context) {
	for ctx.Err() == nil {
		next := time.Now().Add(m.Discover(ctx))
		for retry := firstSearchRetry; ; retry *= 2 {
			wait := time.Until(next)
			again := retry < wait && m.finder.anyFailing()
			if again {
				wait = retry
			}
			if !m.rest(ctx, wait) || !again {
				break
			}
			m.find(ctx, true)
		}
	}
}

// rest waits, and reports false if ctx has ended or there is another setup.
func (m *Manager) rest(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-m.search:
		m.searchSoon()
		return false
	case <-timer.C:
		return true
	}
}

// searchSoon has the present search end, or the next begin.
func (m *Manager) searchSoon() {
	select {
	case m.search <- struct{}{}:
	default: // it is due anyway
	}
}

// Discover searches once for everything that the setup's rules are about, has what it found polled, and returns the
// time until it should be called again.
func (m *Manager) Discover(ctx context.Context) time.Duration {
	select {
	case <-m.search: // what this search answers
	default:
	}
	setup := m.find(ctx, false)
	if len(setup.Discoveries) == 0 || setup.DiscoveryInterval <= 0 {
		return forever
	}
	return setup.DiscoveryInterval
}

// forever is longer than any exporter runs, and fits into a time.
const forever = 100 * 365 * 24 * time.Hour

// patience is how long what was found waits to be polled for what is still being searched.
const patience = time.Second

// find searches by the rules of the setup, and returns that. Another setup ends it.
func (m *Manager) find(ctx context.Context, failedOnly bool) Setup {
	m.mu.Lock()
	setup := m.setup
	m.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.finder.round(ctx, &setup, failedOnly)
	}()
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.retarget()
		case <-m.search:
			m.searchSoon()
			cancel()
			<-ended
			return setup
		case <-ended:
			if ctx.Err() == nil {
				m.retarget()
			}
			return setup
		}
	}
}

// Searches returns how the searches go that the rules of discovery are about.
func (m *Manager) Searches() []Search {
	return m.finder.state()
}
