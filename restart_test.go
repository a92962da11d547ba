package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// killed is a process that is to be killed, and what Atlas there is for it.
type killed struct {
	*testing.T
	sim        *atlastest.Server
	configFile string
	open       string // a job of longList that is not over
}

// Lists of every size and in every order in which a poll reads differently.
var (
	longList  = atlas.List{ProjectID: payments, ClusterName: "long", BackupType: atlas.Dedicated} // only its newest page is read in between
	oddList   = atlas.List{ProjectID: payments, ClusterName: "odd", BackupType: atlas.Flex}       // no order, so read whole
	shortList = atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated}
	collList  = atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Collection}
	oldList   = atlas.List{ProjectID: payments, ClusterName: "old", BackupType: atlas.Legacy}
)

func newKilled(t *testing.T) *killed {
	t.Helper()
	sim, configFile := newSim(t, "{name: long}, {name: odd, backup_types: [flex]}, {name: prod, backup_types: [dedicated, collection]}, "+
		"{name: old, backup_types: [legacy]}, {name: gone}")
	text, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	slower := strings.Replace(string(text), "{name: long}", "{name: long, interval: 2s}", 1) // it takes long to read on a busy machine
	writeFile(t, configFile, slower+`
history: {max_age: 45d, max_jobs: 1040}
job_series: {max_per_target: 20}
objectives: {duration: 4h, drill_age: 90d}
allowed_targets: [{project_id: `+payments+`, cluster_names: [prod]}]
`)
	sim.AddCluster(payments, "long", atlastest.DedicatedCluster)
	sim.AddCluster(payments, "odd", atlastest.FlexCluster)
	sim.AddCluster(payments, "old", atlastest.LegacyCluster)
	sim.SetOrder(oddList, atlastest.Shuffled)
	k := &killed{T: t, sim: sim, configFile: configFile}
	const day = 24 * time.Hour
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	long := make([]atlastest.Job, 1050) // more than are kept: what the oldest say is known by their facts only
	for i := range long {
		long[i] = atlastest.Job{Created: ago(time.Duration(i+1) * time.Hour), Takes: 20 * time.Minute}
	}
	for i := 1038; i < 1040; i++ { // with each round that adds a job, one of them is no longer kept
		long[i].Outcome = atlastest.Fails
	}
	long[1020].Takes = 0 // open, and on a page that is not read in between
	long[901].TargetClusterName = "elsewhere"
	soonTooOld := atlastest.Job{Created: ago(45*day - 2*time.Second), Takes: time.Minute, Delivery: "download", Outcome: atlastest.Fails}
	long = append(long, soonTooOld)
	long[3].Delivery, long[3].LinkLife = "download", 30*day
	k.open = k.sim.AddJobs(longList, long...)[1020]
	k.sim.AddJobs(oddList, atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour}, atlastest.Job{Created: ago(50 * time.Hour), Takes: time.Hour, Outcome: atlastest.Fails},
		atlastest.Job{Created: ago(2 * time.Hour)}, atlastest.Job{Created: ago(time.Hour), Takes: time.Minute, Delivery: "DOWNLOAD", LinkLife: 10 * day})
	k.sim.AddJobs(shortList, atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour}, atlastest.Job{Created: ago(4 * time.Hour), Takes: time.Hour, Outcome: atlastest.IsCancelled},
		atlastest.Job{Created: ago(3 * time.Hour), Delivery: "pointInTime", PointInTime: ago(9 * time.Hour), TargetClusterName: "drill"})
	k.sim.AddJobs(collList, atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour, Documents: 1000}, atlastest.Job{Created: ago(3 * time.Hour), Documents: 10})
	k.sim.AddJobs(oldList, atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour, BatchID: "5a66783b80eef5354c77ee13"},
		atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour, BatchID: "5a66783b80eef5354c77ee13", Outcome: atlastest.Fails},
		atlastest.Job{Created: ago(2 * time.Hour), Takes: time.Minute, Delivery: "download", LinkLife: 10 * day})
	return k
}

