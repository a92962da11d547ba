package config

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// Shard is the part of all targets that this exporter polls. The zero Shard contains every target.
type Shard = poll.Shard

// Config is a valid configuration with all defaults applied. It must not be modified while it is in use.
type Config struct {
	Name        string         // of the exporter, shared by replicas and shards
	BaseURL     string         // of the Atlas API, without a path
	RootCAs     *x509.CertPool // trusted certificate authorities; if nil, those of the system
	CAs         string         // PEM text of RootCAs
	Credentials []atlas.Credential
	Concurrency int     // maximum number of concurrent polls; zero if it follows the number of targets
	Reserve     float64 // share of the rate limits that is left to other clients of the Atlas API

	Targets           []poll.Target // listed in the file
	Discoveries       []poll.Rule   // rules that find more targets
	DiscoveryInterval time.Duration
	TagLabels         poll.TagLabels
	CredentialExpiry  map[string]time.Time // configured expiry times, by name of the credential
	Shard             Shard                // set by the caller, because it is a flag

	Files    []string // files with secrets and certificate authorities that the configuration refers to
	Warnings []string // valid settings that the user should reconsider

	path     string
	text     []byte
	contents map[string]FileContent // of Files
}

// Reread returns the same configuration with the current content of the files that it refers to. It doesn't read the
// configuration file, which may contain unfinished changes. A file whose new content is unreadable or invalid keeps its
// last valid content and contributes to the error; it doesn't affect the other files.
func (c *Config) Reread() (*Config, error) {
	contents := ReadFiles(c.Files)
	config, err := parse(c.path, c.text, contents)
	if err != nil {
		config = c
		for _, file := range slices.Compact(slices.Sorted(slices.Values(c.Files))) {
			candidate := maps.Clone(config.contents)
			candidate[file] = contents[file]
			if changed, err := parse(c.path, c.text, candidate); err == nil {
				config = changed
			}
		}
	}
	config.Shard = c.Shard
	return config, err
}

// Load reads and checks a configuration file and the files that it refers to. If settings are invalid, the error has
// one line for each of them.
func Load(path string) (*Config, error) {
	text, err := ReadFile(path, MaxFileSize)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %s; set its path with --config.file", unreadable(path, err))
	}
	config, err := Parse(path, text)
	if err != nil {
		return nil, err
	}
	config.warnIfSecretsReadable(path, string(text))
	return config, nil
}

// Parse checks the text of a configuration file like Load. The path is only used in errors.
func Parse(path string, text []byte) (*Config, error) { return parse(path, text, nil) }

// parse is Parse with the contents of the files that the configuration refers to. If they are nil, it reads the files.
func parse(path string, text []byte, contents map[string]FileContent) (*Config, error) {
	b := builder{config: Config{path: path, text: text, contents: contents}}
	b.document = decode(path, text, &b.raw)
	if err := b.err(); err != nil {
		return nil, err
	}
	b.build()
	b.invalid.Files = b.config.Files
	if err := b.err(); err != nil {
		return nil, err
	}
	return &b.config, nil
}

// Poll returns the configuration of a poll.Manager that uses the given clients, which are keyed by the names of their
// credentials.
func (c *Config) Poll(clients map[string]poll.Client) poll.Config {
	return poll.Config{
		Targets: c.Targets, Discoveries: c.Discoveries, DiscoveryInterval: c.DiscoveryInterval,
		TagLabels: c.TagLabels, Shard: c.Shard, Clients: clients, Concurrency: c.Concurrency,
	}
}
