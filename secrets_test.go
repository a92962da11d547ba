package main

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// Secrets, one for each place in which there is one.
const (
	markLiteral  = "mdb_sa_sk_NEVER-SHOW-literal"
	markInFile   = "mdb_sa_sk_NEVER-SHOW-in-a-file"
	markInEnv    = "mdb_sa_sk_NEVER-SHOW-in-the-environment"
	markRefused  = "mdb_sa_sk_NEVER-SHOW-refused+/="
	markKey      = "NEVER-SHOW-key"
	markKeyFile  = "NEVER-SHOW-key-in-a-file"
	markPassword = "NEVER-SHOW-password"
	markProxy    = "NEVER-SHOW-proxy"
	markToken    = "token-" // how those of the simulator begin
	markURL      = "NEVER-SHOW-url"
	markAuth     = "NEVER-SHOW-auth"
)

// hunt is an exporter with secrets wherever it can have any, an Atlas that is full of them, and a proxy in between.
type hunt struct {
	*testing.T
	authority  *authority
	sim        *atlastest.Server
	proxy      *proxy
	configFile string
	webFile    string
	hash       string // of the password

	wanted map[string]int // download links by cluster
}

// ownSecrets are the secrets by project: each has a credential of its own.
var ownSecrets = map[string]string{
	payments: markLiteral, "32b6e34b3d91647abb20e7b9": markInFile, "32b6e34b3d91647abb20e7ba": markInEnv,
	"32b6e34b3d91647abb20e7bb": markRefused, "32b6e34b3d91647abb20e7bc": markKey, "32b6e34b3d91647abb20e7bd": markKeyFile,
}

// markedLink is a download link of some kind.
func markedLink(kind string) string {
	return "https://user:" + markURL + "@restore.example.net:27017/" + markURL + "/" + kind + ".tar.gz?sig=" + markURL
}

func newHunt(t *testing.T) *hunt {
	t.Helper()
	h := &hunt{T: t, authority: newAuthority(t), sim: atlastest.New(), hash: hashed(t, markPassword), wanted: map[string]int{}}
	pair := h.authority.server("atlas.test")
	h.proxy = newProxy(t, serveTLS(t, h.sim, pair))
	dir := h.authority.dir
	h.configFile, h.webFile = filepath.Join(dir, "config.yaml"), filepath.Join(dir, "web.yaml")
	writeFile(t, filepath.Join(dir, "secret"), markInFile+"\n")
	writeFile(t, filepath.Join(dir, "key"), markKeyFile+"\n")
	writeFile(t, h.webFile, fmt.Sprintf("basic_auth_users: {prometheus: %q}\n", h.hash))
	for id, secret := range map[string]string{"literal": markLiteral, "file": markInFile, "env": markInEnv} {
		h.sim.AddServiceAccount("mdb_sa_id_"+id, secret)
	}
	h.sim.AddAPIKey("publickey", markKey)
	h.sim.AddAPIKey("publicfile", markKeyFile)
	for project := range ownSecrets {
		h.sim.AddProject(project, "Payments "+markedLink("name"))
	}
	h.plantLinks()
	h.plantEchoes()
	h.plantOddities()
	writeFile(t, h.configFile, h.config(dir))
	return h
}

func (h *hunt) config(dir string) string {
	return fmt.Sprintf(`
atlas: {base_url: "https://atlas.test", ca_file: %[1]q}
credentials:
  literal: {service_account: {client_id: mdb_sa_id_literal, client_secret: %[2]q}}
  file: {service_account: {client_id: mdb_sa_id_file, client_secret_file: %[3]q}}
  env: {service_account: {client_id: mdb_sa_id_env, client_secret: "${TEST_SECRET}"}}
  refused: {service_account: {client_id: mdb_sa_id_refused, client_secret: %[4]q}}
  key: {api_key: {public_key: publickey, private_key: %[5]q}}
  key-file: {api_key: {public_key: publicfile, private_key_file: %[6]q}}
polling: {interval: 1s}
projects:
  - id: %[7]s
    credential: literal
    clusters: [{name: string}, {name: list}, {name: echo}, {name: components}, {name: private}, {name: mixed}, {name: flex, backup_types: [flex]}, {name: legacy, backup_types: [legacy]}]
  - {id: 32b6e34b3d91647abb20e7b9, credential: file, clusters: [{name: list}, {name: echo}, {name: words, backup_types: [flex]}]}
  - {id: 32b6e34b3d91647abb20e7ba, credential: env, clusters: [{name: list}, {name: echo}, {name: odd}]}
  - {id: 32b6e34b3d91647abb20e7bb, credential: refused, clusters: [{name: list}]}
  - {id: 32b6e34b3d91647abb20e7bc, credential: key, clusters: [{name: list}, {name: echo}]}
  - {id: 32b6e34b3d91647abb20e7bd, credential: key-file, clusters: [{name: list}, {name: html}]}
`, h.authority.path("ca"), markLiteral, filepath.Join(dir, "secret"), markRefused, markKey, filepath.Join(dir, "key"), payments)
}

