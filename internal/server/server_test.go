package server

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/testutil"
)

func TestRun_IsHealthyAtOnceAndReadyAfterTheFirstPolls(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	s.Script(atlastest.PathHas("prod"), 1, atlastest.Hang())
	e := startEndpoint(t, s.configFile, nil)
	e.expectStatus("/-/healthy", http.StatusOK)
	e.expectStatus("/-/ready", http.StatusServiceUnavailable)

	s = newSimulation(t, "{name: prod}")
	e = startEndpoint(t, s.configFile, nil)
	e.waitUntilReady()
}

func TestRun_ExportsAJobFromInProgressToFailed(t *testing.T) {
	t.Parallel()
	s := newSimulation(t, "{name: prod}")
	id := s.AddJobs(prod, atlastest.Job{})[0]
	e := startEndpoint(t, s.configFile, nil)
	series := func(name, labels string) string {
		return fmt.Sprintf("mongodbatlas_restore_job_%s{backup_type=%q,cluster_name=%q,job_id=%q,project_id=%q%s} ",
			name, "dedicated", "prod", id, payments, labels)
	}
	e.waitForMetrics(series("status", `,status="in_progress"`)+"1", series("failed", "")+"0")
	s.ChangeJob(prod, id, func(j *atlastest.Job) { j.Takes, j.Outcome = time.Second, atlastest.Fails })
	e.waitForMetrics(series("status", `,status="failed"`)+"1", series("status", `,status="in_progress"`)+"0",
		series("failed", "")+"1")
}

func TestRun_ExportsTargetsThatCannotBePolled(t *testing.T) {
	s := newSimulation(t, "{name: prod}, {name: team, backup_types: [flex]}, {name: missing}")
	e := startEndpoint(t, s.configFile, nil)
	e.waitForMetrics(`project_name="Payments"`, fmt.Sprintf(
		`poll_error{backup_type="dedicated",cluster_name="missing",project_id=%q,reason="not_found"} 1`, payments))
	line := `msg="poll failed" project_id=` + payments + " cluster_name=missing"
	if !strings.Contains(e.log.String(), line) {
		t.Errorf("no %s in %s", line, e.log)
	}
}

func TestRun_ExportsMetricsOfTheProcess(t *testing.T) {
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, nil)
	e.waitForMetrics("go_goroutines ", "process_cpu_seconds_total ", "promhttp_metric_handler_requests_total")
}

func TestRun_ServesTheStatusPage(t *testing.T) {
	s := newSimulation(t, "{name: prod}, {name: missing}")
	started := time.Now().Add(-time.Minute)
	id := s.AddJobs(prod, atlastest.Job{Created: started, Takes: time.Second, Outcome: atlastest.Fails})[0]
	e := startEndpoint(t, s.configFile, nil)
	e.waitUntilReady()
	e.waitForMetrics(`project_name="Payments"`) // is read at the same time, but not part of the readiness
	_, page := e.get("/")
	remedy := "Cluster missing does not exist in project " + payments
	for _, wanted := range []string{"Payments", "prod", id, "failed", remedy} {
		if !strings.Contains(page, wanted) {
			t.Errorf("no %q on the status page", wanted)
		}
	}
}

func TestRun_ShowsNoSecretsTokensOrLinks(t *testing.T) {
	s := newSimulation(t, "{name: prod}, {name: missing}")
	s.AddJobs(prod, atlastest.Job{Created: time.Now().Add(-time.Minute), Delivery: "download", Takes: time.Second})
	e := startEndpoint(t, s.configFile, nil)
	metrics := e.waitForMetrics(`status="ready"} 1`, `reason="not_found"} 1`)
	_, page := e.get("/")
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{"log": e.log.String(), "status page": page, "/metrics": metrics} {
		for _, mark := range []string{secret, "token-", ".tar.gz"} {
			if strings.Contains(text, mark) {
				t.Errorf("%s contains %s: %s", place, mark, text)
			}
		}
	}
}

func TestRun_StopsWithinSecondsWhileAPollHangs(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs last
	s := newSimulation(t, "{name: prod}")
	s.Script(atlastest.PathHas("prod"), 0, atlastest.Hang())
	e := startEndpoint(t, s.configFile, nil)
	testutil.Eventually(t, func() bool { return len(s.Requests(nil)) > 1 }, e.log.String)
	started := time.Now()
	if err := e.stop(); err != nil || time.Since(started) > shutdownTimeout {
		t.Errorf("%v after %v", err, time.Since(started))
	}
}

func TestRun_LogsTheVersionFirst(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	e := startEndpoint(t, s.configFile, func(o *Options) { o.ConfigFile = "exporter.yaml" })
	const want = `level=INFO msg=starting version=1.2.3 revision=abc go_version=go1 config_file=exporter.yaml shard=0/1 ` +
		`listen_addresses=[127.0.0.1:0]`
	if line, _, _ := strings.Cut(e.log.String(), "\n"); !strings.HasSuffix(line, want) {
		t.Errorf("the first line is %s\nwant %s", line, want)
	}
}

// runWithTakenAddress runs an exporter whose address another process uses, and returns its log and its error.
func runWithTakenAddress(t *testing.T, s *simulation) (log string, err error) {
	t.Helper()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	var buffer testutil.Buffer
	options := testOptions(&buffer)
	options.ListenAddresses = []string{taken.Addr().String()}
	err = Run(t.Context(), s.loadConfig(), options)
	return buffer.String(), err
}

func TestRun_WithATakenAddressReturnsOnlyTheError(t *testing.T) {
	log, err := runWithTakenAddress(t, newSimulation(t, "{name: prod}"))
	if err == nil || !strings.Contains(err.Error(), "another process uses the port") {
		t.Errorf("error %v", err)
	}
	if strings.Contains(log, "shutting down") {
		t.Errorf("log: %s", log)
	}
}

// A process that is restarted in a loop must not use up the access tokens of a service account.
func TestRun_SendsNoRequestToAtlasUnlessItListens(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	if _, err := runWithTakenAddress(t, s); err == nil {
		t.Error("no error")
	}
	if requests := s.Requests(nil); len(requests) != 0 {
		t.Errorf("requests %v", requests)
	}
}

func TestRun_ServesEachTargetInExactlyOneShard(t *testing.T) {
	s := newSimulation(t, "{name: prod}, {name: team, backup_types: [flex]}, {name: a}, {name: b}, {name: c}")
	const shards = 2
	served := map[string]int{}
	for i := range shards {
		e := startEndpoint(t, s.configFile, func(o *Options) {
			o.Load = func() (*config.Config, error) {
				cfg, err := config.Load(s.configFile)
				if err == nil {
					cfg.Shard = poll.Shard{Index: i, Count: shards}
				}
				return cfg, err
			}
		})
		_, body := e.get("/metrics")
		for line := range strings.Lines(body) {
			if _, labels, found := strings.Cut(line, "mongodbatlas_restore_target_info{"); found {
				served[labels]++
			}
		}
	}
	if len(served) != 5 {
		t.Errorf("%d targets, want 5: %v", len(served), served)
	}
	for labels, n := range served {
		if n != 1 {
			t.Errorf("%d shards serve %s", n, labels)
		}
	}
}
