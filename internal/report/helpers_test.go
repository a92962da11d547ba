package report

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/config"
)

// The projects of the simulated organization.
const (
	payments   = "5f3a1b2c4d5e6f7a8b9c0d1e"
	analytics  = "6a1b2c3d4e5f60718293a4b5"
	compliance = "6b2c3d4e5f60718293a4b5c6"
	playground = "6c3d4e5f60718293a4b5c6d7"
)

const day = 24 * time.Hour

// idOf returns the ID of a job with a creation time and a serial number.
func idOf(created time.Time, serial int) string {
	return fmt.Sprintf("%08x%016x", created.Unix(), serial)
}

// date returns a time in 2026.
func date(month time.Month, day, hour int) time.Time {
	return time.Date(2026, month, day, hour, 0, 0, 0, time.UTC)
}

// generatedAt is the time at which tests generate reports.
var generatedAt = date(time.October, 5, 6)

// thirdQuarter is the period of most reports.
func thirdQuarter(t *testing.T) Period {
	t.Helper()
	period, err := ParsePeriod("2026-07-01", "2026-10-01", generatedAt)
	if err != nil {
		t.Fatal(err)
	}
	return period
}

// world is a simulated organization without projects. It must be used in a synctest bubble.
type world struct {
	*testing.T
	sim  *atlastest.Server
	pipe *atlastest.Pipe
}

// newWorld sets the clock to the given time.
func newWorld(t *testing.T, at time.Time) *world {
	t.Helper()
	time.Sleep(time.Until(at))
	w := &world{T: t, sim: atlastest.New()}
	w.sim.Capacity = -1
	w.sim.AddServiceAccount("id", "secret")
	w.pipe = atlastest.NewPipe(w.sim)
	t.Cleanup(w.pipe.Close)
	return w
}

// addCluster adds a cluster that was created at the given time.
func (w *world) addCluster(projectID, name string, kind atlastest.ClusterKind, created time.Time) {
	w.sim.AddCluster(projectID, name, kind)
	w.sim.ChangeCluster(projectID, name, func(c *atlastest.ClusterState) {
		c.Created, c.PointInTimeEnabled = created, kind == atlastest.DedicatedCluster
	})
}

// addJobs adds jobs to a list, and returns their IDs.
func (w *world) addJobs(projectID, name string, backupType atlas.BackupType, jobs ...atlastest.Job) []string {
	return w.sim.AddJobs(atlas.List{ProjectID: projectID, ClusterName: name, BackupType: backupType}, jobs...)
}

// config parses a configuration without the settings of the connection and the credential.
func (w *world) config(settings string) *config.Config {
	w.Helper()
	cfg, err := config.Parse("config.yaml", []byte("atlas: {base_url: http://atlas.test}\n"+
		"credentials: {default: {service_account: {client_id: id, client_secret: secret}}}\n"+settings))
	if err != nil {
		w.Fatal(err)
	}
	return cfg
}

// generate generates a report. It sets the options that tests don't vary.
func (w *world) generate(cfg *config.Config, options Options) (*Report, error) {
	options.Version, options.DialContext, options.SignOffFile = "1.2.3", w.pipe.DialContext, "signoff.yaml"
	return Generate(w.Context(), cfg, options)
}

// mustGenerate is generate for a report without an error.
func (w *world) mustGenerate(cfg *config.Config, options Options) *Report {
	w.Helper()
	report, err := w.generate(cfg, options)
	if err != nil {
		w.Fatal(err)
	}
	return report
}

// oneCluster generates the report about the cluster prod, created in January 2026, with jobs of dedicated backup.
func oneCluster(t *testing.T, settings string, options Options, jobs ...atlastest.Job) (found Cluster) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.sim.AddProject(payments, "Payments")
		w.addCluster(payments, "prod", atlastest.DedicatedCluster, date(time.January, 1, 0))
		w.addJobs(payments, "prod", atlas.Dedicated, jobs...)
		if options.Period == (Period{}) {
			options.Period = thirdQuarter(t)
		}
		report := w.mustGenerate(w.config(settings+"\nprojects: [{id: "+payments+", clusters: [{name: prod}]}]"), options)
		found = report.Data.Clusters[0]
	})
	return found
}

// String returns a judgment in one line, for comparisons.
func (j Judgment) String() string {
	text := string(j.Verdict)
	for _, part := range []struct {
		name    string
		seconds Seconds
	}{{"objective", j.Objective}, {"value", j.Value}, {"missed by", j.MissedBy}} {
		if part.seconds.known {
			text += fmt.Sprintf(", %s %v", part.name, time.Duration(part.seconds.n)*time.Second)
		}
	}
	if j.Reason != "" {
		text += ", " + j.Reason
	}
	return text
}

// expect compares lines of text.
func expect(t *testing.T, subject, got, want string) {
	t.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("%s:\ngot  %s\nwant %s", subject, got, want)
	}
}
