package config

// setting documents a key of the configuration file. The JSON Schema and the table of settings contain it.
type setting struct {
	meaning      string
	defaultValue string
	allowed      string         // range or format, for people
	schema       map[string]any // requirements of the JSON Schema in addition to the type
}

const (
	patternNotEmpty   = `.`
	patternName       = `^[A-Za-z0-9._-]{1,64}$`
	patternBaseURL    = `^https?://[^/?#@\s]+/?$`
	patternIdentifier = `^[!#%&(-~]([ -~]*[!#%&(-~])?$` // neither in quotes nor with surrounding spaces
	patternLabel      = `^[^\x00-\x1f]{0,128}$`
	patternTagKey     = `^[^\x00-\x1f]{1,255}$`
)

func pattern(text string) map[string]any { return map[string]any{"pattern": text} }

func between(minimum, maximum any) map[string]any {
	return map[string]any{"minimum": minimum, "maximum": maximum}
}

func required(keys ...string) map[string]any { return map[string]any{"required": keys} }

func exactlyOne(keys ...string) map[string]any {
	var options []any
	for _, key := range keys {
		options = append(options, required(key))
	}
	return map[string]any{"oneOf": options}
}

const inherited = "also for projects and clusters; the most specific setting takes precedence"

// settings documents each key, by the name of its type without "raw", and its name.
var settings = map[string]setting{
	"Config.name": {
		"Name of this exporter, exported as a label. Replicas and shards share it.", "default",
		"1 to 64 letters, digits, hyphens, underscores, and periods", pattern(patternName),
	},
	"Config.atlas": {"Connection to the Atlas API.", "", "", nil},
	"Config.credentials": {
		"Credentials for the Atlas API, by name. The name is exported as a label.", "required",
		"1 to 64 letters, digits, hyphens, and underscores",
		map[string]any{"minProperties": 1, "propertyNames": map[string]any{
			"pattern": credentialName.String(), "not": pattern("^mdb_sa_sk_"),
		}},
	},
	"Config.polling":    {"Polling.", "", "", nil},
	"Config.discovery":  {"Discovery of projects and clusters.", "", "", nil},
	"Config.history":    {"Jobs that the exporter keeps.", "", "", nil},
	"Config.job_series": {"Jobs that have per-job series.", "", "", nil},
	"Config.tag_labels": {"Keys of the Atlas tags that provide labels that are not set here.", "", "", nil},
	"Config.projects": {
		"Projects and clusters to poll.", "required", "at least one", map[string]any{"minItems": 1},
	},

	"Atlas.base_url": {
		"Address of the Atlas API.", defaultBaseURL, "https:// and a host", pattern(patternBaseURL),
	},
	"Atlas.ca_file": {
		"PEM file with the certificate authorities to trust. Required behind a proxy that inspects TLS.",
		"those of the system", "path, relative to this file", pattern(patternNotEmpty),
	},

	"Credential.service_account": {
		"Service account, the type that Atlas recommends.", "", "instead of api_key",
		exactlyOne("client_secret", "client_secret_file"),
	},
	"Credential.api_key": {
		"API key.", "", "instead of service_account", exactlyOne("private_key", "private_key_file"),
	},
	"Credential.expires": {
		"When the secret expires. Used by an alert, the status page, and check.", "",
		"date (the end of that day in UTC) or time such as 2027-03-01T12:00:00Z", nil,
	},
	"ServiceAccount.client_id":     {"Client ID.", "required", "", pattern(patternIdentifier)},
	"ServiceAccount.client_secret": {"Client secret, usually a variable.", "", "", pattern(patternIdentifier)},
	"ServiceAccount.client_secret_file": {
		"File that contains only the client secret.", "", "path, relative to this file", pattern(patternNotEmpty),
	},
	"APIKey.public_key":  {"Public key.", "required", "", pattern(patternIdentifier)},
	"APIKey.private_key": {"Private key, usually a variable.", "", "", pattern(patternIdentifier)},
	"APIKey.private_key_file": {
		"File that contains only the private key.", "", "path, relative to this file", pattern(patternNotEmpty),
	},

	"Polling.interval": {"Time between two polls of a target.", "1m", "1s to 24h", nil},
	"Polling.active_interval": {
		"Time between two polls of a target while a restore is in progress.", "30s", "1s to polling.interval", nil,
	},
	"Polling.timeout": {"Maximum duration of a poll.", "30s", "1s to the interval of the target", nil},
	"Polling.concurrency": {
		"Maximum number of concurrent polls. `auto` follows the number of targets.", "auto", "auto, or 1 to 256", nil,
	},
	"Polling.reserve": {
		"Share of the rate limit of each project that is left to other API clients.", "0.5", "0 to 0.9", between(0, 0.9),
	},
	"Polling.full_poll_interval": {"Time between two full polls.", "1h", "polling.interval to 7d", nil},
	"Polling.stale_after": {
		"Time without a successful poll after which per-job series are removed.", "10m",
		"three times the interval of the target to 30d", nil,
	},
	"Discovery.interval": {"Time between two discoveries.", "5m", "10s to 24h", nil},
	"History.max_age":    {"Maximum time since creation of a job.", "400d", "1d to 3650d", nil},
	"History.max_jobs": {
		"Maximum number of jobs per target.", "5000", "1 to 100000", between(1, 100_000),
	},
	"JobSeries.max_age": {"Maximum time since the end of a job.", "72h", "0s to history.max_age", nil},
	"JobSeries.max_per_target": {
		"Maximum number of jobs per target that have series.", "50", "0 to 10000", between(0, 10_000),
	},

	"Inherited.objectives": {
		"Service-level objectives used by alerts. `0s` disables an inherited objective.", "none", inherited, nil,
	},
	"Inherited.allowed_targets": {
		"Projects and clusters that restores may write to. An empty list allows none.", "all", inherited, nil,
	},
	"Inherited.drill_targets": {
		"Projects and clusters that drills restore to. If the list is empty, no restore is a drill. If it is not set, each " +
			"successful restore of a whole cluster counts as a drill, except for downloads.",
		"", inherited, nil,
	},
	"Inherited.labels": {
		"Labels of clusters. An empty string removes an inherited label.", "none", inherited, nil,
	},
	"Objectives.duration":           {"Maximum duration of a restore.", "none", "0s to 3650d", nil},
	"Objectives.drill_age":          {"Maximum age of the last drill of a cluster.", "none", "0s to 3650d", nil},
	"Objectives.recovery_point_age": {"Maximum age of the restored data.", "none", "0s to 3650d", nil},
	"Objectives.expiry_notice":      {"Advance notice before a download expires.", "none", "0s to 3650d", nil},
	"Labels.team": {
		"Team that owns the cluster.", "none",
		"at most 128 printable characters", pattern(patternLabel),
	},
	"Labels.environment": {
		"Environment of the cluster, such as production.", "none",
		"at most 128 printable characters", pattern(patternLabel),
	},
	"TagLabels.team": {
		"Key of the tag with the team.", "none", "1 to 255 printable characters", pattern(patternTagKey),
	},
	"TagLabels.environment": {
		"Key of the tag with the environment.", "none", "1 to 255 printable characters", pattern(patternTagKey),
	},
	"RestoreTarget.project_id": {"ID of the project.", "required", "24 hexadecimal digits", pattern(projectID.String())},
	"RestoreTarget.cluster_names": {
		"Names of clusters of the project.", "all", "at least one, if set",
		map[string]any{"minItems": 1, "items": stringSchema(clusterName.String())},
	},

	"Project.id": {
		"Project ID, from the URL of the project in the Atlas UI. An entry without id discovers clusters in all projects.",
		"all projects", "24 hexadecimal digits", pattern(projectID.String()),
	},
	"Project.name_include": {
		"Regular expression for names of projects. Only without id.", "all", "", pattern(patternNotEmpty),
	},
	"Project.name_exclude": {
		"Regular expression for names of projects to ignore. Only without id.", "none", "", pattern(patternNotEmpty),
	},
	"Project.credential": {"Name of a credential.", "the only credential", "", nil},
	"Project.interval":   {"Polling interval for this project.", "polling.interval", "1s to 24h", nil},
	"Project.clusters":   {"Clusters to poll. Only with id.", "none", "", nil},
	"Project.discovery": {
		"Discover all other clusters. An empty mapping discovers every cluster with backups.", "none", "", nil,
	},
	"Rule.include": {"Regular expression for names of clusters.", "all", "", pattern(patternNotEmpty)},
	"Rule.exclude": {"Regular expression for names of clusters to ignore.", "none", "", pattern(patternNotEmpty)},
	"Rule.tags": {
		"Atlas tags that a cluster must have.", "none", "",
		map[string]any{"additionalProperties": map[string]any{"type": "string", "minLength": 1}},
	},
	"Rule.backup_types": {
		"Backup types of the discovered clusters.", "dedicated, flex", "dedicated, collection, flex, legacy",
		backupTypesSchema(false),
	},
	"Cluster.name": {
		"Name of the cluster.", "required", "1 to 64 letters, digits, and hyphens", pattern(clusterName.String()),
	},
	"Cluster.backup_types": {
		"Backup types. Each is a separate target.", "dedicated",
		"dedicated, collection, flex, legacy, serverless", backupTypesSchema(true),
	},
	"Cluster.interval": {"Polling interval for this cluster.", "that of the project", "1s to 24h", nil},
}
