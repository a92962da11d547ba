package status

import (
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

func TestPage_ShowsThatTheExporterIsNotReady(t *testing.T) {
	const text = "The exporter is not ready: discovery or the first polls of some targets have not finished."
	expectContains(t, getPage(t, &fakePoller{notReady: true}, "/"), `<p class="busy">`+text+"</p>")
	expectNotContains(t, getPage(t, &fakePoller{}, "/"), text)
}

func TestPage_ShowsPollsThatHaveBeenWaitingForLongerThanTheirInterval(t *testing.T) {
	expectContains(t, getPageAtNow(t, &fakePoller{overdue: 3}),
		`<p class="warn">Polls that have been waiting for a slot for longer than their interval: 3, the first one for `+
			`5m 0s. See the runbook of AtlasRestorePollsDelayed.</p>`)
	expectNotContains(t, getPageAtNow(t, &fakePoller{}), "waiting for a slot")
}

// newExpiring returns a page with two targets whose credentials expire, and credentials of no target.
func newExpiring() *Page {
	other := succeeded("team", atlas.Flex)
	other.Target.Credential = "other"
	source := &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated), other}}
	return &Page{Source: source, CredentialExpiry: func() map[string]time.Time {
		return map[string]time.Time{
			"default": now.Add(30 * 24 * time.Hour), "other": now.Add(-36 * time.Hour), "due": now,
			"later": now.Add(30*24*time.Hour + time.Second),
		}
	}}
}

func TestPage_ShowsCredentialsThatHaveExpiredOrExpireSoon(t *testing.T) {
	page := serveAtNow(t, newExpiring(), "/")
	expectContains(t, page, `<p class="bad">Credential other expired 1d 12h ago (2026-03-04 00:00:00 UTC).</p>
<p class="bad">Credential due expired 0s ago (2026-03-05 12:00:00 UTC).</p>
<p class="warn">Credential default expires in 30d 0h (2026-04-04 12:00:00 UTC).</p>
`)
	expectNotContains(t, page, "Credential later")
}

func TestPage_OfAClusterShowsOnlyItsCredentials(t *testing.T) {
	page := serveAtNow(t, newExpiring(), "/?project="+payments+"&cluster=prod")
	expectContains(t, page, "Credential default expires in 30d 0h")
	expectNotContains(t, page, "Credential other", "Credential due")
}

func TestPage_DoesNotChangeTheExpiryTimesOfTheConfiguration(t *testing.T) {
	expiries := map[string]time.Time{"not in use": now}
	page := &Page{Source: newClusters(), CredentialExpiry: func() map[string]time.Time { return expiries }}
	serve(t, page, "/?project="+payments+"&cluster=prod")
	if len(expiries) != 1 {
		t.Errorf("expiry times %v, want one", expiries)
	}
}
