package poll

import (
	"fmt"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

func TestSlots_FollowTheTargetsWithinTheRateLimits(t *testing.T) {
	for _, test := range []struct {
		targets, perProject int
		interval            time.Duration
		concurrency, want   int
	}{
		{0, 1, time.Minute, 0, MinSlots},
		{100, 10, time.Minute, 0, MinSlots},
		{1210, 10, time.Minute, 0, 41},
		{1210, 10, 30 * time.Second, 0, 81},
		{1200, 10, time.Hour, 0, MinSlots},
		{1200, 1200, time.Minute, 0, 17}, // one project: 500 requests per minute
		{3000, 1000, time.Minute, 0, 50},
		{100_000, 10, time.Minute, 0, MaxSlots},
		{1200, 10, time.Minute, 7, 7},
	} {
		config := Config{Concurrency: test.concurrency}
		settings := &Target{Interval: test.interval}
		var planned []plannedTarget
		for i := range test.targets {
			project := fmt.Sprintf("%024x", i/test.perProject)
			planned = append(planned, plannedTarget{
				list: atlas.List{ProjectID: project, ClusterName: fmt.Sprint(i), BackupType: atlas.Dedicated}, settings: settings,
			})
		}
		if got := config.slots(planned); got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
}

// TestRun_UsesMoreSlotsWhenDiscoveryFindsMoreTargets discovers an organization whose size exceeds the fewest slots.
func TestRun_UsesMoreSlotsWhenDiscoveryFindsMoreTargets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		addOrganization(w, 600)
		config := Config{
			Discoveries: []Rule{ruleFor("")}, Clients: map[string]Client{"default": w.client}, DiscoveryInterval: time.Minute,
		}
		if err := w.manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		expectSlots(t, w.manager, MinSlots, 0)
		defer w.run()()
		time.Sleep(90 * time.Second)
		targets := len(w.manager.Snapshots())
		if total, _ := w.manager.Slots(); targets < 600 || total != 21 {
			t.Errorf("%d slots for %d targets", total, targets)
		}
	})
}
