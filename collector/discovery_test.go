package collector

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// The projects of an organization, besides Payments.
const (
	analytics = "6a1b2c3d4e5f60718293a4b5"
	sandbox   = "7b2c3d4e5f60718293a4b5c6"
)

// newOrganization returns a world with three projects and every kind of cluster, of which nothing is polled yet.
func newOrganization(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.sim.AddProject(analytics, "Analytics")
	w.sim.AddProject(sandbox, "Sandbox")
	w.sim.AddCluster(project, "free", atlastest.FreeCluster)
	w.sim.AddCluster(project, "going", atlastest.DedicatedCluster)
	w.sim.ChangeCluster(project, "going", func(c *atlastest.ClusterState) { c.State = "DELETING" })
	w.sim.AddCluster(analytics, "events", atlastest.DedicatedCluster)
	w.sim.ChangeCluster(analytics, "events", func(c *atlastest.ClusterState) {
		c.Paused, c.Tags = true, map[string]string{"env": "prod", "team": "data"}
	})
	w.sim.AddCluster(analytics, "tmp-1", atlastest.FlexCluster)
	w.sim.AddCluster(sandbox, "toy", atlastest.FlexCluster)
	return w
}

// everything is a rule for every project.
func everything() Discovery {
	found := target(atlas.List{})
	found.Source = SourceDiscovery
	return Discovery{Target: found, BackupTypes: []atlas.BackupType{atlas.Dedicated, atlas.Flex}}
}

func (w *world) apply(setup Setup) {
	w.Helper()
	setup.Clients, setup.Concurrency, setup.DiscoveryInterval = map[string]Client{"default": w.client}, 4, 5*time.Minute
	if err := w.manager.Apply(setup); err != nil {
		w.Fatal(err)
	}
}

// polled returns what is polled, as cluster/backup type, and :config where it is not discovered.
func (w *world) polled() string {
	var polled []string
	for _, s := range w.manager.Snapshots() {
		name := s.Target.ClusterName + "/" + string(s.Target.BackupType)
		if s.Target.Source != SourceDiscovery {
			name += ":" + s.Target.Source
		}
		polled = append(polled, name)
	}
	return strings.Join(polled, " ")
}

func TestDiscoveryRules(t *testing.T) {
	pattern := regexp.MustCompile
	one := func(projectID string) Discovery {
		rule := everything()
		rule.Target.ProjectID = projectID
		return rule
	}
	with := func(rule Discovery, change func(*Discovery)) Discovery { change(&rule); return rule }
	for _, test := range []struct {
		name  string
		setup Setup
		want  string
	}{
		{
			"everything, but for free clusters and those that are being deleted", Setup{Discoveries: []Discovery{everything()}},
			"prod/dedicated team/flex events/dedicated tmp-1/flex toy/flex",
		},
		{"one project", Setup{Discoveries: []Discovery{one(analytics)}}, "events/dedicated tmp-1/flex"},
		{
			"projects by name", Setup{Discoveries: []Discovery{with(everything(), func(d *Discovery) {
				d.Projects = Pattern{Include: pattern("^(Ana|Sand)"), Exclude: pattern("box$")}
			})}},
			"events/dedicated tmp-1/flex",
		},
		{
			"clusters by name", Setup{Discoveries: []Discovery{with(everything(), func(d *Discovery) {
				d.Clusters = Pattern{Include: pattern("t"), Exclude: pattern("^tmp-")}
			})}},
			"team/flex events/dedicated toy/flex",
		},
		{
			"clusters by tags", Setup{Discoveries: []Discovery{with(everything(), func(d *Discovery) {
				d.Tags = map[string]string{"env": "prod", "team": "data"}
			})}},
			"events/dedicated",
		},
		{"another value of a tag", Setup{Discoveries: []Discovery{with(everything(), func(d *Discovery) {
			d.Tags = map[string]string{"env": "test"}
		})}}, ""},
		{
			"backup types by kind of cluster", Setup{Discoveries: []Discovery{with(everything(), func(d *Discovery) {
				d.BackupTypes = []atlas.BackupType{atlas.Dedicated, atlas.Collection}
			})}},
			"prod/dedicated prod/collection events/dedicated events/collection",
		},
		{
			"what is named comes first, and once", Setup{Targets: []Target{target(prod)}, Discoveries: []Discovery{everything()}},
			"prod/dedicated:config team/flex events/dedicated tmp-1/flex toy/flex",
		},
		{
			"a rule for one project decides there", Setup{Discoveries: []Discovery{everything(), with(one(analytics), func(d *Discovery) {
				d.Clusters.Exclude = pattern("tmp")
			})}},
			"events/dedicated prod/dedicated team/flex toy/flex",
		},
		{
			"the first rule that finds a target decides", Setup{Discoveries: []Discovery{
				with(everything(), func(d *Discovery) { d.Clusters.Include = pattern("toy"); d.Target.Source = "first" }), everything(),
			}},
			"toy/flex:first prod/dedicated team/flex events/dedicated tmp-1/flex",
		},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := newOrganization(t)
			w.apply(test.setup)
			w.manager.Discover(t.Context())
			got := strings.Fields(w.polled())
			want := strings.Fields(test.want)
			if slices.Sort(got[min(len(test.setup.Targets), len(got)):]); strings.HasPrefix(test.want, "toy/flex:first") {
				slices.Sort(want)
			} else {
				slices.Sort(want[min(len(test.setup.Targets), len(want)):])
			}
			if !slices.Equal(got, want) {
				t.Errorf("polled: %v\nwant:   %v", got, want)
			}
		})
	}
}

