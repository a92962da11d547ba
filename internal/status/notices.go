package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// expiryWarning is how long before its expiry a credential is shown on the status page.
const expiryWarning = 30 * 24 * time.Hour

// stateNotices returns notices about the exporter as a whole.
func stateNotices(p *Page, now time.Time) []notice {
	source := p.Source
	var notices []notice
	if p.ReloadError != nil {
		if text := p.ReloadError(); text != "" {
			notices = append(notices, notice{"The last reload of the configuration failed, and the configuration before it " +
				"is active: " + text, "bad"})
		}
	}
	if !source.Ready() {
		notices = append(notices, notice{
			"The exporter is not ready: discovery or the first polls of some targets have not finished.", "busy",
		})
	}
	if n, since := source.OverduePolls(); n > 0 {
		notices = append(notices, notice{fmt.Sprintf("Polls that have been waiting for a slot for longer than their "+
			"interval: %d, the first one for %s. See the runbook of AtlasRestorePollsDelayed.", n,
			formatDuration(now.Sub(since))), "warn"})
	}
	return notices
}

// expiries returns the expiry times of credentials by name. For one cluster, it returns those of its targets.
func (p *Page) expiries(found []*inspected, selected selection) map[string]time.Time {
	if p.CredentialExpiry == nil {
		return nil
	}
	expiries := maps.Clone(p.CredentialExpiry())
	maps.DeleteFunc(expiries, func(name string, _ time.Time) bool {
		return selected.oneCluster() && !slices.ContainsFunc(found, func(t *inspected) bool {
			return t.Target.Credential == name
		})
	})
	return expiries
}

// expiryNotices returns a notice for each credential that has expired or expires soon, the first to expire first.
func expiryNotices(expiries map[string]time.Time, now time.Time) []notice {
	var notices []notice
	for _, name := range sortedByExpiry(expiries) {
		expiry, class := expiries[name], "warn"
		if expiry.Sub(now) > expiryWarning {
			continue
		}
		if !expiry.After(now) {
			class = "bad"
		}
		notices = append(notices, notice{"Credential " + name + " " + expiryText(expiry, now) + ".", class})
	}
	return notices
}

func sortedByExpiry(expiries map[string]time.Time) []string {
	return slices.SortedFunc(maps.Keys(expiries), func(a, b string) int {
		return cmp.Or(expiries[a].Compare(expiries[b]), cmp.Compare(a, b))
	})
}

// expiryText describes when a credential expires, such as "expires in 9d 23h (2027-03-01 00:00:00 UTC)".
func expiryText(expiry, now time.Time) string {
	verb := "expired "
	if expiry.After(now) {
		verb = "expires "
	}
	return verb + since(expiry, now) + " (" + formatTime(expiry) + ")"
}
