package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/testutil"
)

const reloadSuccessful = "\nmongodbatlas_restore_exporter_config_last_reload_successful "

// pollSuccess returns the series of a target whose last poll succeeded.
func pollSuccess(cluster, backupType string) string {
	return fmt.Sprintf(`mongodbatlas_restore_poll_success{backup_type=%q,cluster_name=%q,project_id=%q} 1`,
		backupType, cluster, payments)
}

func enableLifecycle(o *Options) { o.EnableLifecycle = true }

// postReload sends POST /-/reload.
func (e *endpoint) postReload() (status int, body string) {
	e.Helper()
	return testutil.SendRequest(e.T, http.DefaultClient, http.MethodPost, "http://"+e.address+"/-/reload")
}

func TestReload_ByRequestAppliesTheNewConfiguration(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	e := startEndpoint(t, s.configFile, enableLifecycle)
	e.waitForMetrics(pollSuccess("prod", "dedicated"), reloadSuccessful+"1")
	s.editConfig("{name: prod}", "{name: prod}, {name: team, backup_types: [flex]}")
	if status, body := e.postReload(); status != http.StatusOK || body != "reloaded\n" {
		t.Errorf("status %d: %s", status, body)
	}
	e.waitForMetrics(pollSuccess("team", "flex"), pollSuccess("prod", "dedicated"), reloadSuccessful+"1")
}

func TestReload_KeepsTheActiveConfigurationIfTheNewOneIsInvalid(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	e := startEndpoint(t, s.configFile, enableLifecycle)
	s.editConfig("{name: prod}", "{name: team, backup_types: [flex]}")
	s.editConfig("polling:", "mistake: 1\npolling:")
	if status, body := e.postReload(); status != http.StatusInternalServerError || !strings.Contains(body, "mistake") {
		t.Errorf("status %d: %s", status, body)
	}
	e.waitForMetrics(reloadSuccessful+"0", pollSuccess("prod", "dedicated"))
	const line = `level=ERROR msg="configuration reload failed, keeping current configuration" trigger=request err=`
	if log := e.log.String(); !strings.Contains(log, line) || !strings.Contains(log, "mistake: unknown key") {
		t.Errorf("log: %s", log)
	}
}

func TestReload_BySignalRemovesTargets(t *testing.T) {
	s := newSimulation(t, "{name: prod}, {name: team, backup_types: [flex]}")
	signals := make(chan os.Signal, 1)
	e := startEndpoint(t, s.configFile, func(o *Options) { o.ReloadSignals = signals })
	e.waitForMetrics(pollSuccess("team", "flex"))
	s.editConfig(", {name: team, backup_types: [flex]}", "")
	signals <- syscall.SIGHUP
	testutil.Eventually(t, func() bool {
		return strings.Contains(e.log.String(), `msg="configuration reloaded" trigger=signal targets=1`)
	}, e.log.String)
	if body := e.waitForMetrics(pollSuccess("prod", "dedicated")); strings.Contains(body, `cluster_name="team"`) {
		t.Error("the removed target is still exported")
	}
}

func TestReload_BySignalBeforeRunIsNotLost(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGHUP
	e := startEndpoint(t, s.configFile, func(o *Options) { o.ReloadSignals = signals })
	testutil.Eventually(t, func() bool {
		return strings.Contains(e.log.String(), `msg="configuration reloaded" trigger=signal`)
	}, e.log.String)
}

func TestReload_ByRequestIsForbiddenByDefault(t *testing.T) {
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, nil)
	if status, body := e.postReload(); status != http.StatusForbidden {
		t.Errorf("status %d: %s", status, body)
	}
}

func TestReload_AfterASecretFileChangedUsesTheNewSecret(t *testing.T) {
	t.Parallel()
	s := newSimulation(t, "{name: prod}")
	secretFile := filepath.Join(t.TempDir(), "secret")
	testutil.WriteFile(t, secretFile, secret+"\n")
	s.editConfig("client_secret: "+secret, "client_secret_file: "+secretFile)
	var log testutil.Buffer
	exporter := startReloader(t, s, &log)
	waitForPoll := func(successful bool) {
		t.Helper()
		testutil.Eventually(t, func() bool {
			snapshot := exporter.Manager().Snapshots()[0]
			return !snapshot.LastPoll.IsZero() && (snapshot.Err == nil) == successful
		}, log.String)
	}
	waitForPoll(true)
	s.AddServiceAccount("mdb_sa_id_1", "the-next-secret")
	s.RevokeTokens()
	waitForPoll(false)
	testutil.WriteFile(t, secretFile, "the-next-secret")
	waitForPoll(true)
	if strings.Count(log.String(), "configuration reloaded") != 1 || strings.Contains(log.String(), "next-secret") {
		t.Errorf("log: %s", log.String())
	}
}