// TestDiscoveryFollows has clusters and projects come and go while a manager runs.
func TestDiscoveryFollows(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newOrganization(t)
		w.sim.AddJobs(prod, atlastest.Job{Created: time.Now().Add(-time.Hour), Takes: time.Minute})
		w.apply(Setup{Discoveries: []Discovery{everything()}})
		if w.manager.Ready() {
			t.Error("ready before anything was searched")
		}
		defer w.run()()
		if !w.manager.Ready() {
			t.Error("not ready though everything was searched and polled")
		}
		if got := w.polled(); got != "prod/dedicated team/flex events/dedicated tmp-1/flex toy/flex" {
			t.Errorf("at the start: %s", got)
		}
		before := w.manager.Snapshots()[0]
		w.sim.AddCluster(analytics, "new", atlastest.DedicatedCluster)
		w.sim.RemoveCluster(analytics, "tmp-1")
		w.sim.RemoveProject(sandbox)
		time.Sleep(5*time.Minute + time.Second)
		if got := w.polled(); got != "prod/dedicated team/flex events/dedicated new/dedicated" {
			t.Errorf("after a change: %s", got)
		}
		if after := w.manager.Snapshots()[0]; after.Summary != before.Summary {
			t.Error("a target that stayed was read anew")
		}
		if exposed := w.expose(); strings.Contains(exposed, "tmp-1") || strings.Contains(exposed, sandbox) ||
			!strings.Contains(exposed, `cluster_name="new",credential="default",project_id="`+analytics+`",project_name="Analytics",source="discovery"`) {
			t.Errorf("exposed:\n%s", exposed)
		}
		if n := testutil.CollectAndCount(w.metrics.searchOK); n != 3 { // the projects, and two of them
			t.Errorf("%d series of discovery_success", n)
		}
		itself := func(r atlastest.Request) bool { return strings.HasSuffix(r.Path, "/groups/"+analytics) }
		if w.manager.ProjectName(analytics) != "Analytics" || len(w.sim.Requests(itself)) > 0 {
			t.Error("a project was asked for its name, which the list has told")
		}
	})
}