// plantLinks adds a job with links of each kind, in every place in which Atlas writes them, and in some in which it
// does not.
func (h *hunt) plantLinks() {
	private := []any{map[string]any{"deliveryUrl": markedLink("private"), "endpointId": "vpce-1"}, map[string]any{"deliveryUrl": markedLink("private-2"), "endpointId": "vpce-2"}}
	component := func(extra map[string]any) []any {
		shard := map[string]any{"replicaSetName": "shard-0", "downloadUrl": markedLink("component")}
		maps.Copy(shard, extra)
		return []any{shard}
	}
	legacy := map[string]any{
		"methodName": "HTTP", "statusName": "READY", "url": markedLink("v1"), "urlV2": markedLink("v2"), "authHeader": markAuth + "-header",
		"authValue": markAuth + "-value", "expires": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "maxDownloads": 1,
	}
	for _, plant := range []struct {
		cluster    string
		kind       atlastest.ClusterKind
		backupType atlas.BackupType
		links      int
		job        atlastest.Job
	}{
		{"string", atlastest.DedicatedCluster, atlas.Dedicated, 1, atlastest.Job{Extra: map[string]any{"deliveryUrl": markedLink("string")}}},
		{"list", atlastest.DedicatedCluster, atlas.Dedicated, 2, atlastest.Job{Extra: map[string]any{"deliveryUrl": []string{markedLink("list"), markedLink("list-2")}}}},
		{"components", atlastest.DedicatedCluster, atlas.Dedicated, 1, atlastest.Job{Extra: map[string]any{"deliveryUrl": nil, "components": component(nil)}}},
		{"private", atlastest.DedicatedCluster, atlas.Dedicated, 2, atlastest.Job{Extra: map[string]any{"deliveryUrl": nil, "privateDownloadDeliveryUrls": private}}},
		{"mixed", atlastest.DedicatedCluster, atlas.Dedicated, 4, atlastest.Job{Extra: map[string]any{
			"deliveryUrl": markedLink("mixed"), "components": component(map[string]any{"privateDownloadDeliveryUrls": private}),
			"anotherUrl": markedLink("unknown"), "links": []any{map[string]any{"rel": markedLink("rel"), "href": markedLink("href")}},
		}}},
		{"flex", atlastest.FlexCluster, atlas.Flex, 1, atlastest.Job{Delivery: "DOWNLOAD", Extra: map[string]any{"snapshotUrl": markedLink("snapshot")}}},
		{"legacy", atlastest.LegacyCluster, atlas.Legacy, 1, atlastest.Job{Delivery: "download", Extra: map[string]any{"delivery": legacy}}},
	} {
		if h.wanted[plant.cluster] = plant.links; plant.job.Delivery == "" {
			plant.job.Delivery = "download"
		}
		plant.job.Created, plant.job.Takes, plant.job.LinkLife = time.Now().Add(-time.Hour), time.Minute, 24*time.Hour
		for project := range ownSecrets {
			h.sim.AddCluster(project, plant.cluster, plant.kind)
			h.sim.AddJobs(atlas.List{ProjectID: project, ClusterName: plant.cluster, BackupType: plant.backupType}, plant.job)
		}
	}
}

// plantEchoes has Atlas give back what it was shown.
func (h *hunt) plantEchoes() {
	authenticated := func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/clusters/echo/") && r.Header.Get("Authorization") != ""
	}
	h.sim.Script(authenticated, 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := ownSecrets[strings.Split(r.URL.Path, "/")[5]]
		detail := fmt.Sprintf("No %s, no %s, no %s.", own, markedLink("echo"), r.Header.Get("Authorization"))
		atlastest.APIError(http.StatusForbidden, own, detail).ServeHTTP(w, r)
	}))
	refused := func(r *http.Request) bool { id, _, _ := r.BasicAuth(); return id == "mdb_sa_id_refused" }
	h.sim.Script(refused, 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		description := fmt.Sprintf("No %s, no %s, no %s.", markRefused, markedLink("oauth"), r.Header.Get("Authorization"))
		body := fmt.Sprintf(`{"error":%q,"error_description":%q}`, markRefused, description)
		atlastest.Body(http.StatusUnauthorized, "application/json", body).ServeHTTP(w, r)
	}))
}