func TestReload_AfterASecretFileChangedIgnoresAnInvalidConfigurationFile(t *testing.T) {
	t.Parallel()
	s := newSimulation(t, "{name: prod}")
	secretFile := filepath.Join(t.TempDir(), "secret")
	testutil.WriteFile(t, secretFile, secret)
	s.editConfig("client_secret: "+secret, "client_secret_file: "+secretFile)
	var log testutil.Buffer
	exporter := startReloader(t, s, &log)
	waitForPollResult(t, exporter, &log, true)
	s.editConfig("polling:", "mistake: 1\npolling:")
	s.AddServiceAccount("mdb_sa_id_1", "the-next-secret")
	testutil.WriteFile(t, secretFile, "the-next-secret")
	testutil.Eventually(t, func() bool { return strings.Contains(log.String(), "configuration reloaded") }, log.String)
	s.RevokeTokens()
	rotated := time.Now()
	testutil.Eventually(t, func() bool {
		snapshot := exporter.Manager().Snapshots()[0]
		return snapshot.LastSuccess.After(rotated)
	}, log.String)
	if strings.Contains(log.String(), "mistake") {
		t.Errorf("the configuration file was read without a request: %s", log.String())
	}
}

func TestReload_RejectedContentsAreTriedAgainWhenAFileThatTheyNameChanges(t *testing.T) {
	t.Parallel()
	s := newSimulation(t, "{name: prod}")
	var log testutil.Buffer
	exporter, reloader := newTestReloader(t, s, &log)
	secretFile := filepath.Join(t.TempDir(), "secret")
	s.editConfig("client_secret: "+secret, "client_secret_file: "+secretFile)
	s.editConfig("{name: prod}", "{name: prod}, {name: team, backup_types: [flex]}")
	if err := reloader.reload(t.Context(), "request"); err == nil {
		t.Fatal("the secret file is missing, and the reload succeeded")
	}
	testutil.WriteFile(t, secretFile, secret)
	reloader.rereadChangedFiles()
	if clusters := clusterNames(exporter); !slices.Equal(clusters, []string{"prod", "team"}) {
		t.Errorf("targets %v: %s", clusters, log.String())
	}
}

func clusterNames(exporter *Exporter) (names []string) {
	for _, snapshot := range exporter.Manager().Snapshots() {
		names = append(names, snapshot.Target.ClusterName)
	}
	return names
}

// The rejected contents were replaced, by those before or by others, which need another request.
func TestReload_RejectedContentsAreNotTriedAgainIfTheFileHasOthers(t *testing.T) {
	t.Parallel()
	s := newSimulation(t, "{name: prod}")
	var log testutil.Buffer
	exporter, reloader := newTestReloader(t, s, &log)
	before := testutil.ReadFile(t, s.configFile)
	secretFile := filepath.Join(t.TempDir(), "secret")
	s.editConfig("client_secret: "+secret, "client_secret_file: "+secretFile)
	s.editConfig("{name: prod}", "{name: prod}, {name: team, backup_types: [flex]}")
	if err := reloader.reload(t.Context(), "request"); err == nil {
		t.Fatal("the secret file is missing, and the reload succeeded")
	}
	testutil.WriteFile(t, s.configFile, before)
	testutil.WriteFile(t, secretFile, secret)
	reloader.rereadChangedFiles()
	if clusters := clusterNames(exporter); !slices.Equal(clusters, []string{"prod"}) {
		t.Errorf("targets %v: %s", clusters, log.String())
	}
}

