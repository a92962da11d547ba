//go:build unix

package server

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// webFiles are a web configuration file, and the files that it names, in a directory of their own.
type webFiles struct {
	*testing.T
	authority *testutil.Authority
	path      string
	text      string
}

func newWebFiles(t *testing.T) *webFiles {
	t.Helper()
	f := &webFiles{T: t, authority: testutil.NewAuthority(t)}
	f.authority.IssueServer()
	f.path = filepath.Join(f.authority.Dir, "web.yaml")
	f.write(fmt.Sprintf(`
tls_server_config:
  cert_file: server.pem
  key_file: server-key.pem
  client_auth_type: VerifyClientCertIfGiven
  client_ca_file: ca.pem
basic_auth_users: {prometheus: %q}
`, testutil.HashPassword(t, password)))
	return f
}

func (f *webFiles) write(text string) {
	f.Helper()
	f.text = text
	testutil.WriteFile(f.T, f.path, text)
}

// replaceByFIFO replaces a file by a FIFO without a writer, and returns a function that restores the file.
func (f *webFiles) replaceByFIFO(path string) (restore func()) {
	f.Helper()
	text := testutil.ReadFile(f.T, path)
	if err := os.Remove(path); err != nil {
		f.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		f.Skipf("no FIFOs: %v", err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			f.Fatal(err)
		}
		testutil.WriteFile(f.T, path, text)
	}
}

// startWebConfig returns the active web configuration, and the reported results of its changes.
func startWebConfig(t *testing.T, f *webFiles) (web *webConfig, log *testutil.Buffer, results *[]bool) {
	t.Helper()
	log, results = &testutil.Buffer{}, &[]bool{}
	web, err := newWebConfig(f.path, testOptions(log).Logger, func(err error) { *results = append(*results, err == nil) })
	if err != nil {
		t.Fatal(err)
	}
	return web, log, results
}

func TestWebConfig_KeepsTheLastValidSettingsAndReportsOnce(t *testing.T) {
	f := newWebFiles(t)
	for name, test := range map[string]struct {
		want   string
		change func() (restore func())
	}{
		"FIFO": {"must be a regular file", func() func() { return f.replaceByFIFO(f.path) }},
		"certificate that is a FIFO": {"must be a regular file", func() func() {
			return f.replaceByFIFO(f.authority.Path("server"))
		}},
		"key that is a FIFO": {"must be a regular file", func() func() {
			return f.replaceByFIFO(f.authority.Path("server-key"))
		}},
		"client CA that is a FIFO": {"must be a regular file", func() func() {
			return f.replaceByFIFO(f.authority.Path("ca"))
		}},
		"garbage":        {"yaml: line 1", f.edit("garbage: [")},
		"emptied":        {"TLS can't be enabled or disabled while the exporter runs", f.edit("")},
		"without users":  {"it no longer requires authentication", f.edit(cut(f.text, "basic_auth_users"))},
		"plain password": {"a password is not hashed with bcrypt", f.edit("basic_auth_users: {prometheus: plain}")},
	} {
		t.Run(name, func(t *testing.T) {
			web, log, results := startWebConfig(t, f)
			active := web.active.Load()
			restore := test.change()
			web.refresh()
			web.refresh()
			const message = "web configuration is invalid, keeping the active one"
			if n := strings.Count(log.String(), message); n != 1 || !strings.Contains(log.String(), test.want) {
				t.Errorf("logged %d times: %s", n, log)
			}
			if web.active.Load() != active {
				t.Error("the active settings were replaced")
			}
			restore()
			web.refresh()
			if got := fmt.Sprint(*results); got != "[false true]" || web.active.Load() != active {
				t.Errorf("reported %s", got)
			}
		})
	}
}

func cut(text, before string) string {
	text, _, _ = strings.Cut(text, before)
	return text
}

// edit returns a change that replaces the web configuration.
func (f *webFiles) edit(text string) func() func() {
	return func() func() {
		f.Helper()
		old := f.text
		f.write(text)
		return func() { f.write(old) }
	}
}

func TestWebConfig_AnEmptiedFileDoesNotDisableAuthentication(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.yaml")
	testutil.WriteFile(t, path, fmt.Sprintf("basic_auth_users: {prometheus: %q}\n", testutil.HashPassword(t, password)))
	web, err := newWebConfig(path, testOptions(t.Output()).Logger, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	testutil.WriteFile(t, path, "")
	web.refresh()
	if len(web.active.Load().Users) == 0 {
		t.Error("no password is required")
	}
}

func TestWebConfig_AppliesNewPasswordsAndCertificates(t *testing.T) {
	f := newWebFiles(t)
	web, log, _ := startWebConfig(t, f)
	f.write(strings.Replace(f.text, "prometheus:", "grafana:", 1))
	old := web.active.Load().tls.Certificates[0].Certificate[0]
	f.authority.IssueServer()
	web.refresh()
	state := web.active.Load()
	if _, ok := state.Users["grafana"]; !ok || string(state.tls.Certificates[0].Certificate[0]) == string(old) {
		t.Errorf("users %v: %s", state.Users, log)
	}
	if !strings.Contains(log.String(), "web configuration changed") {
		t.Errorf("logged %s", log)
	}
}

// The web configuration, its certificate, and its client CA become FIFOs while clients connect.
func TestWebConfig_FilesThatHangAffectNoClient(t *testing.T) {
	t.Parallel()
	f := newWebFiles(t)
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, func(o *Options) { o.WebConfigFile = f.path })
	for _, path := range []string{f.path, f.authority.Path("server"), f.authority.Path("ca")} {
		f.replaceByFIFO(path)
	}
	client := &http.Client{Transport: newHTTP2Transport(t, f.authority.Pool)}
	request := func() (int, string) {
		return get(t, client, "https://prometheus:let%20me%20in@"+e.address+"/metrics")
	}
	if status, body := request(); status != http.StatusOK {
		t.Errorf("status %d: %s", status, body)
	}
	testutil.Eventually(t, func() bool {
		_, body := request()
		return strings.Contains(body, reloadSuccessful+"0")
	}, e.log.String)
	if text := e.log.String(); !strings.Contains(text, "web configuration is invalid") {
		t.Error(text)
	}
}

func TestLoadWebSettings_RejectsInvalidHeadersAndAuthorities(t *testing.T) {
	authority := testutil.NewAuthority(t)
	authority.IssueServer()
	path := filepath.Join(authority.Dir, "web.yaml")
	testutil.WriteFile(t, filepath.Join(authority.Dir, "empty.pem"), "")
	for text, want := range map[string]string{
		"http_server_config: {headers: {X-Other: x}}": `http_server_config.headers: "X-Other" is not configurable, ` +
			"must be one of Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, " +
			"X-XSS-Protection",
		"http_server_config: {headers: {X-Frame-Options: allow}}": `http_server_config.headers.X-Frame-Options: ` +
			`"allow" must be one of deny, sameorigin`,
		"tls_server_config: {cert_file: server.pem, key_file: server-key.pem, client_ca_file: empty.pem, " +
			"client_auth_type: RequireAndVerifyClientCert}": "tls_server_config: the client CA contains no PEM certificate",
	} {
		testutil.WriteFile(t, path, text)
		if err := ValidateWebConfig(path); err == nil || err.Error() != "web configuration: "+want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
