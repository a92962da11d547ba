package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/testutil"
)

// The exporter serves everything that it can, reloads, and prints the stacks of its goroutines.
func TestSecrets_AreNotServedOrLogged(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			w := newSecretsWorld(t)
			p := w.start("serve", "--web.enable-lifecycle", "--web.listen-address=127.0.0.1:0", "--log.level=debug",
				"--log.format="+format)
			base := p.waitForURL()
			testutil.Eventually(t, func() bool {
				status, _ := w.request(http.MethodGet, base+"/-/ready")
				return status == http.StatusOK
			}, p.stderr.String)
			w.expectEverySecretUsed(base)
			w.requestEverything(base)
			if status, body := w.request(http.MethodPost, base+"/-/reload"); status != http.StatusOK {
				t.Errorf("reload: %d %s", status, body)
			}
			w.reloadInvalidConfigurations(base)

			p.sendSignal(syscall.SIGQUIT)
			if p.waitForExit(); !strings.Contains(p.stderr.String(), "\ngoroutine 1 ") {
				t.Errorf("no stacks: %s", p.stderr.String())
			}
			w.expectNoSecrets("the log", p.stderr.String())
			w.expectNoSecrets("stdout", p.stdout.String())
		})
	}
}

func TestSecrets_AreNotPrintedByCheck(t *testing.T) {
	w := newSecretsWorld(t)
	for _, output := range []string{"table", "json"} {
		p := w.start("check", "--output", output, "--log.level=debug")
		if status := p.waitForExit(); status != 1 || strings.Count(p.stdout.String(), "No ") < 4 {
			t.Errorf("exit status %d: %s%s", status, p.stdout.String(), p.stderr.String())
		}
		w.expectNoSecrets("stdout", p.stdout.String())
		w.expectNoSecrets("stderr", p.stderr.String())
	}
}

func TestSecrets_AreNotPartOfErrorsOfProxies(t *testing.T) {
	w := newSecretsWorld(t)
	testutil.WriteFile(t, w.configFile, fmt.Sprintf(`
atlas: {base_url: https://atlas.test, ca_file: %q}
credentials: {default: {api_key: {public_key: publickey, private_key: %s}}}
projects: [{id: %s, clusters: [{name: list}]}]
`, w.authority.Path("ca"), privateKey, payments))
	wrong, address := "exporter:wrong-"+proxyPassword+"@", w.proxy.address()
	for proxy, want := range map[string]string{
		"http://" + wrong + address: "Proxy Authentication Required",
		wrong + address:             "Proxy Authentication Required", // the same without a scheme
		"http://exporter:" + url.QueryEscape(proxyPassword+"/?#") + "@" + address: "Proxy Authentication Required",
		"https://exporter:" + proxyPassword + "@" + address:                       "TLS handshake",
		"http://exporter:" + proxyPassword + "@127.0.0.1:1":                       "connection refused",
		"socks5://exporter:" + proxyPassword + "@127.0.0.1:1":                     "connection refused",
	} {
		p := startProcess(t, newCommand(t, []string{"HTTPS_PROXY=" + proxy}, "check", "--config.file", w.configFile))
		if status := p.waitForExit(); status != 1 || !strings.Contains(p.stdout.String(), want) {
			t.Errorf("%s: exit status %d, no %s in %s", proxy, status, want, p.stdout.String())
		}
		w.expectNoSecrets(proxy, p.stdout.String()+p.stderr.String())
	}
}

func TestSecrets_AreNotPartOfErrorsOfTheWebConfiguration(t *testing.T) {
	w := newSecretsWorld(t)
	for _, text := range []string{
		"basic_auth_users: %s", "basic_auth_users: {prometheus: [%s]}", "basic_auth_users: {prometheus: {password: %s}}",
		"basic_auth_users: {prometheus: %s", "basic_auth_user: {prometheus: %s}", "basic_auth_users: [prometheus: %s]",
		"tls_server_config: %s", "%s",
	} {
		for _, secret := range []string{w.passwordHash, webPassword} {
			testutil.WriteFile(t, w.webFile, fmt.Sprintf(text, "'"+secret+"'"))
			for _, command := range []string{"serve", "check"} {
				p := w.start(command)
				if status := p.waitForExit(); status != 1 || !strings.Contains(p.stderr.String(), "web configuration: ") {
					t.Errorf("%s: exit status %d: %s", text, status, p.stderr.String())
				}
				w.expectNoSecrets(text, p.stdout.String()+p.stderr.String())
			}
		}
	}
}

// expectNoSecrets checks that a text contains no secret, neither as it is nor as the exporter encodes it.
func (w *secretsWorld) expectNoSecrets(place, text string) {
	w.Helper()
	encode := func(user, password string) string {
		return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	}
	for _, mark := range []string{
		"NEVER-S", tokenPrefix, ".tar.gz", "restore.example.net", w.passwordHash, w.passwordHash[len(w.passwordHash)-31:],
		encode("prometheus", webPassword), encode("exporter", proxyPassword), encode("mdb_sa_id_literal", literalSecret),
		encode("mdb_sa_id_file", fileSecret), encode("mdb_sa_id_env", environmentSecret),
		encode("mdb_sa_id_rejected", url.QueryEscape(rejectedSecret)),
	} {
		if at := strings.Index(text, mark); at >= 0 {
			w.Errorf("%s contains %s: …%s", place, mark, text[max(at-200, 0):min(at+200, len(text))])
		}
	}
}

