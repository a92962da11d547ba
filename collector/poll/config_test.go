package poll

import (
	"log/slog"
	"testing"

	"atlas-restore-exporter/atlas"
)

func TestNewManager_RejectsInvalidConfigurations(t *testing.T) {
	clients := map[string]Client{"default": &atlas.Client{}}
	for name, config := range map[string]Config{
		"target without client": {Targets: []Target{target(prod)}},
		"duplicate target":      {Targets: []Target{target(prod), target(prod)}, Clients: clients},
		"rule without client":   {Discoveries: []Rule{ruleFor("")}, DiscoveryInterval: 1},
		"negative interval":     {Discoveries: []Rule{ruleFor("")}, Clients: clients, DiscoveryInterval: -1},
	} {
		if _, err := NewManager(config, newEventCounts(), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
