package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// One secret for each place that can contain one.
const (
	literalSecret     = "mdb_sa_sk_NEVER-SHOW-literal"
	fileSecret        = "mdb_sa_sk_NEVER-SHOW-in-a-file"
	environmentSecret = "mdb_sa_sk_NEVER-SHOW-in-the-environment"
	rejectedSecret    = "mdb_sa_sk_NEVER-SHOW-rejected+/="
	privateKey        = "NEVER-SHOW-key"
	filePrivateKey    = "NEVER-SHOW-key-in-a-file"
	webPassword       = "NEVER-SHOW-password"
	proxyPassword     = "NEVER-SHOW-proxy"
	linkSecret        = "NEVER-SHOW-url"
	linkHeader        = "NEVER-SHOW-auth"
	tokenPrefix       = "token-" // of the tokens of the simulated Atlas API
)

// projectSecrets are the secrets by project: each project has a credential of its own.
var projectSecrets = map[string]string{
	payments:                   literalSecret,
	"32b6e34b3d91647abb20e7b9": fileSecret,
	"32b6e34b3d91647abb20e7ba": environmentSecret,
	"32b6e34b3d91647abb20e7bb": rejectedSecret,
	"32b6e34b3d91647abb20e7bc": privateKey,
	"32b6e34b3d91647abb20e7bd": filePrivateKey,
}

// secretsWorld is a configuration with every kind of secret, and a simulated Atlas API that returns secrets in many
// places, behind a proxy that requires a password.
type secretsWorld struct {
	*testing.T
	authority    *testutil.Authority
	sim          *atlastest.Server
	proxy        *proxy
	configFile   string
	webFile      string
	passwordHash string
	links        map[string]int // number of download links, by cluster
}

func newSecretsWorld(t *testing.T) *secretsWorld {
	t.Helper()
	w := &secretsWorld{
		T: t, authority: testutil.NewAuthority(t), sim: atlastest.New(),
		passwordHash: testutil.HashPassword(t, webPassword), links: map[string]int{},
	}
	w.proxy = newProxy(t, serveTLS(t, w.sim, w.authority.IssueServer("atlas.test")))
	w.configFile, w.webFile = w.path("config.yaml"), w.path("web.yaml")
	testutil.WriteFile(t, w.path("secret"), fileSecret+"\n")
	testutil.WriteFile(t, w.path("key"), filePrivateKey+"\n")
	testutil.WriteFile(t, w.webFile, fmt.Sprintf("basic_auth_users: {prometheus: %q}\n", w.passwordHash))
	w.sim.AddServiceAccount("mdb_sa_id_literal", literalSecret)
	w.sim.AddServiceAccount("mdb_sa_id_file", fileSecret)
	w.sim.AddServiceAccount("mdb_sa_id_env", environmentSecret)
	w.sim.AddAPIKey("publickey", privateKey)
	w.sim.AddAPIKey("publicfile", filePrivateKey)
	for project := range projectSecrets {
		w.sim.AddProject(project, "Payments "+linkTo("name"))
	}
	w.addDownloads()
	w.echoSecrets()
	w.misplaceLinks()
	testutil.WriteFile(t, w.configFile, w.config())
	return w
}

// path returns the path of a file in the folder of the configuration.
func (w *secretsWorld) path(name string) string { return filepath.Join(w.authority.Dir, name) }

func (w *secretsWorld) config() string {
	return fmt.Sprintf(`
atlas: {base_url: "https://atlas.test", ca_file: %q}
credentials:
  literal: {service_account: {client_id: mdb_sa_id_literal, client_secret: %q}}
  file: {service_account: {client_id: mdb_sa_id_file, client_secret_file: %q}}
  env: {service_account: {client_id: mdb_sa_id_env, client_secret: "${TEST_SECRET}"}}
  rejected: {service_account: {client_id: mdb_sa_id_rejected, client_secret: %q}}
  key: {api_key: {public_key: publickey, private_key: %q}}
  key-file: {api_key: {public_key: publicfile, private_key_file: %q}}
polling: {interval: 1s}
projects:
  - id: %s
    credential: literal
    clusters:
      - {name: string}
      - {name: list}
      - {name: echo}
      - {name: components}
      - {name: private}
      - {name: mixed}
      - {name: flex, backup_types: [flex]}
      - {name: legacy, backup_types: [legacy]}
  - id: 32b6e34b3d91647abb20e7b9
    credential: file
    clusters: [{name: list}, {name: echo}, {name: words, backup_types: [flex]}]
  - {id: 32b6e34b3d91647abb20e7ba, credential: env, clusters: [{name: list}, {name: echo}, {name: odd}]}
  - {id: 32b6e34b3d91647abb20e7bb, credential: rejected, clusters: [{name: list}]}
  - {id: 32b6e34b3d91647abb20e7bc, credential: key, clusters: [{name: list}, {name: echo}]}
  - {id: 32b6e34b3d91647abb20e7bd, credential: key-file, clusters: [{name: list}, {name: html}]}
`, w.authority.Path("ca"), literalSecret, w.path("secret"), rejectedSecret, privateKey, w.path("key"), payments)
}

// environment contains the secrets of the configuration that aren't in files.
func (w *secretsWorld) environment() []string {
	return []string{"TEST_SECRET=" + environmentSecret, "HTTPS_PROXY=" + w.proxy.url}
}

// start starts the built binary with the configuration, the web configuration and the environment.
func (w *secretsWorld) start(command string, flags ...string) *process {
	w.Helper()
	args := append([]string{command, "--config.file", w.configFile, "--web.config.file", w.webFile}, flags...)
	return startProcess(w.T, newCommand(w.T, w.environment(), args...))
}