// plantOddities puts links where something else should stand.
func (h *hunt) plantOddities() {
	serve := func(path, body string) {
		h.sim.Script(atlastest.PathHas(path), 0, atlastest.Body(http.StatusOK, "application/json", body))
	}
	serve("/clusters/html/", "<a href='"+markedLink("html")+"'>")
	id := fmt.Sprintf("%08xe4f5a6b7c8d9e0f1", time.Now().Unix())
	serve("/clusters/odd/", fmt.Sprintf(`{"results":[
		{"id":%[1]q,"deliveryType":"download","deliveryUrl":{"url":%[2]q}}, {"id":%[1]q,"finishedAt":%[2]q}, {"id":%[1]q,"failed":%[2]q},
		{"id":%[1]q,"components":%[2]q}, {"id":%[1]q,"timestamp":{"date":%[2]q}}, {"id":%[2]q}, %[2]q]}`, id, markedLink("odd")))
	serve("/flexClusters/words/", fmt.Sprintf(`{"results":[{"id":%q,"status":%[2]q,"deliveryType":%[2]q,"snapshotId":%[2]q,
		"targetDeploymentItemName":%[2]q,"targetProjectId":%[2]q}]}`, id, markedLink("word")))
}

// serveTLS serves on a socket of its own, and returns its address.
func serveTLS(t *testing.T, handler http.Handler, pair tls.Certificate) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// proxy connects whoever knows its password to one address, whatever it is asked for.
type proxy struct {
	url      string // with the password
	to       string
	accepted atomic.Int64
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	p := &proxy{to: to}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = strings.Replace(server.URL, "http://", "http://exporter:"+markProxy+"@", 1)
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	login := "Basic " + base64.StdEncoding.EncodeToString([]byte("exporter:"+markProxy))
	if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != login {
		w.Header().Set("Proxy-Authenticate", "Basic")
		http.Error(w, "who is "+r.Header.Get("Proxy-Authorization")+"?", http.StatusProxyAuthRequired)
		return
	}
	p.accepted.Add(1)
	there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.to)
	if err != nil {
		http.Error(w, "nobody is there", http.StatusBadGateway)
		return
	}
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
	go func() { _, _ = io.Copy(here, there); _ = here.Close() }()
}

// environment is that of a process that knows the secrets which are not in files.
func (h *hunt) environment() []string {
	return []string{"TEST_SECRET=" + markInEnv, "HTTPS_PROXY=" + h.proxy.url}
}

// search looks for every secret in a text.
func (h *hunt) search(place, text string) {
	h.Helper()
	login := func(user, password string) string {
		return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	}
	for _, mark := range []string{
		"NEVER-S", markToken, h.hash, h.hash[len(h.hash)-31:], ".tar.gz", "restore.example.net", login("prometheus", markPassword),
		login("exporter", markProxy), login("mdb_sa_id_literal", markLiteral), login("mdb_sa_id_file", markInFile),
		login("mdb_sa_id_env", markInEnv), login("mdb_sa_id_refused", url.QueryEscape(markRefused)),
	} {
		if at := strings.Index(text, mark); at >= 0 {
			h.Errorf("%s shows %s: …%s", place, mark, text[max(at-200, 0):min(at+200, len(text))])
		}
	}
}