// TestDiscoveryFails keeps what was found, tries again soon where it failed, and says so.
func TestDiscoveryFails(t *testing.T) {
	series := func(w *world, credential, projectID string) float64 {
		return testutil.ToFloat64(w.metrics.searchOK.WithLabelValues(credential, projectID))
	}
	bubble(t, "a project", func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Setup{Discoveries: []Discovery{everything()}})
		defer w.run()()
		remove := w.sim.Script(atlastest.PathHas(analytics+"/flexClusters"), 0, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."))
		w.sim.RemoveCluster(analytics, "events")
		w.sim.RemoveCluster(sandbox, "toy")
		time.Sleep(5*time.Minute + time.Second)
		if got := w.polled(); got != "prod/dedicated team/flex events/dedicated tmp-1/flex" {
			t.Errorf("while it fails: %s", got)
		}
		if series(w, "default", analytics) != 0 || series(w, "default", sandbox) != 1 || series(w, "default", "") != 1 {
			t.Error("discovery_success does not say which search failed")
		}
		searches := w.manager.Searches()
		if len(searches) != 4 || searches[2].Reason != ReasonForbidden || searches[2].LastSuccess.IsZero() || searches[2].Found != 2 {
			t.Errorf("searches %+v", searches)
		}
		w.sim.ForgetRequests()
		remove()
		time.Sleep(2 * firstSearchRetry)
		if got := w.polled(); got != "prod/dedicated team/flex tmp-1/flex" || series(w, "default", analytics) != 1 {
			t.Errorf("after it ended: %s", got)
		}
		if n := len(w.sim.Requests(func(r atlastest.Request) bool {
			return strings.Contains(r.Path, sandbox) && strings.HasSuffix(r.Path, "usters")
		})); n != 0 {
			t.Errorf("%d requests where nothing had failed", n)
		}
		if n := strings.Count(w.log.String(), "discovery failed"); n != 1 {
			t.Errorf("%d failures logged:\n%s", n, w.log.String())
		}
	})
	bubble(t, "the list of projects, from the start", func(t *testing.T) {
		w := newOrganization(t)
		remove := w.sim.Script(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/groups") }, 0, atlastest.Status(500))
		w.apply(Setup{Discoveries: []Discovery{everything()}})
		defer w.run()()
		if w.manager.Ready() || w.polled() != "" || series(w, "default", "") != 0 {
			t.Errorf("polled %s, success %v, ready %v", w.polled(), series(w, "default", ""), w.manager.Ready())
		}
		remove()
		time.Sleep(firstSearchRetry + time.Second)
		if !w.manager.Ready() {
			t.Error("not ready though everything was found and polled")
		}
		if got := w.polled(); got != "prod/dedicated team/flex events/dedicated tmp-1/flex toy/flex" {
			t.Errorf("after it ended: %s", got)
		}
	})
	bubble(t, "by a defect", func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Setup{Discoveries: []Discovery{everything()}})
		w.manager.Discover(t.Context())
		w.client = broken{w.client}
		w.apply(Setup{Discoveries: []Discovery{everything()}})
		w.manager.Discover(t.Context())
		if got := w.polled(); got != "prod/dedicated team/flex events/dedicated tmp-1/flex toy/flex" || series(w, "default", analytics) != 0 || series(w, "default", project) != 1 {
			t.Errorf("polled %s", got)
		}
		if log := w.log.String(); !strings.Contains(log, "panic in a search") || strings.Contains(log, "NEVER-SHOW") {
			t.Errorf("log: %s", log)
		}
	})
	bubble(t, "where there is no Flex", func(t *testing.T) {
		w := newOrganization(t)
		w.sim.Script(atlastest.PathHas("/flexClusters"), 0, atlastest.APIError(403, "FEATURE_UNSUPPORTED", "No Flex here."))
		w.apply(Setup{Discoveries: []Discovery{everything()}})
		w.manager.Discover(t.Context())
		if got := w.polled(); got != "prod/dedicated events/dedicated" || series(w, "default", project) != 1 {
			t.Errorf("polled %s", got)
		}
	})
}

