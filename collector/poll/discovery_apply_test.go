package poll

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestApply_CancelsDiscoveryThatHangs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.sim.Script(atlastest.PathHas(analytics+"/clusters"), 0, atlastest.Hang())
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		time.Sleep(2 * time.Second)
		w.apply(Config{Discoveries: []Rule{ruleFor(sandbox)}})
		time.Sleep(2 * time.Second)
		w.expectTargets("toy/flex")
		w.expectDiscoveries(1)
		w.status(sandbox)
	})
}

// slowClient takes 3 s to list clusters, unless the context ends.
type slowClient struct{ Client }

func (c *slowClient) Clusters(
	ctx context.Context, projectID string, kind atlas.ClusterKind,
) (atlas.ClusterList, error) {
	if !sleep(ctx, 3*time.Second) {
		return atlas.ClusterList{}, ctx.Err()
	}
	return c.Client.Clusters(ctx, projectID, kind)
}

// applyEvery2Seconds applies configurations with one rule for a minute while a list of clusters takes 3 s.
func applyEvery2Seconds(w *world, change func(i int, rule *Rule)) {
	w.client = &slowClient{w.client}
	for i := range 30 {
		w.apply(Config{
			Targets: []Target{target(prod)}, Discoveries: []Rule{ruleFor("", func(r *Rule) { change(i, r) })},
		})
		time.Sleep(2 * time.Second)
	}
}

func TestApply_DoesNotRestartDiscoveryThatIsTheSame(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		defer w.run()()
		applyEvery2Seconds(w, func(i int, r *Rule) {
			r.Projects.Exclude = regexp.MustCompile("^Sand")
			r.Target.Interval = time.Duration(i+1) * time.Minute // unrelated
		})
		w.expectTargets("prod/dedicated:config team/flex events/dedicated tmp-1/flex")
		if n := len(w.sim.Requests(func(r atlastest.Request) bool { return strings.HasSuffix(r.Path, "/groups") })); n != 1 {
			t.Errorf("the list of projects is requested %d times, want once", n)
		}
	})
}

func TestSameDiscovery_IsFalseIfAnyRequestDiffers(t *testing.T) {
	for name, change := range map[string]func(*Config, *world){
		"rules":            func(c *Config, _ *world) { c.Discoveries = append(c.Discoveries, ruleFor(sandbox)) },
		"projects by name": func(c *Config, _ *world) { c.Discoveries[0].Projects.Include = regexp.MustCompile("x") },
		"backup types":     func(c *Config, _ *world) { c.Discoveries[0].BackupTypes = []atlas.BackupType{atlas.Flex} },
		"interval":         func(c *Config, _ *world) { c.DiscoveryInterval = time.Hour },
		"client": func(c *Config, w *world) {
			c.Clients = map[string]Client{"default": w.newClient("default", "id", "secret")}
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newOrganization(t)
			config := func() Config {
				return Config{
					Discoveries: []Rule{ruleFor("")}, DiscoveryInterval: time.Minute, Concurrency: 4,
					Clients: map[string]Client{"default": w.client},
				}
			}
			before, after := config(), config()
			if !sameDiscovery(&before, &after) {
				t.Error("equal configurations differ")
			}
			change(&after, w)
			if sameDiscovery(&before, &after) {
				t.Error("different configurations are the same")
			}
		})
	}
}

func TestApply_KeepsFoundTargets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		before := w.manager.Snapshots()[0]
		w.requests()
		w.apply(Config{Discoveries: []Rule{ruleFor("", func(r *Rule) { r.Clusters.Exclude = regexp.MustCompile("^t") })}})
		w.expectTargets("prod/dedicated events/dedicated")
		synctest.Wait()
		w.expectTargets("prod/dedicated events/dedicated")
		if w.manager.Snapshots()[0] != before {
			t.Error("an unchanged target was touched")
		}
		w.expectRequests("0 lists, 0 jobs")
	})
}

func TestApply_DropsDiscoveriesThatNoRuleNeeds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		w.apply(Config{Targets: []Target{target(prod)}})
		synctest.Wait()
		w.expectTargets("prod/dedicated:config")
		w.expectDiscoveries(0)
		w.sim.ForgetRequests()
		time.Sleep(10 * time.Minute)
		if n := len(w.sim.Requests(func(r atlastest.Request) bool { return strings.HasSuffix(r.Path, "/groups") })); n > 0 {
			t.Errorf("%d requests for lists of projects without a rule", n)
		}
	})
}

// TestDiscovery_RecordsNothingAfterItWasCancelled has a client that returns a result although its context has ended.
func TestDiscovery_RecordsNothingAfterItWasCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		client := &stubbornClient{Client: w.client}
		err := w.manager.Apply(Config{
			Discoveries: []Rule{ruleFor(project)}, DiscoveryInterval: time.Minute, Clients: map[string]Client{"default": client},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer w.run()()
		w.apply(Config{})
		time.Sleep(time.Minute)
		w.expectTargets("")
		w.expectDiscoveries(0)
	})
}

// stubbornClient takes 10 s to list clusters, regardless of the context.
type stubbornClient struct{ Client }

func (*stubbornClient) Clusters(context.Context, string, atlas.ClusterKind) (atlas.ClusterList, error) {
	time.Sleep(10 * time.Second)
	return atlas.ClusterList{Clusters: []atlas.Cluster{{Name: "late", CanHaveRestores: true}}, Consistent: true}, nil
}