// ask asks the exporter with the password, and searches the whole answer.
func (h *hunt) ask(method, url string, header ...string) (status int, body string) {
	h.Helper()
	request, err := http.NewRequestWithContext(h.Context(), method, url, http.NoBody)
	if err != nil {
		h.Fatal(err)
	}
	request.Close = true
	request.SetBasicAuth("prometheus", markPassword)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	dump, err := httputil.DumpResponse(response, true)
	if err != nil {
		h.Fatal(err)
	}
	h.search(method+" "+url+fmt.Sprint(header), string(dump))
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// anyListening finds where a program listens in a log of either format.
var anyListening = regexp.MustCompile(`msg"?[=:]"Listening on"[ ,]"?address"?[=:]"?([0-9.:]+)`)

// TestSecretsOfServe runs the exporter with everything that it has to keep to itself, asks it for all that it serves,
// and looks through that and through its log.
func TestSecretsOfServe(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			h := newHunt(t)
			p := spawn(t, h.environment(), nil, "--config.file", h.configFile, "--web.config.file", h.webFile, "--web.enable-lifecycle",
				"--web.listen-address=127.0.0.1:0", "--log.level=debug", "--log.format="+format)
			var found []string
			eventually(t, func() bool { found = anyListening.FindStringSubmatch(p.stderr.String()); return found != nil }, p.stderr.String)
			base := "http://" + found[1]
			eventually(t, func() bool { status, _ := h.ask("GET", base+"/-/ready"); return status == 200 }, p.stderr.String)
			h.wantEverythingPlanted(base)

			if status, _ := fetch(t, nil, base+"/metrics", "Authorization", "Basic "+markPassword); status != 401 {
				t.Errorf("without the password: %d", status)
			}
			for _, accept := range []string{
				"text/plain", "application/openmetrics-text; version=1.0.0",
				"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
			} {
				if status, body := h.ask("GET", base+"/metrics", "Accept", accept); status != 200 || !strings.Contains(body, "mongodbatlas_restore_job_info") {
					t.Errorf("%s: %d", accept, status)
				}
			}
			for _, path := range []string{"/debug/", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline", "/debug/vars", "/config"} {
				if status, _ := h.ask("GET", base+path); status != 404 {
					t.Errorf("%s: %d", path, status)
				}
			}
			if status, body := h.ask("POST", base+"/-/reload"); status != 200 {
				t.Errorf("reload: %d %s", status, body)
			}
			h.reloadMistakes(base)

			if err := p.command.Process.Signal(syscall.SIGQUIT); err != nil { // the runtime prints what every goroutine does
				t.Fatal(err)
			}
			if p.wait(); !strings.Contains(p.stderr.String(), "\ngoroutine 1 ") {
				t.Errorf("no stacks: %s", p.stderr.String())
			}
			h.search("the log", p.stderr.String())
			h.search("stdout", p.stdout.String())
		})
	}
}

// wantEverythingPlanted makes sure that there is something to be found: that each secret was used, each link read, and
// each echo heard.
func (h *hunt) wantEverythingPlanted(base string) {
	h.Helper()
	_, body := h.ask("GET", base+"/metrics")
	metrics := strings.Join(regexp.MustCompile(`(?m)^mongodbatlas_restore_(poll_success|poll_error|job_download_urls|job_info)\{.*\n`).FindAllString(body, -1), "")
	for cluster, links := range h.wanted {
		if !regexp.MustCompile(fmt.Sprintf(`job_download_urls\{[^}]*cluster_name="%s"[^}]*project_id="%s"[^}]*\} %d\.0\n`, cluster, payments, links)).MatchString(metrics) {
			h.Errorf("the links of cluster %s were not read: %s", cluster, metrics)
		}
	}
	for want, n := range map[string]int{
		"poll_success{": 19, `reason="forbidden"} 1`: 4, `reason="unauthorized"} 1`: 1, `reason="malformed"} 1`: 1,
		`snapshot_id="link",target_cluster_name="link",target_project_id="link"} 1`: 1,
	} {
		if got := strings.Count(metrics, want); got != n {
			h.Errorf("%d times %s, want %d", got, want, n)
		}
	}
	_, page := h.ask("GET", base+"/")
	for want, n := range map[string]int{"No &lt;redacted&gt;, no &lt;link&gt;": 5, "Bearer &lt;redacted&gt;": 3, "Basic &lt;redacted&gt;": 1} {
		if got := strings.Count(page, want); got != n {
			h.Errorf("%d times %s on the status page, want %d:\n%s", got, want, n, page)
		}
	}
	if h.proxy.accepted.Load() == 0 {
		h.Error("the proxy was not used")
	}
}

