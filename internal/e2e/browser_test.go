package e2e

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"testing"
)

// axeSource is the environment variable with the path of the script of axe-core, which the Makefile sets and
// `make tools` installs.
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

// demoPages are the paths of each kind of page of the demo.
var demoPages = []string{
	"/", "/?status=attention", "/?project=5f3a1b2c4d5e6f7a8b9c0d1e", "/?status=failed&team=nothing",
	"/?project=5f3a1b2c4d5e6f7a8b9c0d1e&cluster=orders&all", "/runbooks", "/runbooks/atlasrestorefailed", "/report",
}

// TestPages_WorkInABrowser loads each kind of page in Chromium, on a phone and on a desktop, light and dark. The
// browser must report no error, no violation of the content security policy, and no horizontal overflow.
func TestPages_WorkInABrowser(t *testing.T) {
	chromium := needChromium(t)
	base := startCommand(t, "demo", "--web.listen-address=127.0.0.1:0").waitForReady()
	b := startBrowser(t, chromium)
	for _, path := range demoPages {
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
			}
		}
	}
}

// TestPages_AreAccessible checks each kind of page with axe-core: on a light phone, and on a dark desktop.
func TestPages_AreAccessible(t *testing.T) {
	chromium := needChromium(t)
	axe, err := os.ReadFile(os.Getenv(axeSource))
	if err != nil {
		t.Skipf("axe-core is not installed: run `make tools`, and the tests with make (%s: %v)", axeSource, err)
	}
	base := startCommand(t, "demo", "--web.listen-address=127.0.0.1:0").waitForReady()
	b := startBrowser(t, chromium)
	for scheme, width := range map[string]int{"light": 390, "dark": 1280} {
		for _, path := range demoPages {
			b.open(base+path, width, scheme)
			// The clusters of a report have the same structure, and axe-core is slow on a large page.
			b.evaluate(`document.querySelectorAll("section ~ section ~ section:not(.target)").forEach(s => s.remove())`)
			b.evaluate(string(axe) + "; true")
			found := b.text(`axe.run({resultTypes: ["violations"]}).then(r => r.violations.map(v => v.id + ": " + v.help + ": " +
				v.nodes.map(n => n.html).slice(0, 3).join(" | ")).join("\n"))`)
			if found != "" {
				t.Errorf("%s, %d pixels, %s: %s", path, width, scheme, found)
			}
		}
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