// launch starts the exporter, and returns where it serves.
func (k *killed) launch() (p *process, base string) {
	k.Helper()
	p = spawn(k.T, nil, nil, "--config.file", k.configFile, "--web.listen-address=127.0.0.1:0")
	return p, "http://" + p.address()
}

// notOfAtlas are the families of which a restart may change the series, because they tell of the process and not of
// Atlas' jobs: when it polled last, how often that failed since it started, and what the runtime and the client count.
func notOfAtlas(family string) bool {
	return slices.Contains([]string{
		"mongodbatlas_restore_last_poll_timestamp_seconds", "mongodbatlas_restore_last_successful_poll_timestamp_seconds",
		"mongodbatlas_restore_poll_failures_total",
	}, family) || slices.ContainsFunc([]string{"mongodbatlas_restore_exporter_", "go_", "process_", "promhttp_"},
		func(prefix string) bool { return strings.HasPrefix(family, prefix) })
}

// series returns the value of every series that tells of Atlas, by its name and labels as they are written.
func (k *killed) series(base string) map[string]string {
	k.Helper()
	status, body := fetch(k.T, nil, base+"/metrics")
	if status != http.StatusOK {
		k.Fatalf("%d %s", status, body)
	}
	all := map[string]string{}
	for line := range strings.Lines(body) {
		at := strings.LastIndex(line, " ")
		if strings.HasPrefix(line, "#") || notOfAtlas(line[:strings.IndexAny(line, "{ ")]) {
			continue
		}
		all[line[:at]] = line[at+1:]
	}
	return all
}

// settled waits until everything was polled and named, and returns what is then known.
func (k *killed) settled(p *process, base, wanted string) map[string]string {
	k.Helper()
	var all map[string]string
	eventually(k.T, func() bool {
		if status, _ := fetch(k.T, nil, base+"/-/ready"); status != http.StatusOK {
			return false
		}
		all = k.series(base)
		_, there := all[wanted]
		return there && !strings.Contains(strings.Join(slices.Collect(maps.Keys(all)), "\n"), `project_name=""`)
	}, p.stderr.String)
	return all
}

// TestKilled kills the exporter again and again, at random, in the middle of a poll, and while Atlas changes. Each time
// what it said of the jobs that Atlas still lists is what the next one says.
func TestKilled(t *testing.T) {
	k := newKilled(t)
	p, base := k.launch()
	for round := range 3 {
		if round == 2 {
			k.sim.ChangeJob(longList, k.open, func(job *atlastest.Job) { job.Takes = time.Hour })
		}
		newest := k.sim.AddJobs(longList, atlastest.Job{Created: time.Now().Add(-30 * time.Minute), Takes: time.Duration(10+round) * time.Minute})[0]
		wanted := fmt.Sprintf(`mongodbatlas_restore_job_info{backup_type="dedicated",batch_id="",cluster_name="long",delivery_type="automated",job_id="%s",`+
			`project_id="%s",snapshot_id="%s",target_cluster_name="long",target_project_id="%[2]s"}`, newest, payments, k.snapshot(newest))
		before := k.settled(p, base, wanted)
		if len(before) < 300 {
			t.Fatalf("only %d series", len(before))
		}
		k.kill(p, round%2 == 1)
		p, base = k.launch()
		after := k.settled(p, base, wanted)
		k.compare(round, before, after)
	}
}

// snapshot returns the snapshot of a job as Atlas names it.
func (k *killed) snapshot(id string) (snapshot string) {
	k.sim.ChangeJob(longList, id, func(job *atlastest.Job) { snapshot = job.SnapshotID })
	return snapshot
}

// kill kills a process: at once, or when the next page of a list has been asked for and does not come.
func (k *killed) kill(p *process, inMidPoll bool) {
	k.Helper()
	if inMidPoll {
		var asked atomic.Int64
		hang := atlastest.Hang()
		remove := k.sim.Script(atlastest.PathHas("/backup/restoreJobs"), 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			hang.ServeHTTP(w, r)
		}))
		defer remove()
		eventually(k.T, func() bool { return asked.Load() > 0 }, p.stderr.String)
	} else {
		time.Sleep(rand.N(time.Second))
	}
	if err := p.command.Process.Kill(); err != nil {
		k.Fatal(err)
	}
	if status := p.wait(); status != -1 {
		k.Errorf("killed, but the exit status is %d: %s", status, p.stderr.String())
	}
}

