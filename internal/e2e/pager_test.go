package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// notification is an alert as Alertmanager sends it to a receiver.
type notification struct {
	Receiver    string
	Status      string // firing or resolved
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time // of the alert: it differs if the alert was inactive in between
	receivedAt  time.Time
}

func (n notification) String() string {
	return fmt.Sprintf("%s %s %s %s to %s", n.Labels["alertname"], n.Labels["cluster_name"], n.Labels["credential"],
		n.Status, n.Receiver)
}

// isRepeatOf reports whether Alertmanager has sent the same before: it repeats all alerts of a group if one changes.
func (n notification) isRepeatOf(other notification) bool {
	return n.Status == other.Status && n.StartsAt.Equal(other.StartsAt) && maps.Equal(n.Labels, other.Labels)
}

// group is a message: the notifications that Alertmanager sends together.
type group struct {
	Receiver string
	Status   string
	Labels   map[string]string `json:"groupLabels"`
	Alerts   []notification
}

func (g group) String() string {
	return fmt.Sprintf("%s to %s, %d alerts %v", g.Status, g.Receiver, len(g.Alerts), g.Labels)
}

// pager is the webhook of every receiver. It keeps each notification once, and each message.
type pager struct {
	url string

	mu            sync.Mutex
	notifications []notification
	messages      []group
}

func startPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message group
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, message)
	for _, n := range message.Alerts {
		n.Receiver, n.receivedAt = message.Receiver, time.Now()
		if !slices.ContainsFunc(p.notifications, n.isRepeatOf) {
			p.notifications = append(p.notifications, n)
		}
	}
}

// received returns all notifications so far, oldest first.
func (p *pager) received() []notification {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.notifications)
}

// takeMessages returns the messages since the last call.
func (p *pager) takeMessages() []group {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.messages
	p.messages = nil
	return taken
}

// find returns the first notification that matches.
func (p *pager) find(match func(notification) bool) (found notification, ok bool) {
	all := p.received()
	i := slices.IndexFunc(all, match)
	if i < 0 {
		return notification{}, false
	}
	return all[i], true
}

// expectNoFlapping checks that no alert has fired twice.
func (p *pager) expectNoFlapping(t *testing.T) {
	t.Helper()
	all := p.received()
	for i, n := range all {
		for _, earlier := range all[:i] {
			if n.Status == "firing" && earlier.Status == "firing" && maps.Equal(n.Labels, earlier.Labels) {
				t.Errorf("%v fired at %v, and again at %v", n, earlier.StartsAt, n.StartsAt)
			}
		}
	}
}