// One secret file is missing while another one gets a new secret.
func TestReload_EachSecretFileIsIndependent(t *testing.T) {
	t.Parallel()
	s := newSimulation(t, "{name: prod}")
	first, second := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	testutil.WriteFile(t, first, secret)
	testutil.WriteFile(t, second, secret)
	s.editConfig("client_secret: "+secret+"}}", "client_secret_file: "+first+
		"}, expires: 2119-03-01}, other: {service_account: {client_id: mdb_sa_id_2, client_secret_file: "+second+"}}")
	s.editConfig("{id:", "{credential: default, id:")
	var log testutil.Buffer
	exporter, reloader := newTestReloader(t, s, &log)
	secrets := func() string {
		var all []string
		for _, credential := range exporter.active.Load().Credentials {
			all = append(all, credential.ServiceAccount.ClientSecret.Reveal())
		}
		return strings.Join(all, " ")
	}
	for _, broken := range []func(){
		func() { _ = os.Remove(first) }, func() { testutil.WriteFile(t, first, "") },
		func() { testutil.WriteFile(t, first, "two\nlines") },
	} {
		broken()
		rotated := "rotated-" + time.Now().Format("150405.000000")
		testutil.WriteFile(t, second, rotated)
		reloader.rereadChangedFiles()
		if got := secrets(); got != secret+" "+rotated {
			t.Errorf("secrets %q: %s", got, log.String())
		}
		if exporter.reloads.failed[configurationFile] != true {
			t.Error("the failure is not exported")
		}
	}
	testutil.WriteFile(t, first, "new")
	reloader.rereadChangedFiles()
	if got := secrets(); !strings.HasPrefix(got, "new rotated-") || exporter.reloads.failed[configurationFile] {
		t.Errorf("secrets %q: %s", got, log.String())
	}
}

func waitForPollResult(t *testing.T, exporter *Exporter, log *testutil.Buffer, successful bool) {
	t.Helper()
	testutil.Eventually(t, func() bool {
		snapshot := exporter.Manager().Snapshots()[0]
		return !snapshot.LastPoll.IsZero() && (snapshot.Err == nil) == successful
	}, log.String)
}

// startReloader runs the manager of an exporter, and a reloader that checks the files every 20 ms.
func startReloader(t *testing.T, s *simulation, log *testutil.Buffer) *Exporter {
	t.Helper()
	exporter, reloader := newTestReloader(t, s, log)
	reloader.interval = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	reloads, polls := make(chan struct{}), make(chan struct{})
	go func() { defer close(reloads); reloader.run(ctx) }()
	go func() { defer close(polls); exporter.Manager().Run(ctx) }()
	t.Cleanup(func() { cancel(); <-reloads; <-polls })
	return exporter
}

func TestReload_AfterShutdownBeganIsRejected(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	options := testOptions(t.Output())
	options.Load = func() (*config.Config, error) { t.Error("the configuration was loaded"); return s.loadConfig(), nil }
	exporter, err := New(s.loadConfig(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer exporter.Close()
	reloader := newReloader(exporter, options)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reloader.run(ctx)
	recorder := httptest.NewRecorder()
	reloader.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/-/reload", http.NoBody))
	if recorder.Code != http.StatusServiceUnavailable || recorder.Body.String() != "shutting down\n" {
		t.Errorf("status %d: %s", recorder.Code, recorder.Body)
	}
}

// One reload is in progress and others wait for it when the shutdown begins.
func TestReload_WaitingRequestsDoNotDelayTheShutdown(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	loading, release := make(chan struct{}, 1), make(chan struct{})
	e := startEndpoint(t, s.configFile, func(o *Options) {
		o.EnableLifecycle = true
		var calls atomic.Int32
		o.Load = func() (*config.Config, error) {
			if calls.Add(1) > 1 { // the first call is the one of startEndpoint
				loading <- struct{}{}
				<-release
			}
			return config.Load(s.configFile)
		}
	})
	const requests = 8
	statuses := make(chan int, requests)
	for range requests {
		go func() { status, _ := e.postReload(); statuses <- status }()
	}
	<-loading
	time.Sleep(100 * time.Millisecond) // until the other requests wait
	started := time.Now()
	e.cancel()
	testutil.Eventually(t, func() bool { return strings.Contains(e.log.String(), "shutting down") }, e.log.String)
	time.Sleep(50 * time.Millisecond) // until the reloader has stopped
	close(release)
	if err := e.stop(); err != nil || time.Since(started) > shutdownTimeout-time.Second {
		t.Errorf("%v after %v", err, time.Since(started))
	}
	var got []int
	for range requests {
		got = append(got, <-statuses)
	}
	slices.Sort(got)
	want := append([]int{http.StatusOK}, slices.Repeat([]int{http.StatusServiceUnavailable}, requests-1)...)
	if !slices.Equal(got, want) {
		t.Errorf("status codes %v, want %v", got, want)
	}
}

// newTestReloader returns an exporter of a simulation and its reloader, neither of which runs.
func newTestReloader(t *testing.T, s *simulation, log *testutil.Buffer) (*Exporter, *reloader) {
	t.Helper()
	options := testOptions(log)
	options.Load = func() (*config.Config, error) { return config.Load(s.configFile) }
	exporter, err := New(s.loadConfig(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(exporter.Close)
	return exporter, newReloader(exporter, options)
}