// broken is a client that panics for one project.
type broken struct{ Client }

func (b broken) Clusters(ctx context.Context, projectID string, kind atlas.ClusterKind) ([]atlas.Cluster, error) {
	if projectID == analytics {
		panic("NEVER-SHOW-THIS")
	}
	return b.Client.Clusters(ctx, projectID, kind)
}

// TestSlowSearch has the search of a project hang: what was found elsewhere is polled meanwhile, and another setup does
// not wait for it.
func TestSlowSearch(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newOrganization(t)
		w.sim.Script(atlastest.PathHas(analytics+"/clusters"), 0, atlastest.Hang())
		w.apply(Setup{Discoveries: []Discovery{everything()}})
		defer w.run()()
		time.Sleep(2 * time.Second)
		if got := w.polled(); got != "prod/dedicated team/flex toy/flex" {
			t.Errorf("while a search hangs: %s", got)
		}
		rule := everything()
		rule.Target.ProjectID = sandbox
		w.apply(Setup{Discoveries: []Discovery{rule}})
		time.Sleep(2 * time.Second)
		if searches := w.manager.Searches(); w.polled() != "toy/flex" || len(searches) != 1 || searches[0].ProjectID != sandbox {
			t.Errorf("with another setup: %s, %+v", w.polled(), searches)
		}
	})
}

// TestDiscoveryApply changes the rules of a manager that runs.
func TestDiscoveryApply(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Setup{Discoveries: []Discovery{everything()}})
		defer w.run()()
		before := w.manager.Snapshots()[0]
		w.asked()
		rule := everything()
		rule.Clusters.Exclude = regexp.MustCompile("^t")
		w.apply(Setup{Discoveries: []Discovery{rule}})
		if got := w.polled(); got != "prod/dedicated events/dedicated" {
			t.Errorf("at once: %s", got)
		}
		synctest.Wait()
		if got := w.polled(); got != "prod/dedicated events/dedicated" || w.manager.Snapshots()[0] != before {
			t.Errorf("after the search: %s", got)
		}
		if asked := w.asked(); asked != "0 lists, 0 jobs" {
			t.Errorf("what stays was polled because of it: %s", asked)
		}
		w.apply(Setup{Targets: []Target{target(prod)}})
		synctest.Wait()
		if n := testutil.CollectAndCount(w.metrics.searchOK); n != 0 || w.polled() != "prod/dedicated:config" || len(w.manager.Searches()) > 0 {
			t.Errorf("%d series of discovery_success without any, %s", n, w.polled())
		}
	})
}

