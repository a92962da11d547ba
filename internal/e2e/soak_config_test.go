package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/testutil"
)

const analytics = "5f3a1b2c4d5e6f7a8b9c0d1e"

// Polls are 1200 times as frequent as with the default interval of a minute, and limits are reached within seconds.
const (
	soakInterval          = 50 * time.Millisecond
	soakLongInterval      = 250 * time.Millisecond // of longSoakList
	soakTimeout           = 700 * time.Millisecond
	soakFullPollInterval  = 3 * time.Second
	soakStaleAfter        = 2 * time.Second
	soakMaxAge            = 30 * time.Second
	soakMaxJobs           = 60
	soakDiscoveryInterval = 300 * time.Millisecond
	soakStuckAfter        = 15 * time.Second // time without the end of a poll

	soakListed     = 80   // maximum number of jobs of a list in Atlas
	soakLongListed = 1600 // the same of longSoakList
)

// longSoakList has several pages.
var longSoakList = atlas.List{ProjectID: analytics, ClusterName: "team-2", BackupType: atlas.Flex}

// shortSoakLists have one page each.
var shortSoakLists = []atlas.List{
	{ProjectID: payments, ClusterName: "prod-0", BackupType: atlas.Dedicated},
	{ProjectID: payments, ClusterName: "prod-0", BackupType: atlas.Collection},
	{ProjectID: payments, ClusterName: "prod-1", BackupType: atlas.Dedicated},
	{ProjectID: payments, ClusterName: "prod-2", BackupType: atlas.Dedicated},
	{ProjectID: payments, ClusterName: "team-0", BackupType: atlas.Flex},
	{ProjectID: payments, ClusterName: "old-0", BackupType: atlas.Legacy},
	{ProjectID: analytics, ClusterName: "events-0", BackupType: atlas.Dedicated},
	{ProjectID: analytics, ClusterName: "events-1", BackupType: atlas.Collection},
	{ProjectID: analytics, ClusterName: "team-1", BackupType: atlas.Flex},
}

// soakLists returns all lists that are configured.
func soakLists() []atlas.List {
	return append([]atlas.List{longSoakList}, shortSoakLists...)
}

// writeConfig writes a configuration without one of the clusters (if not empty), and sometimes with a new service
// account. The reload must not affect the other targets.
func (s *soak) writeConfig(withoutCluster string) {
	if s.accounts == 0 || rand.IntN(8) == 0 {
		s.accounts++
	}
	account := fmt.Sprintf("mdb_sa_id_%d", s.accounts)
	s.sim.AddServiceAccount(account, secret)
	clusters := map[string]string{}
	for _, list := range soakLists() {
		if list.ClusterName != withoutCluster {
			clusters[list.ProjectID] += fmt.Sprintf("      - {name: %s, backup_types: [%s]}\n",
				list.ClusterName, list.BackupType)
		}
	}
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, `
atlas: {base_url: %q}
credentials:
  account: {service_account: {client_id: %s, client_secret: %s}}
  key: {api_key: {public_key: public, private_key: %s}}
objectives: {duration: 1h, drill_age: 30d}
allowed_targets: [{project_id: %s}]
projects:
  - credential: account
    discovery: {include: ^found-}
`, s.atlasURL, account, secret, secret, payments)
	for projectID, credential := range map[string]string{payments: "account", analytics: "key"} {
		const format = "  - id: %q\n    credential: %s\n    clusters:\n%s"
		_, _ = fmt.Fprintf(&text, format, projectID, credential, clusters[projectID])
	}
	testutil.WriteFile(s.T, s.configFile, text.String())
}

// loadConfig loads the configuration with intervals and limits that are shorter than it allows.
func (s *soak) loadConfig() (*config.Config, error) {
	cfg, err := config.Load(s.configFile)
	if err != nil {
		return nil, err
	}
	for i := range cfg.Targets {
		shortenIntervals(&cfg.Targets[i])
		if cfg.Targets[i].List == longSoakList {
			cfg.Targets[i].Interval = soakLongInterval
		}
	}
	for i := range cfg.Discoveries {
		shortenIntervals(&cfg.Discoveries[i].Target)
	}
	cfg.DiscoveryInterval = soakDiscoveryInterval
	return cfg, nil
}

func shortenIntervals(target *poll.Target) {
	target.Interval, target.Timeout = soakInterval, soakTimeout
	target.FullPollInterval, target.StaleAfter = soakFullPollInterval, soakStaleAfter
	target.Policy.Limits = history.Limits{MaxAge: soakMaxAge, MaxJobs: soakMaxJobs}
	target.Policy.JobSeries = history.SeriesLimits{MaxAge: soakMaxAge, MaxPerTarget: soakMaxJobs / 3}
}