// linkTo returns a download link.
func linkTo(kind string) string {
	const host = "https://user:" + linkSecret + "@restore.example.net:27017/" + linkSecret
	return host + "/" + kind + ".tar.gz?sig=" + linkSecret
}

// addDownloads adds a job with each kind of download links to every project, in the fields that Atlas documents and in
// others.
func (w *secretsWorld) addDownloads() {
	private := []any{
		map[string]any{"deliveryUrl": linkTo("private"), "endpointId": "vpce-1"},
		map[string]any{"deliveryUrl": linkTo("private-2"), "endpointId": "vpce-2"},
	}
	shard := map[string]any{"replicaSetName": "shard-0", "downloadUrl": linkTo("component")}
	privateShard := maps.Clone(shard)
	privateShard["privateDownloadDeliveryUrls"] = private
	w.addDownload("string", atlas.Dedicated, 1, map[string]any{"deliveryUrl": linkTo("string")})
	w.addDownload("list", atlas.Dedicated, 2, map[string]any{"deliveryUrl": []string{linkTo("list"), linkTo("list-2")}})
	w.addDownload("components", atlas.Dedicated, 1, map[string]any{"deliveryUrl": nil, "components": []any{shard}})
	w.addDownload("private", atlas.Dedicated, 2, map[string]any{
		"deliveryUrl": nil, "privateDownloadDeliveryUrls": private,
	})
	w.addDownload("mixed", atlas.Dedicated, 4, map[string]any{
		"deliveryUrl": linkTo("mixed"), "components": []any{privateShard}, "anotherUrl": linkTo("unknown"),
		"links": []any{map[string]any{"rel": linkTo("rel"), "href": linkTo("href")}},
	})
	w.addDownload("flex", atlas.Flex, 1, map[string]any{"snapshotUrl": linkTo("snapshot")})
	w.addDownload("legacy", atlas.Legacy, 1, map[string]any{"delivery": map[string]any{
		"methodName": "HTTP", "statusName": "READY", "url": linkTo("v1"), "urlV2": linkTo("v2"),
		"authHeader": linkHeader + "-header", "authValue": linkHeader + "-value",
		"expires": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "maxDownloads": 1,
	}})
}

func (w *secretsWorld) addDownload(cluster string, backupType atlas.BackupType, links int, fields map[string]any) {
	kind, delivery := atlastest.DedicatedCluster, "download"
	switch backupType {
	case atlas.Flex:
		kind, delivery = atlastest.FlexCluster, "DOWNLOAD"
	case atlas.Legacy:
		kind = atlastest.LegacyCluster
	default:
	}
	w.links[cluster] = links
	for project := range projectSecrets {
		w.sim.AddCluster(project, cluster, kind)
		w.sim.AddJobs(atlas.List{ProjectID: project, ClusterName: cluster, BackupType: backupType}, atlastest.Job{
			Created: ago(time.Hour), Takes: time.Minute, Delivery: delivery, LinkLife: 24 * time.Hour, Extra: fields,
		})
	}
}

// echoSecrets lets errors of the Atlas API quote the secrets of the request.
func (w *secretsWorld) echoSecrets() {
	authenticated := func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/clusters/echo/") && r.Header.Get("Authorization") != ""
	}
	w.sim.Script(authenticated, 0, http.HandlerFunc(func(response http.ResponseWriter, r *http.Request) {
		own := projectSecrets[strings.Split(r.URL.Path, "/")[5]]
		detail := fmt.Sprintf("No %s, no %s, no %s.", own, linkTo("echo"), r.Header.Get("Authorization"))
		atlastest.APIError(http.StatusForbidden, own, detail).ServeHTTP(response, r)
	}))
	rejected := func(r *http.Request) bool { id, _, _ := r.BasicAuth(); return id == "mdb_sa_id_rejected" }
	w.sim.Script(rejected, 0, http.HandlerFunc(func(response http.ResponseWriter, r *http.Request) {
		description := fmt.Sprintf("No %s, no %s, no %s.", rejectedSecret, linkTo("oauth"), r.Header.Get("Authorization"))
		body := fmt.Sprintf(`{"error":%q,"error_description":%q}`, rejectedSecret, description)
		atlastest.Body(http.StatusUnauthorized, "application/json", body).ServeHTTP(response, r)
	}))
}

// misplaceLinks lets responses contain links instead of other values, and instead of JSON.
func (w *secretsWorld) misplaceLinks() {
	respond := func(path, body string) {
		w.sim.Script(atlastest.PathHas(path), 0, atlastest.Body(http.StatusOK, "application/json", body))
	}
	respond("/clusters/html/", "<a href='"+linkTo("html")+"'>")
	id := fmt.Sprintf("%08xe4f5a6b7c8d9e0f1", time.Now().Unix())
	respond("/clusters/odd/", fmt.Sprintf(`{"results":[
		{"id":%[1]q,"deliveryType":"download","deliveryUrl":{"url":%[2]q}}, {"id":%[1]q,"finishedAt":%[2]q},
		{"id":%[1]q,"failed":%[2]q}, {"id":%[1]q,"components":%[2]q}, {"id":%[1]q,"timestamp":{"date":%[2]q}},
		{"id":%[2]q}, %[2]q]}`, id, linkTo("odd")))
	respond("/flexClusters/words/", fmt.Sprintf(`{"results":[{"id":%q,"status":%[2]q,"deliveryType":%[2]q,
		"snapshotId":%[2]q,"targetDeploymentItemName":%[2]q,"targetProjectId":%[2]q}]}`, id, linkTo("word")))
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
