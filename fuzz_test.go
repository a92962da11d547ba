package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
)

// plant puts the secret in the place of each SECRET, and reports whether it then stands nowhere but where secrets do:
// in or below the values of some keys. A text that is no YAML could hold it anywhere.
func plant(text []byte, keys ...string) (planted []byte, inPlace bool) {
	planted = bytes.ReplaceAll(text, []byte("SECRET"), []byte(secret))
	var root yaml.Node
	return planted, yaml.Load(planted, &root) != nil || !standsIn(&root, keys)
}

// standsIn reports whether the secret stands in a node, other than below some keys.
func standsIn(node *yaml.Node, keys []string) bool {
	if node.Kind != yaml.MappingNode {
		return strings.Contains(node.Value+node.Tag+node.Anchor, secret) ||
			slices.ContainsFunc(node.Content, func(below *yaml.Node) bool { return standsIn(below, keys) })
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if standsIn(key, keys) || !slices.Contains(keys, key.Value) && standsIn(value, keys) {
			return true
		}
	}
	return false
}

// quotes reports whether a text quotes the secret, if only by its first letters.
func quotes(text string) bool { return strings.Contains(text, secret[:7]) }

// FuzzConfig reads any bytes as a configuration: it is valid, or says a line for each problem, and quotes no secret.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(minimal))
	files, _ := filepath.Glob("testdata/config/bad/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text, inPlace := plant(text, "client_secret", "private_key")
		config, err := parseConfig("x", text)
		if err == nil && (len(config.Targets) == 0 || len(config.Credentials) == 0) {
			t.Error("valid, but nothing to poll")
		}
		if err == nil && quotes(strings.Join(config.Warnings, "\n")) && inPlace {
			t.Errorf("warnings quote a secret: %s", config.Warnings)
		}
		if broken, ok := errors.AsType[*problems](err); err != nil && (!ok || len(broken.list) == 0) {
			t.Errorf("%T: %v", err, err)
		}
		if err != nil && quotes(err.Error()) && inPlace {
			t.Errorf("%v\nquotes the secret in\n%s", err, text)
		}
	})
}

// FuzzWebConfig reads any bytes as a file with TLS and basic authentication settings: what is wrong is said without
// quoting a password, a hash or a key.
func FuzzWebConfig(f *testing.F) {
	f.Add([]byte("basic_auth_users:\n  admin: $2y$10$SECRET\ntls_server_config: {cert_file: a.pem, key_file: a.key}\n"))
	f.Add([]byte("basic_auth_users: SECRET\n"))
	f.Add([]byte("basic_auth_users: {admin: SECRET, other: [SECRET]}\n"))
	f.Add([]byte("basic_auth_users: {admin: *SECRET}\n"))
	f.Add([]byte("basic_auth_users: {admin: !SECRET x}\n"))
	f.Add([]byte("basic_auth_users: {admin: !!int SECRET}\n"))
	f.Add([]byte("basic_auth_users: {admin: &SECRET [*SECRET]}\n"))
	f.Add([]byte("tls_server_config: {cert: x, key: SECRET, min_version: TLS13}\nhttp_server_config: {http2: false, headers: {X-Frame-Options: deny}}\nrate_limit: {interval: 1s, burst: 2}\n"))
	f.Add([]byte("tls_server_config: {key: {SECRET: 1}, client_auth_type: None, cipher_suites: [x], curve_preferences: [y]}\n"))
	file := filepath.Join(f.TempDir(), "web.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		text, inPlace := plant(text, "basic_auth_users", "key")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := validateWebConfig(file); err != nil && quotes(err.Error()) && inPlace {
			t.Errorf("%v\nquotes the secret in\n%s", err, text)
		}
	})
}

// FuzzShown has Atlas answer with any names: what becomes of them on /metrics and on the status page is bounded, has no
// control characters, and is neither a link nor markup.
func FuzzShown(f *testing.F) {
	f.Add("6a794733c0eb9e7a17740663", "prod", "Payments", "NOT_FOUND")
	f.Add("a/../b", "https://user:pass@host/x", "<script>alert(1)</script>", "see https://host/?sig=1")
	f.Add("a\x00", "a\u2028\u202eb\u0085", "\"},{{.}}\\\n", "<img src=x>\x1b[31m")
	f.Add("", strings.Repeat("ä", 200), "\xff\xfe", strings.Repeat("x", 400))
	f.Fuzz(func(t *testing.T, id, label, name, detail string) {
		handler := shown(t, id, label, name, detail)
		metrics, page := ask(t, handler, "/metrics"), ask(t, handler, "/")
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(metrics))
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				for _, label := range metric.GetLabel() {
					if value := label.GetValue(); len(value) > 128 || unprintable(value) || strings.Contains(value, "://") {
						t.Errorf("%s has a label %q", family.GetName(), value)
					}
				}
			}
		}
		if len(page) > 64<<10 || unprintable(strings.ReplaceAll(page, "\n", "")) {
			t.Errorf("a page of %d bytes: %q", len(page), page)
		}
		for _, markup := range []string{"<script", "<img", "://"} {
			if strings.Contains(page, markup) {
				t.Errorf("%s on the page:\n%s", markup, page)
			}
		}
	})
}

func unprintable(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func ask(t *testing.T, handler http.Handler, path string) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	if recorder.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

// shown returns what an exporter serves after it has polled an Atlas in which things are called like this.
func shown(t *testing.T, id, label, name, detail string) http.Handler {
	t.Helper()
	sim := atlastest.New()
	sim.AddServiceAccount("mdb_sa_id_1", secret)
	sim.AddProject(payments, name)
	for cluster, kind := range map[string]atlastest.ClusterKind{
		"prod": atlastest.DedicatedCluster, "team": atlastest.FlexCluster, "old": atlastest.LegacyCluster,
	} {
		sim.AddCluster(payments, cluster, kind)
	}
	for _, list := range []atlas.List{
		{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated},
		{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Collection},
		{ProjectID: payments, ClusterName: "team", BackupType: atlas.Flex},
		{ProjectID: payments, ClusterName: "old", BackupType: atlas.Legacy},
	} {
		sim.AddJobs(list,
			atlastest.Job{ID: "0" + strings.Repeat("a", 23), SnapshotID: label, TargetProjectID: label, TargetClusterName: label, BatchID: label},
			atlastest.Job{Extra: map[string]any{"id": id, "snapshotUrl": label, "deliveryUrl": []string{label}}, Takes: time.Nanosecond})
	}
	sim.Script(atlastest.PathHas("collectionRestoreJobs"), 0, atlastest.APIError(http.StatusForbidden, label, detail))
	pipe := atlastest.NewPipe(sim)
	t.Cleanup(pipe.Close)
	config, err := parseConfig("x", []byte(`
atlas: {base_url: "http://atlas.test"}
credentials: {default: {service_account: {client_id: mdb_sa_id_1, client_secret: `+secret+`}}}
projects: [{id: `+payments+`, clusters: [{name: prod, backup_types: [dedicated, collection]}, {name: team, backup_types: [flex]}, {name: old, backup_types: [legacy]}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	app := &app{stdout: io.Discard, stderr: io.Discard, logger: slog.New(slog.DiscardHandler), build: buildInfo()}
	exporter, err := app.newExporter(config, pipe.DialContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(exporter.close)
	exporter.manager.PollOnce(t.Context(), func(s *collector.Snapshot) {
		if failed := s.Err != nil; failed != (s.Target.BackupType == atlas.Collection) {
			t.Errorf("%v: %v", s.Target.List, s.Err)
		}
	})
	return exporter.handler(false, nil)
}