// reloadMistakes has the exporter read configurations with mistakes in the places where secrets stand.
func (h *hunt) reloadMistakes(base string) {
	h.Helper()
	good, err := os.ReadFile(h.configFile)
	if err != nil {
		h.Fatal(err)
	}
	for _, mistake := range [][2]string{
		{"client_secret: \"" + markLiteral, "client_secret:\"" + markLiteral},
		{"client_secret: \"" + markLiteral, "client_secrets: \"" + markLiteral},
		{"client_secret: \"" + markLiteral + "\"", "client_secret: [" + markLiteral + "]"},
		{"client_secret: \"${TEST_SECRET}\"", "client_secret_file: \"${TEST_SECRET}\""},
		{"client_id: mdb_sa_id_env", "client_id: mdb_sa_id_env, client_secret_file: ${TEST_SECRET}"},
		{"id: " + payments, "id: \"${TEST_SECRET}\""},
		{"name: string", "name: \"${TEST_SECRET}+\""},
		{"interval: 1s", "interval: \"${TEST_SECRET}\""},
		{"https://atlas.test", "https://atlas.test/${TEST_SECRET}"},
	} {
		bad := strings.Replace(string(good), mistake[0], mistake[1], 1)
		writeFile(h.T, h.configFile, bad)
		if status, body := h.ask("POST", base+"/-/reload"); status != 500 || !strings.Contains(body, "config.yaml:") {
			h.Errorf("%s: %d %s", mistake[1], status, body)
		}
		if _, err := LoadConfig(h.configFile); err == nil {
			h.Errorf("no mistake: %s", mistake[1])
		} else {
			h.search("LoadConfig", err.Error())
		}
	}
	writeFile(h.T, h.configFile, string(good))
}

// TestSecretsOfCheck runs `check` on the same.
func TestSecretsOfCheck(t *testing.T) {
	h := newHunt(t)
	for _, output := range []string{"table", "json"} {
		p := spawn(t, h.environment(), nil, "check", "--config.file", h.configFile, "--web.config.file", h.webFile, "--output", output, "--log.level=debug")
		if status := p.wait(); status != 1 || strings.Count(p.stdout.String(), "No ") < 4 {
			t.Errorf("exit status %d: %s%s", status, p.stdout.String(), p.stderr.String())
		}
		h.search("stdout", p.stdout.String())
		h.search("stderr", p.stderr.String())
	}
}

// TestSecretsOfProxies names proxies that can't be used: each error says so, and none says the password.
func TestSecretsOfProxies(t *testing.T) {
	h := newHunt(t)
	writeFile(t, h.configFile, fmt.Sprintf("atlas: {base_url: https://atlas.test, ca_file: %q}\ncredentials: {default: {api_key: {public_key: publickey, "+
		"private_key: %s}}}\nprojects: [{id: %s, clusters: [{name: list}]}]\n", h.authority.path("ca"), markKey, payments))
	_, address, _ := strings.Cut(h.proxy.url, "@")
	for proxy, want := range map[string]string{
		"http://exporter:wrong-" + markProxy + "@" + address:                  "Proxy Authentication Required",
		"exporter:wrong-" + markProxy + "@" + address:                         "Proxy Authentication Required", // which stands for http
		"http://exporter:" + url.QueryEscape(markProxy+"/?#") + "@" + address: "Proxy Authentication Required",
		"https://exporter:" + markProxy + "@" + address:                       "TLS handshake",
		"http://exporter:" + markProxy + "@127.0.0.1:1":                       "connection refused",
		"socks5://exporter:" + markProxy + "@127.0.0.1:1":                     "connection refused",
	} {
		p := spawn(t, []string{"HTTPS_PROXY=" + proxy}, nil, "check", "--config.file", h.configFile)
		if status := p.wait(); status != 1 || !strings.Contains(p.stdout.String(), want) {
			t.Errorf("%s: exit status %d, no %s in %s", proxy, status, want, p.stdout.String())
		}
		h.search(proxy, p.stdout.String()+p.stderr.String())
	}
}

// TestSecretsOfWebConfig has mistakes in the file with the passwords.
func TestSecretsOfWebConfig(t *testing.T) {
	h := newHunt(t)
	for _, text := range []string{
		"basic_auth_users: %s", "basic_auth_users: {prometheus: [%s]}", "basic_auth_users: {prometheus: {password: %s}}",
		"basic_auth_users: {prometheus: %s", "basic_auth_user: {prometheus: %s}", "basic_auth_users: [prometheus: %s]",
		"tls_server_config: %s", "%s",
	} {
		for _, secret := range []string{h.hash, markPassword} {
			writeFile(t, h.webFile, fmt.Sprintf(text, "'"+secret+"'"))
			for _, command := range []string{"serve", "check"} {
				p := spawn(t, h.environment(), nil, command, "--config.file", h.configFile, "--web.config.file", h.webFile)
				if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), "web configuration: ") {
					t.Errorf("%s: exit status %d: %s", text, status, p.stderr.String())
				}
				h.search(text, p.stdout.String()+p.stderr.String())
			}
		}
	}
}
