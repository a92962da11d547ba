package config

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/atlas"
)

// These types mirror the file. A setting that is absent is nil or empty.
type (
	rawConfig struct {
		Name         *string                  `yaml:"name"`
		Atlas        rawAtlas                 `yaml:"atlas"`
		Credentials  map[string]rawCredential `yaml:"credentials"`
		Polling      rawPolling               `yaml:"polling"`
		Discovery    rawDiscovery             `yaml:"discovery"`
		History      rawHistory               `yaml:"history"`
		JobSeries    rawJobSeries             `yaml:"job_series"`
		rawInherited `yaml:",inline"`
		TagLabels    rawTagLabels `yaml:"tag_labels"`
		Projects     []rawProject `yaml:"projects"`
	}
	rawAtlas struct {
		BaseURL *string `yaml:"base_url"`
		CAFile  string  `yaml:"ca_file"`
	}
	rawCredential struct {
		ServiceAccount *rawServiceAccount `yaml:"service_account"`
		APIKey         *rawAPIKey         `yaml:"api_key"`
		Expires        *expiry            `yaml:"expires"`
	}
	rawServiceAccount struct {
		ClientID         string       `yaml:"client_id"`
		ClientSecret     atlas.Secret `yaml:"client_secret"`
		ClientSecretFile string       `yaml:"client_secret_file"`
	}
	rawAPIKey struct {
		PublicKey      string       `yaml:"public_key"`
		PrivateKey     atlas.Secret `yaml:"private_key"`
		PrivateKeyFile string       `yaml:"private_key_file"`
	}
	rawPolling struct {
		Interval         *duration    `yaml:"interval"`
		ActiveInterval   *duration    `yaml:"active_interval"`
		Timeout          *duration    `yaml:"timeout"`
		Concurrency      *concurrency `yaml:"concurrency"`
		Reserve          *float64     `yaml:"reserve"`
		FullPollInterval *duration    `yaml:"full_poll_interval"`
		StaleAfter       *duration    `yaml:"stale_after"`
	}
	rawDiscovery struct {
		Interval *duration `yaml:"interval"`
	}
	rawHistory struct {
		MaxAge  *duration `yaml:"max_age"`
		MaxJobs *int      `yaml:"max_jobs"`
	}
	rawJobSeries struct {
		MaxAge       *duration `yaml:"max_age"`
		MaxPerTarget *int      `yaml:"max_per_target"`
	}
	// rawInherited contains the settings that can be set at the top level, for a project, and for a cluster.
	rawInherited struct {
		Objectives     rawObjectives       `yaml:"objectives"`
		AllowedTargets *[]rawRestoreTarget `yaml:"allowed_targets"`
		DrillTargets   *[]rawRestoreTarget `yaml:"drill_targets"`
		Labels         rawLabels           `yaml:"labels"`
	}
	rawObjectives struct {
		Duration         *duration `yaml:"duration"`
		DrillAge         *duration `yaml:"drill_age"`
		RecoveryPointAge *duration `yaml:"recovery_point_age"`
		ExpiryNotice     *duration `yaml:"expiry_notice"`
	}
	rawLabels struct {
		Team        *string `yaml:"team"`
		Environment *string `yaml:"environment"`
	}
	rawTagLabels struct {
		Team        *string `yaml:"team"`
		Environment *string `yaml:"environment"`
	}
	rawRestoreTarget struct {
		ProjectID    string   `yaml:"project_id"`
		ClusterNames []string `yaml:"cluster_names"`
	}
	rawProject struct {
		ID           string    `yaml:"id"`
		NameInclude  *string   `yaml:"name_include"`
		NameExclude  *string   `yaml:"name_exclude"`
		Credential   string    `yaml:"credential"`
		Interval     *duration `yaml:"interval"`
		rawInherited `yaml:",inline"`
		Clusters     []rawCluster `yaml:"clusters"`
		Discovery    *rawRule     `yaml:"discovery"`
	}
	rawRule struct {
		Include     *string           `yaml:"include"`
		Exclude     *string           `yaml:"exclude"`
		Tags        map[string]string `yaml:"tags"`
		BackupTypes []string          `yaml:"backup_types"`
	}
	rawCluster struct {
		Name         string    `yaml:"name"`
		BackupTypes  []string  `yaml:"backup_types"`
		Interval     *duration `yaml:"interval"`
		rawInherited `yaml:",inline"`
	}
)

// resolveFiles makes the paths of files relative to a directory, and returns them.
func (r *rawConfig) resolveFiles(dir string) []string {
	var paths []string
	resolve := func(path *string) {
		if *path == "" {
			return
		}
		if !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
		paths = append(paths, *path)
	}
	resolve(&r.Atlas.CAFile)
	for _, name := range slices.Sorted(maps.Keys(r.Credentials)) {
		if account := r.Credentials[name].ServiceAccount; account != nil {
			resolve(&account.ClientSecretFile)
		}
		if key := r.Credentials[name].APIKey; key != nil {
			resolve(&key.PrivateKeyFile)
		}
	}
	return paths
}

// The errors of durations and dates, without the value, which may be a secret.
const (
	notADuration = "is not a duration"
	notADate     = "is not a date; set a date such as 2027-03-01 or a time such as 2027-03-01T12:00:00Z"
)

// duration has the format of durations in Prometheus: 30s, 5m, 400d.
type duration time.Duration

const (
	second = duration(time.Second)
	day    = duration(24 * time.Hour)
)

// UnmarshalYAML parses a duration.
func (d *duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := model.ParseDuration(node.Value)
	if err != nil {
		return errors.New(notADuration)
	}
	*d = duration(parsed)
	return nil
}

func (d duration) String() string { return model.Duration(d).String() }

// concurrency is the text of a number of concurrent polls, or autoConcurrency.
type concurrency string

// autoConcurrency means that the number of concurrent polls follows the number of targets.
const autoConcurrency = "auto"

// UnmarshalYAML accepts a number or a text.
func (c *concurrency) UnmarshalYAML(node *yaml.Node) error {
	*c = concurrency(node.Value)
	return nil
}

// expiry is a point in time: a date, which means the last second of that day in UTC, or an RFC 3339 time.
type expiry time.Time

// UnmarshalYAML parses an expiry.
func (e *expiry) UnmarshalYAML(node *yaml.Node) error {
	if date, err := time.Parse(time.DateOnly, node.Value); err == nil {
		*e = expiry(date.AddDate(0, 0, 1).Add(-time.Second))
		return nil
	}
	parsed, err := time.Parse(time.RFC3339, node.Value)
	if err != nil {
		return errors.New(notADate)
	}
	*e = expiry(parsed.UTC())
	return nil
}
