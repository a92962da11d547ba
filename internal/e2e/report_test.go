package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/report"
	"atlas-restore-exporter/internal/testutil"
)

// maxReportMemory is the documented maximum of the resident memory of a report about 2,000 clusters.
const maxReportMemory = 300 << 20

// TestReport_OfManyClusters measures reports about 100 clusters with 50 jobs each, or SIMULATED_CLUSTERS.
func TestReport_OfManyClusters(t *testing.T) {
	clusters := 100
	if text := os.Getenv("SIMULATED_CLUSTERS"); text != "" {
		var err error
		if clusters, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	sim, configFile := simulateManyClusters(t, clusters)
	for _, format := range report.Formats() {
		sim.ForgetRequests()
		output := filepath.Join(t.TempDir(), "report."+format)
		start := time.Now()
		command := newCommand(t, nil, "report", "--config.file", configFile, "--from=2020-01-01", "--to=2999-01-01",
			"--format", format, "--output", output)
		if text, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		polls := len(sim.Requests(func(r atlastest.Request) bool { return strings.HasSuffix(r.Path, "/restoreJobs") }))
		memory := command.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10 // in KiB on Linux
		info, err := os.Stat(output)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d clusters, %d polls, %.1f s, %d MiB of memory, %.1f MiB written", format, clusters, polls,
			time.Since(start).Seconds(), memory>>20, float64(info.Size())/(1<<20))
		if polls != clusters || memory > maxReportMemory {
			t.Errorf("%s: %d polls of %d clusters, %d MiB", format, polls, clusters, memory>>20)
		}
		drills := strings.Count(testutil.ReadFile(t, output), "restore-drill")
		if drills < clusters*40 {
			t.Errorf("%s: %d drills", format, drills)
		}
	}
}

// simulateManyClusters returns a configuration file of an organization whose clusters have 50 jobs each.
func simulateManyClusters(t *testing.T, clusters int) (sim *atlastest.Server, configFile string) {
	t.Helper()
	sim = atlastest.New()
	sim.Capacity = -1
	sim.AddServiceAccount("mdb_sa_id_1", secret)
	now := time.Now()
	const perProject = 20
	project := ""
	for i := range clusters {
		if i%perProject == 0 {
			project = fmt.Sprintf("%024x", i+1)
			sim.AddProject(project, fmt.Sprintf("Project %d", i/perProject))
		}
		name := fmt.Sprintf("cluster-%d", i)
		sim.AddCluster(project, name, atlastest.DedicatedCluster)
		sim.ChangeCluster(project, name, func(c *atlastest.ClusterState) { c.Created = now.AddDate(-2, 0, 0) })
		jobs := make([]atlastest.Job, 50)
		for j := range jobs {
			jobs[j] = atlastest.Job{
				Created: now.Add(-time.Duration(j*24+i%24+1) * time.Hour), Takes: time.Hour, TargetClusterName: "restore-drill",
			}
			if j%10 == 9 {
				jobs[j].Outcome = atlastest.Fails
			}
		}
		sim.AddJobs(atlas.List{ProjectID: project, ClusterName: name, BackupType: atlas.Dedicated}, jobs...)
	}
	configFile = filepath.Join(t.TempDir(), "config.yaml")
	testutil.WriteFile(t, configFile, fmt.Sprintf(`
atlas: {base_url: %q}
credentials: {default: {service_account: {client_id: mdb_sa_id_1, client_secret: %s}}}
objectives: {drill_age: 7d, duration: 2h, recovery_point_age: 2d}
projects: [{discovery: {}}]
`, serve(t, sim), secret))
	return sim, configFile
}