// TestCredentialsApart revokes one of two credentials: what the other one sees stays fresh.
func TestCredentialsApart(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newOrganization(t)
		w.sim.AddServiceAccount("other", "secret", analytics)
		other, err := atlas.NewClient(atlas.Options{
			BaseURL: "http://atlas.test", DialContext: w.pipe.DialContext, Concurrency: 4, Observer: w.metrics,
			Credential: atlas.Credential{Name: "other", ServiceAccount: &atlas.ServiceAccount{ClientID: "other", ClientSecret: "secret"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		named, rule := everything(), everything()
		named.Target.ProjectID, rule.Target.Credential = project, "other"
		err = w.manager.Apply(Setup{
			Discoveries: []Discovery{named, rule}, DiscoveryInterval: time.Minute, Concurrency: 4,
			Clients: map[string]Client{"default": w.client, "other": other},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer w.run()()
		w.sim.AddServiceAccount("other", "renewed", analytics)
		w.sim.RevokeTokens()
		time.Sleep(10 * time.Minute)
		for _, s := range w.manager.Snapshots() {
			if fresh, want := time.Since(s.LastSuccess) < 2*time.Minute, s.Target.Credential == "default"; fresh != want {
				t.Errorf("%s of credential %s: fresh %v, want %v: %v", s.Target.ClusterName, s.Target.Credential, fresh, want, s.Err)
			}
		}
		if got := w.polled(); got != "prod/dedicated team/flex events/dedicated tmp-1/flex" {
			t.Errorf("polled %s", got)
		}
		for credential, want := range map[string]float64{"default": 1, "other": 0} {
			if got := testutil.ToFloat64(w.metrics.credential.WithLabelValues(credential)); got != want {
				t.Errorf("credential_success of %s is %v", credential, got)
			}
		}
	})
}

// TestShards divides a fleet: every cluster belongs to one shard, with all its lists, and the shards are about equal.
func TestShards(t *testing.T) {
	const clusters, count = 2000, 7
	sizes := make([]int, count)
	for i := range clusters {
		list := atlas.List{ProjectID: fmt.Sprintf("%024x", i/10), ClusterName: fmt.Sprintf("cluster-%d", i%10), BackupType: atlas.Dedicated}
		other := list
		other.BackupType = atlas.Collection
		owners := 0
		for index := range count {
			shard := Shard{index, count}
			if shard.has(list) {
				owners++
				sizes[index]++
			}
			if shard.has(list) != shard.has(other) {
				t.Fatalf("lists of one cluster are apart: %v", list)
			}
		}
		if owners != 1 || !(Shard{}).has(list) || !(Shard{0, 1}).has(list) {
			t.Fatalf("%v belongs to %d shards", list, owners)
		}
	}
	if slices.Min(sizes) < clusters/count*8/10 || slices.Max(sizes) > clusters/count*12/10 {
		t.Errorf("sizes of the shards: %v", sizes)
	}
	// What belongs where must not change from one version to the next.
	if !(Shard{1, 3}).has(prod) {
		t.Error("prod is in another shard than it was")
	}
	bubble(t, "of what is named and what is found", func(t *testing.T) {
		w := newOrganization(t)
		var polled []string
		for index := range 2 {
			w.apply(Setup{Targets: []Target{target(prod)}, Discoveries: []Discovery{everything()}, Shard: Shard{index, 2}})
			w.manager.Discover(t.Context())
			polled = append(polled, strings.Fields(w.polled())...)
		}
		slices.Sort(polled)
		if got := strings.Join(polled, " "); got != "events/dedicated prod/dedicated:config team/flex tmp-1/flex toy/flex" {
			t.Errorf("both shards together: %s", got)
		}
	})
}

// TestPollingPace counts polls: more of a target with a restore that runs, fewer of one that fails.
func TestPollingPace(t *testing.T) {
	const span = 20 * time.Minute
	idle := atlastest.Job{Takes: time.Minute}
	for name, test := range map[string]struct {
		job         atlastest.Job
		answer      http.Handler
		least, most int
	}{
		"idle":     {idle, nil, 20, 20},
		"active":   {atlastest.Job{Takes: 30 * time.Hour}, nil, 80, 80},
		"failing":  {idle, atlastest.Status(500), 6, 7}, // after 1, 1, 2, 4, 5, 5 minutes
		"refused":  {idle, atlastest.APIError(401, "", "No."), 6, 7},
		"for good": {idle, atlastest.APIError(410, "VERSION_GONE", "Gone."), 0, 0},
	} {
		bubble(t, name, func(t *testing.T) {
			w := newWorld(t)
			polled := target(prod)
			polled.ActiveInterval = 15 * time.Second
			w.apply(Setup{Targets: []Target{polled}})
			test.job.Created = time.Now().Add(-time.Hour)
			w.sim.AddJobs(prod, test.job)
			if test.answer != nil {
				w.sim.Script(atlastest.PathHas("restoreJobs"), 0, test.answer)
			}
			defer w.run()()
			w.sim.ForgetRequests()
			time.Sleep(span + time.Second)
			if n := len(w.sim.Requests(func(r atlastest.Request) bool { return strings.Contains(r.Path, "restoreJobs") })); n < test.least || n > test.most {
				t.Errorf("%d polls in %v, want %d to %d", n, span, test.least, test.most)
			}
		})
	}
}
