package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func post(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}

// TestReload changes the configuration of an exporter that runs, by request and by signal: a good one is used, a bad one
// is not, and says so.
func TestReload(t *testing.T) {
	sim, configFile := newSim(t, "{name: prod}")
	sim.AddJobs(atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated}, atlastest.Job{})
	good, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "--config.file", configFile, "--web.listen-address", "127.0.0.1:0", "--web.enable-lifecycle")
	base := "http://" + p.address()
	has := func(wanted string) {
		t.Helper()
		var body string
		eventually(t, func() bool { _, body = fetch(t, nil, base+"/metrics"); return strings.Contains(body, wanted) },
			func() string { return wanted + " is not in\n" + body })
	}
	target := func(cluster, kind string) string {
		return fmt.Sprintf(`mongodbatlas_restore_poll_success{backup_type="%s",cluster_name="%s",project_id="%s"} 1`, kind, cluster, payments)
	}
	const successful = "\nmongodbatlas_restore_exporter_config_last_reload_successful " // its HELP starts with 1, too
	has(target("prod", "dedicated"))
	has(successful + "1")

	more := strings.Replace(string(good), "{name: prod}", "{name: prod}, {name: team, backup_types: [flex]}", 1)
	writeFile(t, configFile, more)
	if status := post(t, base+"/-/reload"); status != 200 {
		t.Errorf("a good configuration: %d", status)
	}
	has(target("team", "flex"))

	writeFile(t, configFile, more+"mistake: 1\n")
	if status := post(t, base+"/-/reload"); status != 500 {
		t.Errorf("a bad configuration: %d", status)
	}
	has(successful + "0")
	has(target("team", "flex"))
	if !strings.Contains(p.stderr.String(), "mistake: unknown key") {
		t.Errorf("log: %s", p.stderr.String())
	}

	writeFile(t, configFile, string(good))
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	has(successful + "1")
	if _, body := fetch(t, nil, base+"/metrics"); strings.Contains(body, `cluster_name="team"`) {
		t.Error("a cluster that is no longer configured is still there")
	}
	if tokens := len(sim.Requests(func(r atlastest.Request) bool { return r.Path == "/api/oauth/token" })); tokens != 1 {
		t.Errorf("%d tokens for three reloads with the same credential", tokens)
	}
	p.stop()
	if p.wait() != 0 {
		t.Error(p.stderr.String())
	}
}

func TestReloadByRequestHasToBeAllowed(t *testing.T) {
	_, configFile := newSim(t, "{name: prod}")
	p := start(t, "--config.file", configFile, "--web.listen-address", "127.0.0.1:0")
	if status := post(t, "http://"+p.address()+"/-/reload"); status != http.StatusForbidden {
		t.Errorf("status %d", status)
	}
}

// TestRotation changes a secret in its file, as Kubernetes and people do, and then in Atlas.
func TestRotation(t *testing.T) {
	sim, configFile := newSim(t, "{name: prod}")
	secretFile := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secretFile, secret+"\n")
	text, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, configFile, strings.Replace(string(text), "client_secret: "+secret, "client_secret_file: "+secretFile, 1))
	load := func() (*Config, error) { return LoadConfig(configFile) }
	config, err := load()
	if err != nil {
		t.Fatal(err)
	}
	var log buffer
	app := &app{logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), build: buildInfo()}
	exporter, err := app.newExporter(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer exporter.close()
	reloader := newReloader(exporter, load, app.logger)
	reloader.interval = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { reloader.run(ctx); close(ended) }()
	go exporter.manager.Run(ctx)
	polled := func(ok bool) {
		t.Helper()
		eventually(t, func() bool {
			s := exporter.manager.Snapshots()[0]
			return !s.LastPoll.IsZero() && (s.Err == nil) == ok
		}, log.String)
	}
	polled(true)
	sim.AddServiceAccount("mdb_sa_id_1", "the-next-secret")
	sim.RevokeTokens()
	polled(false)
	writeFile(t, secretFile, "the-next-secret")
	polled(true)
	if strings.Count(log.String(), "configuration reloaded") != 1 || strings.Contains(log.String(), "next-secret") {
		t.Errorf("log: %s", log.String())
	}
	cancel()
	<-ended
}
