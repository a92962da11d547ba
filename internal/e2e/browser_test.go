package e2e

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// axeSource is the environment variable with the path of axe.min.js of axe-core. `make browser` sets it. If it is
// unset, accessibility is not checked.
const axeSource = "AXE_CORE"

// needChromium returns the path of Chromium, or skips the test.
func needChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("chromium is not installed: install the Debian package chromium")
	return ""
}

// TestPages_WorkInABrowser loads each kind of page in Chromium, on a phone and on a desktop, light and dark. The
// browser must report no error, no violation of the content security policy, and no horizontal overflow.
func TestPages_WorkInABrowser(t *testing.T) {
	chromium := needChromium(t)
	base := startCommand(t, "demo", "--web.listen-address=127.0.0.1:0").waitForReady()
	b := startBrowser(t, chromium)
	for _, path := range []string{
		"/", "/?status=attention", "/?project=5f3a1b2c4d5e6f7a8b9c0d1e", "/?status=failed&team=nothing",
		"/?project=5f3a1b2c4d5e6f7a8b9c0d1e&cluster=orders&all", "/runbooks", "/runbooks/atlasrestorefailed",
	} {
		for _, width := range []int{390, 1280} {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s, %d pixels, %s", path, width, scheme)
				b.open(base+path, width, scheme)
				if overflow := b.number("document.documentElement.scrollWidth - window.innerWidth"); overflow > 0 {
					t.Errorf("%s: %g pixels don't fit", name, overflow)
				}
				for _, message := range b.messages {
					t.Errorf("%s: %s", name, message)
				}
				if (width == 390) == (scheme == "dark") { // each once
					b.expectAccessible(name)
				}
			}
		}
	}
}

// expectAccessible runs axe-core, if it is available.
func (b *browser) expectAccessible(name string) {
	b.Helper()
	file := os.Getenv(axeSource)
	if file == "" {
		return
	}
	b.evaluate(testutil.ReadFile(b.T, file) + "; true")
	found := b.text(`axe.run().then(r => r.violations.map(v => v.id + ": " + v.help + ": " +
		v.nodes.map(n => n.html).slice(0, 3).join(" | ")).join("\n"))`)
	if found != "" {
		b.Errorf("%s: %s", name, found)
	}
}

// TestPages_CanBeFilteredAndPausedWithoutScripts uses the filter, an anchor, and the pause of the refresh as a person
// does.
func TestPages_CanBeFilteredAndPausedWithoutScripts(t *testing.T) {
	chromium := needChromium(t)
	base := startCommand(t, "demo", "--web.listen-address=127.0.0.1:0").waitForReady()
	b := startBrowser(t, chromium)
	b.open(base+"/", 1280, "light")
	b.navigates(`document.querySelector("select[name=status]").value = "failed";
		document.querySelector("form button").click()`)
	if query := b.query(); query.Get("status") != "failed" {
		t.Errorf("the filter leads to %s", query.Encode())
	}
	if rows := b.number(`document.querySelectorAll("tbody tr").length`); rows < 1 {
		t.Errorf("%g failed targets, want at least one", rows)
	}
	b.navigates(`[...document.links].find(a => a.textContent === "Pause").click()`)
	if query := b.query(); query.Get("refresh") != "off" || query.Get("status") != "failed" {
		t.Errorf("the pause leads to %s", query.Encode())
	}
	b.open(base+"/?project=5f3a1b2c4d5e6f7a8b9c0d1e&refresh=off#orders-collection", 390, "light")
	if top := b.number(`document.querySelector(":target").getBoundingClientRect().top`); top < -1 || top > 800 {
		t.Errorf("the target of the anchor is at %g pixels", top)
	}
	for _, message := range b.messages {
		t.Error(message)
	}
}

// query returns the query of the current page.
func (b *browser) query() url.Values {
	b.Helper()
	query, err := url.ParseQuery(b.text("document.URL.split(`?`)[1] ?? ``"))
	if err != nil {
		b.Fatal(err)
	}
	return query
}
