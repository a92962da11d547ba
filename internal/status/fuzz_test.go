package status

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
)

const secret = "NEVER-SHOW-THIS-SECRET"

// FuzzStatusPage polls an Atlas API that returns arbitrary names, IDs, and error details. The status page and all
// labels must be bounded and must contain no control characters, links, or markup.
func FuzzStatusPage(f *testing.F) {
	f.Add("6a794733c0eb9e7a17740663", "prod", "Payments", "NOT_FOUND")
	f.Add("a/../b", "https://user:pass@host/x", "<script>alert(1)</script>", "see https://host/?sig=1")
	f.Add("a\x00", "a\u2028\u202eb\u0085", "\"},{{.}}\\\n", "<img src=x>\x1b[31m")
	f.Add("", strings.Repeat("ä", 200), "\xff\xfe", strings.Repeat("x", 400))
	f.Fuzz(func(t *testing.T, id, label, name, detail string) {
		manager := pollOnce(t, id, label, name, detail)
		checkLabels(t, manager)
		page := getPage(t, manager, "/")
		_, ofCluster := serve(t, &Page{Source: manager}, "/?project="+url.QueryEscape(id)+"&cluster="+url.QueryEscape(label))
		page += ofCluster
		if len(page) > 64<<10 || unprintable(strings.ReplaceAll(page, "\n", "")) {
			t.Errorf("page of %d bytes: %q", len(page), page)
		}
		for _, markup := range []string{"<script", "<img", "://"} {
			if strings.Contains(page, markup) {
				t.Errorf("the page contains %s:\n%s", markup, page)
			}
		}
	})
}

func checkLabels(t *testing.T, manager *poll.Manager) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.NewCollector(manager))
	families, err := registry.Gather()
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
}

func unprintable(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// pollOnce returns a manager that has polled four targets of a simulated Atlas API with the given texts. The poll of
// one target fails.
func pollOnce(t *testing.T, id, label, name, detail string) *poll.Manager {
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
		sim.AddJobs(list, atlastest.Job{
			ID: "0" + strings.Repeat("a", 23), BatchID: label, SnapshotID: label,
			TargetProjectID: label, TargetClusterName: label,
		}, atlastest.Job{
			Extra: map[string]any{"id": id, "snapshotUrl": label, "deliveryUrl": []string{label}}, Takes: time.Nanosecond,
		})
	}
	collection := atlastest.PathHas("collectionRestoreJobs")
	sim.Script(collection, 0, atlastest.APIError(http.StatusForbidden, label, detail))
	manager := newManager(t, sim)
	manager.PollOnce(t.Context(), func(s *poll.Snapshot) {
		if failed := s.Err != nil; failed != (s.Target.BackupType == atlas.Collection) {
			t.Errorf("%v: %v", s.Target.List, s.Err)
		}
	})
	return manager
}

func newManager(t *testing.T, api http.Handler) *poll.Manager {
	t.Helper()
	pipe := atlastest.NewPipe(api)
	t.Cleanup(pipe.Close)
	cfg, err := config.Parse("config.yaml", []byte(`
atlas: {base_url: "http://atlas.test"}
credentials: {default: {service_account: {client_id: mdb_sa_id_1, client_secret: `+secret+`}}}
projects:
  - id: `+payments+`
    clusters:
      - {name: prod, backup_types: [dedicated, collection]}
      - {name: team, backup_types: [flex]}
      - {name: old, backup_types: [legacy]}
`))
	if err != nil {
		t.Fatal(err)
	}
	logger, exporter := slog.New(slog.DiscardHandler), collector.NewExporter(collector.BuildInfo{})
	options := cfg.ClientOptions(cfg.Credentials[0])
	options.DialContext, options.Observer, options.Logger = pipe.DialContext, exporter, logger
	client, err := atlas.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	manager, err := poll.NewManager(cfg.Poll(map[string]poll.Client{"default": client}), exporter, logger)
	if err != nil {
		t.Fatal(err)
	}
	return manager
}
