package collector

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/collector/poll"
)

func TestFamilies_AreThoseThatTheCollectorsDescribe(t *testing.T) {
	exporter := NewExporter(BuildInfo{})
	manager := &poll.Manager{}
	described := map[string]bool{}
	state := NewStateCollector(manager, exporter, Process{})
	for _, c := range []prometheus.Collector{NewCollector(manager), exporter, state} {
		descs := make(chan *prometheus.Desc, 100)
		c.Describe(descs)
		close(descs)
		for desc := range descs {
			described[desc.String()] = true
		}
	}
	if len(described) != len(Families()) {
		t.Errorf("%d descriptions, %d families", len(described), len(Families()))
	}
	for _, family := range Families() {
		if !described[family.desc().String()] {
			t.Errorf("%s is not described as %s", family.Name, family.desc())
		}
	}
}

func TestFamilies_AreInTheOrderOfTheirDeclaration(t *testing.T) {
	all := Families()
	if first, last := all[0].Name, all[len(all)-1].Name; first != familyClusterInfo.Name || last != familyLogDropped.Name {
		t.Errorf("the first is %s, the last is %s", first, last)
	}
}

func TestFamilies_OfTargetsHaveSeriesInAnExample(t *testing.T) {
	exposed := expose(t, []prometheus.Collector{NewCollector(everything())})
	for _, family := range familiesOf(byCollector) {
		if !strings.Contains(exposed, "\n"+family.Name+"{") {
			t.Errorf("no series of %s", family.Name)
		}
	}
}

// testutil's linter accepts names that are valid only in UTF-8 mode.
func TestFamilies_HaveNamesThatEveryPrometheusAccepts(t *testing.T) {
	for _, family := range Families() {
		for _, name := range append([]string{family.Name}, family.Labels...) {
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
				t.Errorf("%s: invalid name %q", family.Name, name)
			}
		}
	}
}
