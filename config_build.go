package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
)

// configBuilder turns what the file says into a Config, and reports what is wrong with it.
type configBuilder struct {
	*document
	file   fileConfig
	config Config
}

func (b *configBuilder) build() *Config {
	b.atlas()
	b.credentials()
	base := b.settings()
	b.projects(base)
	b.fit()
	return &b.config
}

func (b *configBuilder) atlas() {
	b.config.BaseURL = defaultBaseURL
	if b.file.Atlas.BaseURL != nil {
		b.config.BaseURL = strings.TrimSuffix(*b.file.Atlas.BaseURL, "/")
	}
	base, err := url.Parse(b.config.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") || base.Path != "" ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		b.report("atlas.base_url", "want https:// and a host, and nothing else, like %s", defaultBaseURL)
		return
	}
	if base.Scheme == "http" && !loopback(base.Hostname()) {
		b.config.Warnings = append(b.config.Warnings,
			"atlas.base_url is http: credentials and answers cross the network readable to everyone on the way")
	}
	if b.file.Atlas.CAFile == "" {
		return
	}
	pem, err := readFile(b.file.Atlas.CAFile, maxConfigSize)
	if err != nil {
		b.report("atlas.ca_file", "%v", err)
		return
	}
	b.config.Files = append(b.config.Files, b.file.Atlas.CAFile)
	b.config.CAs = string(pem)
	b.config.RootCAs = x509.NewCertPool()
	if !b.config.RootCAs.AppendCertsFromPEM(pem) {
		b.report("atlas.ca_file", "%s has no PEM certificate", b.file.Atlas.CAFile)
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// credentialName is what a credential can be called: its name becomes a label.
var credentialName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (b *configBuilder) credentials() {
	if len(b.file.Credentials) == 0 {
		b.report("credentials", "want at least one, with a service_account or an api_key")
	}
	for _, name := range slices.Sorted(maps.Keys(b.file.Credentials)) {
		path, written := "credentials."+name, b.file.Credentials[name]
		if !credentialName.MatchString(name) {
			b.report(path, "want a name of up to 64 letters, digits, - and _")
		}
		credential := atlas.Credential{Name: name}
		switch account, key := written.ServiceAccount, written.APIKey; {
		case account != nil && key != nil, account == nil && key == nil:
			b.report(path, "want either service_account or api_key")
		case account != nil:
			path += ".service_account"
			b.want(path+".client_id", account.ClientID)
			secret := b.secret(path+".client_secret", account.ClientSecret, account.ClientSecretFile)
			credential.ServiceAccount = &atlas.ServiceAccount{ClientID: account.ClientID, ClientSecret: secret}
		default:
			path += ".api_key"
			b.want(path+".public_key", key.PublicKey)
			secret := b.secret(path+".private_key", key.PrivateKey, key.PrivateKeyFile)
			credential.APIKey = &atlas.APIKey{PublicKey: key.PublicKey, PrivateKey: secret}
		}
		b.config.Credentials = append(b.config.Credentials, credential)
	}
}

func (b *configBuilder) want(path, value string) {
	if value == "" {
		b.report(path, "is missing or empty")
	}
}

// secret returns a secret that stands in the file, or in a file of its own.
func (b *configBuilder) secret(path string, literal atlas.Secret, file string) atlas.Secret {
	if (literal.Reveal() == "") == (file == "") {
		key := path[strings.LastIndex(path, ".")+1:]
		b.report(path, "want either %s_file with the path of a file, or %s (as ${NAME} from the environment)", key, key)
		return ""
	}
	if file == "" {
		return literal
	}
	text, err := readFile(file, maxSecretSize)
	if failure, ok := errors.AsType[*fs.PathError](err); ok {
		err = failure.Err // a secret that stands in the place of its file's path must not be quoted
	}
	if err != nil {
		b.report(path+"_file", "want the path of a file that can be read: %v", err)
		return ""
	}
	b.config.Files = append(b.config.Files, file)
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		b.report(path+"_file", "%s is empty", file)
	}
	b.config.warnOfReaders(path+"_file", file, "in Kubernetes set defaultMode: 0440 on its volume and fsGroup for the pod")
	return atlas.Secret(secret)
}

// settings returns what all targets have in common, with defaults. Timeout and StaleAfter are zero where the file does
// not name them: they follow each target's interval.
func (b *configBuilder) settings() collector.Target {
	polling, history, series := b.file.Polling, b.file.History, b.file.JobSeries
	second := duration(time.Second)
	target := collector.Target{Source: collector.SourceConfig}
	interval := b.interval("polling.interval", polling.Interval, time.Minute)
	target.Interval = interval
	target.ActiveInterval = b.duration("polling.active_interval", polling.ActiveInterval,
		min(30*time.Second, interval), second, duration(interval))
	if polling.Timeout != nil {
		target.Timeout = b.duration("polling.timeout", polling.Timeout, 0, second, day)
	}
	if polling.StaleAfter != nil {
		target.StaleAfter = b.duration("polling.stale_after", polling.StaleAfter, 0, second, 30*day)
	}
	target.SweepInterval = b.duration("polling.full_sweep_interval", polling.FullSweepInterval,
		max(time.Hour, interval), duration(interval), 7*day)
	b.config.Concurrency = b.number("polling.concurrency", polling.Concurrency, 16, 1, 256)
	b.config.Reserve = b.share("polling.reserve", polling.Reserve, 0.5)
	b.config.DiscoveryInterval = b.duration("discovery.interval", b.file.Discovery.Interval, 5*time.Minute, 10*second, day)

	target.History.MaxAge = b.duration("history.max_age", history.MaxAge, time.Duration(400*day), day, 3650*day)
	target.History.MaxJobs = b.number("history.max_jobs", history.MaxJobs, 5000, 1, 100_000)
	target.JobSeries.MaxAge = b.duration("job_series.max_age", series.MaxAge,
		min(72*time.Hour, target.History.MaxAge), 0, duration(target.History.MaxAge))
	target.JobSeries.MaxPerTarget = b.number("job_series.max_per_target", series.MaxPerTarget, 50, 0, 10_000)
	b.promise("", b.file.filePromises, &target)
	return target
}

// promise takes over what is promised at a level of the file, whose path ends with a dot unless it is the top.
func (b *configBuilder) promise(path string, written filePromises, target *collector.Target) {
	objective := func(key string, written *duration, inherited time.Duration) time.Duration {
		return b.duration(path+"objectives."+key, written, inherited, 0, 3650*day)
	}
	target.Objectives.Duration = objective("duration", written.Objectives.Duration, target.Objectives.Duration)
	target.Objectives.DrillAge = objective("drill_age", written.Objectives.DrillAge, target.Objectives.DrillAge)
	if written.AllowedTargets == nil {
		return
	}
	target.AllowedTargets = []collector.AllowedTarget{}
	for i, allowed := range *written.AllowedTargets {
		path := fmt.Sprintf("%sallowed_targets[%d]", path, i)
		b.wantProjectID(path+".project_id", allowed.ProjectID)
		for j, name := range allowed.ClusterNames {
			b.wantClusterName(fmt.Sprintf("%s.cluster_names[%d]", path, j), name)
		}
		target.AllowedTargets = append(target.AllowedTargets, collector.AllowedTarget(allowed))
	}
}

func (b *configBuilder) wantProjectID(path, id string) bool {
	if projectID.MatchString(id) {
		return true
	}
	b.report(path, "want a project id of 24 hex digits, as in the address bar of Atlas")
	return false
}

func (b *configBuilder) wantClusterName(path, name string) {
	if !clusterName.MatchString(name) {
		b.report(path, "want a cluster's name of up to 64 letters, digits and -")
	}
}

func (b *configBuilder) duration(path string, written *duration, standard time.Duration, least, most duration) time.Duration {
	if written == nil {
		return standard
	}
	if *written < least || *written > most {
		b.report(path, "%v is out of range, want %v to %v", *written, least, most)
		return standard
	}
	return time.Duration(*written)
}

func (b *configBuilder) interval(path string, written *duration, inherited time.Duration) time.Duration {
	return b.duration(path, written, inherited, duration(time.Second), day)
}

func (b *configBuilder) number(path string, written *int, standard, least, most int) int {
	if written == nil {
		return standard
	}
	if *written < least || *written > most {
		b.report(path, "%d is out of range, want %d to %d", *written, least, most)
		return standard
	}
	return *written
}

// share returns a share that leaves something to the other side.
func (b *configBuilder) share(path string, written *float64, standard float64) float64 {
	const most = 0.9
	switch {
	case written == nil:
		return standard
	case *written >= 0 && *written <= most: // not so for NaN
		return *written
	}
	b.report(path, "%v is out of range, want 0 to %v", *written, most)
	return standard
}

var (
	projectID   = regexp.MustCompile(`^[a-f0-9]{24}$`)
	clusterName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$`)
)

// fit lets the timeout and the staleness of each target follow its interval, and refuses those that were written and
// don't fit.
func (b *configBuilder) fit() {
	for i := range b.config.Targets {
		target := &b.config.Targets[i]
		if !b.fitTarget(target, fmt.Sprintf("cluster %s in project %s", target.ClusterName, target.ProjectID)) {
			break
		}
	}
	for i := range b.config.Discoveries {
		target := &b.config.Discoveries[i].Target
		if !b.fitTarget(target, "discovered clusters of "+cmp.Or(target.ProjectID, "every project")) {
			break
		}
	}
	for _, credential := range b.config.Credentials {
		used := slices.ContainsFunc(b.config.Targets, func(t collector.Target) bool { return t.Credential == credential.Name }) ||
			slices.ContainsFunc(b.config.Discoveries, func(d collector.Discovery) bool { return d.Target.Credential == credential.Name })
		if !used {
			b.config.Warnings = append(b.config.Warnings, "credential "+credential.Name+" is not used by any project")
		}
	}
}

func (b *configBuilder) fitTarget(target *collector.Target, of string) bool {
	const fewestPolls = 3 // without a success, before what is known counts as stale
	what := fmt.Sprintf("of %s, %v", of, duration(target.Interval))
	if target.Timeout == 0 {
		target.Timeout = min(30*time.Second, target.Interval)
	} else if target.Timeout > target.Interval {
		b.report("polling.timeout", "%v is longer than the polling interval %s", duration(target.Timeout), what)
		return false
	}
	if target.StaleAfter == 0 {
		target.StaleAfter = max(10*time.Minute, fewestPolls*target.Interval)
	} else if target.StaleAfter < fewestPolls*target.Interval {
		b.report("polling.stale_after", "%v is shorter than three times the polling interval %s",
			duration(target.StaleAfter), what)
		return false
	}
	return true
}
