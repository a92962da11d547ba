package poll

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// exist returns whether each cluster exists, as far as that is known.
func (w *world) exist() string {
	var texts []string
	for _, s := range w.manager.States() {
		text := "?"
		if s.Cluster.Exists != nil {
			text = fmt.Sprint(*s.Cluster.Exists)
		}
		texts = append(texts, s.Target.ClusterName+" "+text)
	}
	return strings.Join(texts, ", ")
}

func TestStates_OnlyAListThatWasReadSinceAClusterIsKnownShowsThatItDoesNotExist(t *testing.T) {
	added := target(atlas.List{ProjectID: project, ClusterName: "added", BackupType: atlas.Dedicated})
	missing := target(atlas.List{ProjectID: project, ClusterName: "missing", BackupType: atlas.Dedicated})
	runInBubble(t, "reload", func(t *testing.T) {
		w := newWorld(t)
		w.apply(Config{Targets: []Target{target(prod)}})
		defer w.run()()
		time.Sleep(time.Minute)
		w.sim.AddCluster(project, "added", atlastest.DedicatedCluster)
		w.apply(Config{Targets: []Target{target(prod), added, missing}})
		time.Sleep(time.Minute)
		if got := w.exist(); got != "prod true, added ?, missing ?" {
			t.Error("before the next read:", got)
		}
		time.Sleep(5 * time.Minute)
		if got := w.exist(); got != "prod true, added true, missing false" {
			t.Error("after the next read:", got)
		}
	})
	runInBubble(t, "one list fails", func(t *testing.T) {
		w := newWorld(t)
		w.apply(Config{Discoveries: []Rule{ruleFor(project)}})
		defer w.run()()
		time.Sleep(time.Minute)
		w.sim.Script(atlastest.PathHas("/flexClusters"), 0, atlastest.Status(503))
		w.sim.AddCluster(project, "added", atlastest.DedicatedCluster)
		time.Sleep(6 * time.Minute)
		if got := w.exist(); got != "added ?, prod true, team true" {
			t.Error("while one list fails:", got)
		}
	})
}