func (k *killed) compare(round int, before, after map[string]string) {
	k.Helper()
	for name, value := range before {
		if after[name] != value {
			k.Errorf("round %d: %s was %q and is %q", round, name, value, after[name])
		}
	}
	for name, value := range after {
		if _, there := before[name]; !there {
			k.Errorf("round %d: %s %q was not there", round, name, value)
		}
	}
}

// TestAtlasIsDown starts the exporter while Atlas can't be reached: it runs, and says so, until Atlas is there.
func TestAtlasIsDown(t *testing.T) {
	sim, configFile := newSim(t, "{name: prod}")
	text, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	sim.AddAPIKey("publickey", secret) // which needs no token: a failure to get one is held against polls for a while
	_, rest, _ := strings.Cut(strings.Replace(string(text), "service_account: {client_id: mdb_sa_id_1, client_secret:",
		"api_key: {public_key: publickey, private_key:", 1), "}\n")
	down := httptest.NewUnstartedServer(sim) // has a port, which it gives back
	address := down.Listener.Addr().String()
	_ = down.Listener.Close()
	for name, test := range map[string]struct{ baseURL, says string }{
		"connection refused": {"http://" + address, "connection refused"},
		"DNS":                {"http://" + strings.Repeat("x", 64) + ".invalid", "no such host"}, // no label is that long, so nobody is asked
	} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, configFile, fmt.Sprintf("atlas: {base_url: %q}\n%s", test.baseURL, rest))
			p := spawn(t, nil, nil, "--config.file", configFile, "--web.listen-address=127.0.0.1:0")
			base := "http://" + p.address()
			if status, body := fetch(t, nil, base+"/-/healthy"); status != 200 {
				t.Errorf("healthy: %d %s", status, body)
			}
			eventually(t, func() bool { status, _ := fetch(t, nil, base+"/-/ready"); return status == 200 }, p.stderr.String)
			_, metrics := fetch(t, nil, base+"/metrics")
			const target = `{backup_type="dedicated",cluster_name="prod",project_id="` + payments + `"`
			for _, want := range []string{
				"mongodbatlas_restore_poll_success" + target + "} 0.0\n", "mongodbatlas_restore_poll_error" + target + `,reason="network"} 1.0` + "\n",
				"mongodbatlas_restore_poll_failures_total" + target + "} ", "mongodbatlas_restore_last_poll_timestamp_seconds" + target + "} ",
				`mongodbatlas_restore_exporter_api_requests_total{code="error",endpoint="dedicated_list"} `,
			} {
				if !strings.Contains(metrics, want) {
					t.Errorf("no %s in\n%s", want, metrics)
				}
			}
			for _, unwanted := range []string{"mongodbatlas_restore_jobs{", "last_successful_poll_timestamp_seconds{"} {
				if strings.Contains(metrics, unwanted) {
					t.Errorf("there is %s, of which nothing is known", unwanted)
				}
			}
			if _, page := fetch(t, nil, base+"/"); !strings.Contains(page, test.says) || !strings.Contains(page, "Check") {
				t.Errorf("the status page does not say %s", test.says)
			}
			if log := p.stderr.String(); strings.Count(log, `level=WARN msg="poll failed"`) != 1 || !strings.Contains(log, test.says) {
				t.Errorf("log: %s", log)
			}
			if name == "connection refused" {
				listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
				if err != nil {
					t.Skipf("somebody else has taken the port: %v", err)
				}
				down.Listener = listener
				down.Start()
				defer down.Close()
				eventually(t, func() bool {
					_, metrics := fetch(t, nil, base+"/metrics")
					return strings.Contains(metrics, "mongodbatlas_restore_poll_success"+target+"} 1.0\n")
				}, p.stderr.String)
			}
			p.stop()
			if status := p.wait(); status != 0 {
				t.Errorf("exit status %d: %s", status, p.stderr.String())
			}
		})
	}
}
