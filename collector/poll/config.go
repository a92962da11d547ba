package poll

import (
	"errors"
	"fmt"
	"time"

	"atlas-restore-exporter/atlas"
)

// Config is the configuration of a Manager. A Manager does not modify it, and neither must its creator after
// NewManager or Apply.
type Config struct {
	Targets           []Target      // polled regardless of discovery; no list twice
	Discoveries       []Rule        // rules that find more targets
	DiscoveryInterval time.Duration // between two discoveries; if zero, 5 minutes
	TagLabels         TagLabels
	Shard             Shard             // the part of all targets to poll
	Clients           map[string]Client // by name of the credential
	Concurrency       int               // maximum number of concurrent polls; if zero, it follows the targets
}

// defaultDiscoveryInterval is the discovery interval if none is set.
const defaultDiscoveryInterval = 5 * time.Minute

// check returns an error if a target is listed twice, a target or rule has no client, or the interval is negative.
func (c *Config) check() error {
	seen := map[atlas.List]bool{}
	for _, target := range c.Targets {
		if c.Clients[target.Credential] == nil {
			return fmt.Errorf("target %v: no client for credential %q", target.List, target.Credential)
		}
		if seen[target.List] {
			return fmt.Errorf("target %v: duplicate", target.List)
		}
		seen[target.List] = true
	}
	for i, rule := range c.Discoveries {
		if c.Clients[rule.Target.Credential] == nil {
			return fmt.Errorf("discovery %d: no client for credential %q", i, rule.Target.Credential)
		}
	}
	if c.DiscoveryInterval < 0 {
		return errors.New("discovery interval must not be negative")
	}
	return nil
}