// request sends a request with the password, and checks that the whole response contains no secrets.
func (w *secretsWorld) request(method, url string, header ...string) (status int, body string) {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), method, url, http.NoBody)
	if err != nil {
		w.Fatal(err)
	}
	request.Close = true
	request.SetBasicAuth("prometheus", webPassword)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	dump, err := httputil.DumpResponse(response, true)
	if err != nil {
		w.Fatal(err)
	}
	w.expectNoSecrets(method+" "+url+fmt.Sprint(header), string(dump))
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// requestEverything requests the metrics in every format, and paths that must not exist.
func (w *secretsWorld) requestEverything(base string) {
	w.Helper()
	if status, _ := fetch(w.T, base+"/metrics", "Authorization", "Basic "+webPassword); status != http.StatusUnauthorized {
		w.Errorf("without the password: %d", status)
	}
	for _, accept := range []string{
		"text/plain", "application/openmetrics-text; version=1.0.0",
		"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
	} {
		status, body := w.request(http.MethodGet, base+"/metrics", "Accept", accept)
		if status != http.StatusOK || !strings.Contains(body, "mongodbatlas_restore_job_info") {
			w.Errorf("%s: %d", accept, status)
		}
	}
	for _, path := range []string{
		"/debug/", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline", "/debug/vars", "/config",
	} {
		if status, _ := w.request(http.MethodGet, base+path); status != http.StatusNotFound {
			w.Errorf("%s: %d", path, status)
		}
	}
}

// shownMetrics matches the series that prove that the exporter has handled secrets.
var shownMetrics = regexp.MustCompile(
	`(?m)^mongodbatlas_restore_(poll_success|poll_error|job_download_urls|job_info)\{.*\n`)

// expectEverySecretUsed checks that the exporter has used each secret, read each link and received each echo. Otherwise
// their absence elsewhere would prove nothing.
func (w *secretsWorld) expectEverySecretUsed(base string) {
	w.Helper()
	var metrics, unread string
	testutil.Eventually(w.T, func() bool { // a poll may time out on a busy machine
		_, body := w.request(http.MethodGet, base+"/metrics")
		metrics, unread = strings.Join(shownMetrics.FindAllString(body, -1), ""), ""
		for cluster, links := range w.links {
			const format = `job_download_urls\{[^}]*cluster_name="%s"[^}]*project_id="%s"[^}]*\} %d\.0\n`
			if !regexp.MustCompile(fmt.Sprintf(format, cluster, payments, links)).MatchString(metrics) {
				unread += " " + cluster
			}
		}
		return unread == ""
	}, func() string { return "the links of these clusters were not read:" + unread + "\n" + metrics })
	w.expectCounts(metrics, map[string]int{
		"poll_success{": 19, `reason="forbidden"} 1`: 4, `reason="unauthorized"} 1`: 1, `reason="malformed"} 1`: 1,
		`snapshot_id="link",target_cluster_name="link",target_project_id="link"} 1`: 1,
	})
	var page string
	testutil.Eventually(w.T, func() bool { // the facts about clusters may be requested later
		_, page = w.request(http.MethodGet, base+"/")
		return strings.Count(page, "Basic &lt;redacted&gt;") == 2
	}, func() string { return page })
	w.expectCounts(page, map[string]int{"No &lt;redacted&gt;, no &lt;link&gt;": 6, "Bearer &lt;redacted&gt;": 3})
	if w.proxy.accepted.Load() == 0 {
		w.Error("the proxy was not used")
	}
}

func (w *secretsWorld) expectCounts(text string, wanted map[string]int) {
	w.Helper()
	for part, want := range wanted {
		if got := strings.Count(text, part); got != want {
			w.Errorf("%s occurs %d times, want %d, in:\n%s", part, got, want, text)
		}
	}
}

// reloadInvalidConfigurations reloads configurations that are invalid where they contain secrets.
func (w *secretsWorld) reloadInvalidConfigurations(base string) {
	w.Helper()
	good := testutil.ReadFile(w.T, w.configFile)
	const literal = `client_secret: "` + literalSecret
	for _, edit := range []struct{ good, bad string }{
		{literal, `client_secret:"` + literalSecret},
		{literal, `client_secrets: "` + literalSecret},
		{literal + `"`, "client_secret: [" + literalSecret + "]"},
		{`client_secret: "${TEST_SECRET}"`, `client_secret_file: "${TEST_SECRET}"`},
		{"client_id: mdb_sa_id_env", "client_id: mdb_sa_id_env, client_secret_file: ${TEST_SECRET}"},
		{"id: " + payments, `id: "${TEST_SECRET}"`},
		{"name: string", `name: "${TEST_SECRET}+"`},
		{"interval: 1s", `interval: "${TEST_SECRET}"`},
		{"https://atlas.test", "https://atlas.test/${TEST_SECRET}"},
	} {
		replaceInFile(w.T, w.configFile, edit.good, edit.bad)
		status, body := w.request(http.MethodPost, base+"/-/reload")
		if status != http.StatusInternalServerError || !strings.Contains(body, "config.yaml:") {
			w.Errorf("%s: %d %s", edit.bad, status, body)
		}
		if _, err := config.Load(w.configFile); err == nil {
			w.Errorf("no error: %s", edit.bad)
		} else {
			w.expectNoSecrets("config.Load", err.Error())
		}
		testutil.WriteFile(w.T, w.configFile, good)
	}
}
