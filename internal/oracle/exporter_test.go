package oracle

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// export returns the series of the target after the exporter has polled it through its HTTP client. Each poll reads the
// whole list at the time of the poll. Before the last poll, the drill targets change with each poll, which must not
// affect the result. It must be called in a synctest bubble.
func export(t *testing.T, exposition *exposition, s Settings, polls []Poll) map[string]float64 {
	t.Helper()
	server := &listServer{}
	pipe := atlastest.NewPipe(server)
	defer pipe.Close()
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", DialContext: pipe.DialContext,
		Credential: atlas.Credential{Name: "default", APIKey: &atlas.APIKey{PublicKey: "public", PrivateKey: "private"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	config := poll.Config{Targets: []poll.Target{target(s)}, Clients: map[string]poll.Client{"default": client}}
	manager, err := poll.NewManager(config, collector.NewExporter(collector.BuildInfo{}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for i := range polls {
		server.poll = &polls[i]
		time.Sleep(time.Until(polls[i].Now))
		current := s
		if i < len(polls)-1 {
			current.DrillTargets = [][]TargetRule{nil, {}, {{ProjectID: otherProject}}, {{ProjectID: sourceProject}}}[i%4]
		}
		config.Targets = []poll.Target{target(current)}
		if err := manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		manager.PollOnce(t.Context(), func(snapshot *poll.Snapshot) {
			if snapshot.Err != nil {
				t.Errorf("poll %d: %v", i, snapshot.Err)
			}
		})
	}
	return scrape(t, exposition, manager)
}

// target returns the target with every poll being a full poll.
func target(s Settings) poll.Target {
	targets := func(rules []TargetRule) []history.RestoreTarget {
		if rules == nil {
			return nil
		}
		targets := []history.RestoreTarget{}
		for _, rule := range rules {
			targets = append(targets, history.RestoreTarget(rule))
		}
		return targets
	}
	return poll.Target{
		List: atlas.List{
			ProjectID: s.ProjectID, ClusterName: s.ClusterName, BackupType: atlas.BackupType(s.BackupType),
		},
		Credential: "default", Source: poll.SourceConfig,
		Interval: time.Minute, Timeout: time.Minute, StaleAfter: time.Hour,
		Policy: history.Policy{
			Limits:    history.Limits{MaxAge: s.HistoryMaxAge, MaxJobs: s.HistoryMaxJobs},
			JobSeries: history.SeriesLimits{MaxAge: s.JobSeriesMaxAge, MaxPerTarget: s.JobSeriesMaxPerTarget},
			Objectives: history.Objectives{
				Duration: s.Objectives["duration"], DrillAge: s.Objectives["drill_age"],
				RecoveryPointAge: s.Objectives["recovery_point_age"], ExpiryNotice: s.Objectives["expiry_notice"],
			},
			DrillTargets: targets(s.DrillTargets), AllowedTargets: targets(s.AllowedTargets),
		},
	}
}

// listServer serves the list of a poll, and its jobs by ID. It finds nothing else.
type listServer struct{ poll *Poll }

func (s *listServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = nil
	if !s.poll.Date.IsZero() {
		w.Header().Set("Date", s.poll.Date.UTC().Format(http.TimeFormat))
	}
	_, id, ok := strings.Cut(r.URL.Path, "estoreJobs") // restoreJobs or collectionRestoreJobs
	switch {
	case !ok:
		notFound(w, "RESOURCE_NOT_FOUND")
	case id == "":
		_ = json.NewEncoder(w).Encode(s.page(r))
	default:
		for _, job := range s.poll.Jobs {
			if decode(job).text("id") == id[1:] {
				_, _ = w.Write(job)
				return
			}
		}
		notFound(w, "TENANT_RESTORE_NOT_FOUND")
	}
}

func notFound(w http.ResponseWriter, code string) {
	w.WriteHeader(http.StatusNotFound)
	_, _ = fmt.Fprintf(w, `{"error":404,"errorCode":%q}`, code)
}

func (s *listServer) page(r *http.Request) map[string]any {
	size, _ := strconv.Atoi(r.URL.Query().Get("itemsPerPage"))
	number, _ := strconv.Atoi(r.URL.Query().Get("pageNum"))
	jobs := s.poll.Jobs[min((number-1)*size, len(s.poll.Jobs)):]
	page := map[string]any{"results": jobs[:min(size, len(jobs))], "totalCount": len(s.poll.Jobs)}
	if len(jobs) > size {
		page["links"] = []any{map[string]any{"rel": "next"}}
	}
	return page
}

// exposition is the text exposition of one source after another.
type exposition struct {
	handler http.Handler
	source  collector.Source
}

func newExposition() *exposition {
	e := &exposition{}
	e.handler = collector.NewExposition(e, prometheus.NewRegistry(), http.NotFoundHandler(),
		slog.New(slog.DiscardHandler))
	return e
}

// States implements collector.Source.
func (e *exposition) States() []poll.State { return e.source.States() }

// scrape returns the series of the text exposition of a source that the oracle covers.
func scrape(t *testing.T, exposition *exposition, source collector.Source) map[string]float64 {
	t.Helper()
	exposition.source = source
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", "text/plain")
	response := httptest.NewRecorder()
	exposition.handler.ServeHTTP(response, request)
	series := map[string]float64{}
	for line := range strings.Lines(response.Body.String()) {
		name, rest, _ := strings.Cut(line, "{")
		short := strings.TrimPrefix(name, prefix)
		if !strings.HasPrefix(short, "job_") && !slices.Contains(covered, short) {
			continue
		}
		labels, value, _ := strings.Cut(rest, "} ")
		number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		series[seriesKey(name, strings.SplitAfter(labels, `",`))] = number
	}
	return series
}

// covered are the families without the prefix that the oracle covers, besides those that start with job_.
var covered = []string{
	"jobs", "last_created_timestamp_seconds", "last_success_timestamp_seconds", "last_success_created_timestamp_seconds",
	"last_success_recovery_point_timestamp_seconds", "last_success_indexes_failed", "last_failure_timestamp_seconds",
	"last_duration_seconds", "oldest_active_created_timestamp_seconds", "next_expiry_timestamp_seconds",
	"unexpected_target_jobs", "objective_seconds",
}
