package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/common/model"
	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
)

// Config is a valid configuration, with everything filled in.
type Config struct {
	BaseURL     string
	RootCAs     *x509.CertPool // nil for the system's
	CAs         string         // what RootCAs was made of
	Credentials []atlas.Credential
	Concurrency int
	Reserve     float64 // share of Atlas' request budgets that is left to others
	Targets     []collector.Target
	Discoveries []collector.Discovery
	// DiscoveryInterval is the time between two searches for clusters.
	DiscoveryInterval time.Duration
	// Shard is the part of all this that is polled. It comes from the command line.
	Shard collector.Shard
	// Files are the files with secrets and authorities that the configuration names.
	Files []string
	// Warnings are what is allowed, and should be known.
	Warnings []string
}

// The file as it is written. What is not there is nil or empty.
type (
	fileConfig struct {
		Atlas        fileAtlas                 `yaml:"atlas"`
		Credentials  map[string]fileCredential `yaml:"credentials"`
		Polling      filePolling               `yaml:"polling"`
		Discovery    fileSearch                `yaml:"discovery"`
		History      fileHistory               `yaml:"history"`
		JobSeries    fileJobSeries             `yaml:"job_series"`
		filePromises `yaml:",inline"`
		Projects     []fileProject `yaml:"projects"`
	}
	fileAtlas struct {
		BaseURL *string `yaml:"base_url"`
		CAFile  string  `yaml:"ca_file"`
	}
	fileCredential struct {
		ServiceAccount *fileServiceAccount `yaml:"service_account"`
		APIKey         *fileAPIKey         `yaml:"api_key"`
	}
	fileServiceAccount struct {
		ClientID         string       `yaml:"client_id"`
		ClientSecret     atlas.Secret `yaml:"client_secret"`
		ClientSecretFile string       `yaml:"client_secret_file"`
	}
	fileAPIKey struct {
		PublicKey      string       `yaml:"public_key"`
		PrivateKey     atlas.Secret `yaml:"private_key"`
		PrivateKeyFile string       `yaml:"private_key_file"`
	}
	filePolling struct {
		Interval          *duration `yaml:"interval"`
		ActiveInterval    *duration `yaml:"active_interval"`
		Timeout           *duration `yaml:"timeout"`
		Concurrency       *int      `yaml:"concurrency"`
		Reserve           *float64  `yaml:"reserve"`
		FullSweepInterval *duration `yaml:"full_sweep_interval"`
		StaleAfter        *duration `yaml:"stale_after"`
	}
	fileSearch struct {
		Interval *duration `yaml:"interval"`
	}
	fileHistory struct {
		MaxAge  *duration `yaml:"max_age"`
		MaxJobs *int      `yaml:"max_jobs"`
	}
	fileJobSeries struct {
		MaxAge       *duration `yaml:"max_age"`
		MaxPerTarget *int      `yaml:"max_per_target"`
	}
	// What can be promised for everything, a project or a cluster; the closest counts.
	filePromises struct {
		Objectives     fileObjectives       `yaml:"objectives"`
		AllowedTargets *[]fileAllowedTarget `yaml:"allowed_targets"`
	}
	fileObjectives struct {
		Duration *duration `yaml:"duration"`
		DrillAge *duration `yaml:"drill_age"`
	}
	fileAllowedTarget struct {
		ProjectID    string   `yaml:"project_id"`
		ClusterNames []string `yaml:"cluster_names"`
	}
	fileProject struct {
		ID           string    `yaml:"id"`
		NameInclude  *string   `yaml:"name_include"`
		NameExclude  *string   `yaml:"name_exclude"`
		Credential   string    `yaml:"credential"`
		Interval     *duration `yaml:"interval"`
		filePromises `yaml:",inline"`
		Clusters     []fileCluster  `yaml:"clusters"`
		Discovery    *fileDiscovery `yaml:"discovery"`
	}
	fileDiscovery struct {
		Include     *string           `yaml:"include"`
		Exclude     *string           `yaml:"exclude"`
		Tags        map[string]string `yaml:"tags"`
		BackupTypes []string          `yaml:"backup_types"`
	}
	fileCluster struct {
		Name         string    `yaml:"name"`
		BackupTypes  []string  `yaml:"backup_types"`
		Interval     *duration `yaml:"interval"`
		filePromises `yaml:",inline"`
	}
)

// duration is written as Prometheus writes it: 30s, 5m, 400d.
type duration time.Duration

// UnmarshalYAML reads a duration.
func (d *duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := model.ParseDuration(node.Value)
	if err != nil {
		return errors.New("want a duration like 30s, 5m, 24h or 400d")
	}
	*d = duration(parsed)
	return nil
}

func (d duration) String() string { return model.Duration(d).String() }

const (
	day = duration(24 * time.Hour)

	defaultBaseURL = "https://cloud.mongodb.com"
	maxConfigSize  = 4 << 20
	maxSecretSize  = 64 << 10
)

// LoadConfig reads and checks a configuration file, and the secrets that it names. Its error has a line for each
// problem.
func LoadConfig(path string) (*Config, error) {
	text, err := readFile(path, maxConfigSize)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w; name another with --config.file", err)
	}
	config, err := parseConfig(path, text)
	if err == nil {
		config.warnOfLiterals(path, string(text))
	}
	return config, err
}

// readFile reads a file of a bounded size.
func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is larger than %d KiB", path, limit>>10)
	}
	return text, err
}

func parseConfig(path string, text []byte) (*Config, error) {
	var file fileConfig
	doc := decode(path, text, &file)
	if err := doc.err(); err != nil {
		return nil, err
	}
	b := configBuilder{document: doc, file: file}
	config := b.build()
	if err := doc.err(); err != nil {
		return nil, err
	}
	return config, nil
}
