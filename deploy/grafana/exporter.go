package main

import (
	"slices"
	"strconv"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func exporter() *dashboard.DashboardBuilder {
	b := newDashboard("atlas-restore-exporter", "exporter",
		"The exporter itself: polls, the Atlas API, discovery, credentials, rules, and resources.", "now-6h", true).
		WithRow(row("State")).
		WithPanel(monitoringPanel()).
		WithPanel(exporterCountsPanel(15)).
		WithPanel(instancesPanel(13, 7)).
		WithPanel(unpolledPanel(11, 7))
	b.WithRow(row("Atlas API"))
	apiPanels(b)
	b.WithRow(row("Polls and discovery"))
	pollPanels(b)
	b.WithRow(row("Credentials, rules, and resources"))
	resourcePanels(b)
	return b
}

func rate(selector, by string) string {
	return "sum by (" + by + ") (rate(" + selector + "[$__rate_interval]))"
}

const (
	credentialExpiry = "credential:mongodbatlas_restore_exporter_credential_expiry:min"
	expiryNotice     = 14 // days, as in the alert
	longAgo          = 1e6
)

func exporterCountsPanel(width uint32) cog.Builder[dashboard.Panel] {
	// Recorded series and increases remain after the exporter has stopped. Then nothing is known.
	up := "group(" + exporterMetric("build_info") + ")"
	current := func(expr string) string {
		return "(" + expr + ") and on () " + up + " or -1 * absent(" + up + ")"
	}
	// A count of failures is 0 only if the facts exist.
	failed := func(facts string) string { return current("count(" + facts + " == 0) or 0 * count(" + facts + ")") }
	targets := "max by (" + targetKey + ") (" + target("poll_success") + ")"
	return statPanel(frame{
		title: "Failures of the exporter", unit: count, width: width, height: tilesHeight, noValue: "No data",
		description: "Targets; targets whose last poll failed; targets whose backup type no longer exists; credentials that Atlas " +
			"rejects, and those that expire within 14 days; discovery runs that failed; configurations that could not be reloaded; and values of Atlas responses that were " +
			"not understood in the last day. Purple: nothing is known, because no exporter is scraped.",
		queries: []query{
			{current("count(" + targets + ")"), "Targets"},
			{failed("(" + targets + " unless on (" + targetKey + ") " + gone + ")"), "Failed polls"},
			{counted(condition("polling", "AtlasRestoreTargetGone")), "Ended"},
			{failed("credential:mongodbatlas_restore_exporter_credential_success:min"), "Credentials rejected"},
			{current("count(" + credentialExpiry + " < time() + " + strconv.Itoa(expiryNotice) + " * 86400) or " +
				"0 * count(credential:mongodbatlas_restore_exporter_credential_success:min)"), "Credentials expiring"},
			{failed(exporterMetric("discovery_success")), "Discovery"},
			{failed(exporterMetric("config_last_reload_successful")), "Reloads"},
			{current("ceil(sum(increase(" + exporterMetric("malformed_jobs_total") + "[1d])) + sum(increase(" +
				exporterMetric("malformed_fields_total") + "[1d])) + sum(increase(" + exporterMetric("unknown_values_total") + "[1d])))"),
				"Not understood"},
		},
	}, thresholds(purple, step{0, green}, step{1, red}), mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}), func(p *dashboard.Panel) {
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
			override("Credentials expiring", limits(thresholds(purple, step{0, green}, step{1, orange}))),
			override("Targets", limits(thresholds(purple, step{0, grey}))), override("Ended", limits(thresholds(purple, step{0, grey}))))
	})
}

func instancesPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const key = "job, instance"
	perInstance := func(expr string) string { return "max by (" + key + ") (" + expr + ")" }
	known := selector("instance:mongodbatlas_restore_exporter:known", scraped)
	yes := func(no string, color string) []property {
		return []property{mapped(mapping(map[string]dashboard.ValueMappingResult{
			"0": result(no, color), "1": result("Yes", green),
		})), colorText()}
	}
	return joinedTable(frame{
		title: "Exporters", width: width, height: height, noValue: "No exporter is known.",
		description: "Exporters that are or were scraped. Shards of one exporter have the same name and poll different targets.",
		queries: []query{
			{"max by (" + key + ", exporter, shard) (" + known + ")", ""},
			{perInstance("up and on (" + key + ") " + known), ""},
			{perInstance(exporterMetric("ready")), ""},
			{"max by (" + key + ", version, goversion) (" + exporterMetric("build_info") + ")", ""},
			{"1000 * " + perInstance("process_start_time_seconds and on ("+key+") "+known), ""},
			{"max by (" + key + ") (" + exporterMetric("shards") + ")", ""},
		},
	}, "merge", map[string]any{}, "Exporter", false,
		column{"exporter", "Exporter", 80, nil}, column{"instance", "Instance", 130, nil},
		column{valueOf(1), "Up", 0, append(yes("Down", red), fixed(55))},
		column{valueOf(2), "Ready", 0, append(yes("No", orange), fixed(62))},
		column{"shard", "Shard", 0, []property{fixed(58)}}, column{valueOf(5), "Shards", 0, []property{fixed(62), unit(count)}},
		column{"version", "Version", 80, nil}, column{"goversion", "Go", 0, []property{fixed(80)}},
		column{valueOf(4), "Started", 90, []property{unit(date)}},
	)
}

func unpolledPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	return tablePanel(frame{
		title: "Targets that can't be polled", width: width, height: height, noValue: "No target is known whose poll failed.",
		description: "Reason of the last failed poll, and the last successful poll. `atlas-restore-exporter check` prints the remedy. Ended: " +
			"the backup type no longer exists in Atlas; the target is polled once per full_poll_interval only.",
		queries: []query{
			{rows(withLabels("max by (" + targetKey + ", reason) (" + pollError + ")")), ""},
			{milliseconds(rows(withLabels("max by (" + targetKey + ") " + kept(target("last_successful_poll_timestamp_seconds"), "1h") +
				" and on (" + targetKey + ") " + pollError))), ""},
		},
	}, "Cluster", false, slices.Concat(clusterColumns(), []column{
		{"reason", "Reason", 90, []property{
			mapped(mapping(map[string]dashboard.ValueMappingResult{"gone": result("Ended", grey)})), colorText(),
		}},
		{valueOf(1), "Last success", 90, []property{unit(date)}},
		{"backup_type", "Backup", 85, nil},
	})...)
}

func apiPanels(b *dashboard.DashboardBuilder) {
	const names = `topk by (project_id) (1, group by (project_id, project_name) (` + labels + `))`
	remaining := "bottomk(10, min by (project_id) (" + exporterMetric("api_rate_limit_remaining") + ")) * on (project_id) group_left " +
		"(project_name) " + names
	b.WithPanel(linePanel(frame{
		title: "Requests by status code", unit: requests, width: 12, height: 8,
		description: "Requests to the Atlas API by HTTP status code. 429: the rate limit was exceeded.",
		queries:     []query{{rate(exporterMetric("api_requests_total"), "code"), "{{code}}"}},
	}, colored("200", green), colored("429", orange), colored("error", red))).
		WithPanel(linePanel(frame{
			title: "Requests by operation", unit: requests, width: 12, height: 8,
			description: "Requests to the Atlas API by operation.",
			queries:     []query{{rate(exporterMetric("api_requests_total"), "operation") + " > 0", "{{operation}}"}},
		}, blues)).
		WithPanel(linePanel(frame{
			title: "Latency (95th percentile)", unit: seconds, width: 12, height: 8,
			description: "95 of 100 requests are faster, by operation. Interpolated between the bounds of histogram buckets: equal values are " +
				"in the same bucket.",
			queries: []query{{
				"histogram_quantile(0.95, " + rate(exporterMetric("api_request_duration_seconds_bucket"), "le, operation") + ") > 0",
				"{{operation}}",
			}},
		}, blues)).
		WithPanel(linePanel(frame{
			title: "Remaining requests", unit: count, width: 12, height: 8,
			description: "Smallest RateLimit-Remaining of each project, for the 10 projects closest to their limit.",
			queries:     []query{{withProject(remaining), "{{project}}"}},
		}))
}

// ofDiscovery returns a metric per credential and project. The list of the projects of a credential belongs to no project.
func ofDiscovery(name string) string {
	const names = `topk by (project_id) (1, group by (project_id, project_name) (` + labels + `))`
	perProject := "max by (credential, project_id) (" + exporterMetric(name, `project_id!=""`) + ")"
	perCredential := "max by (credential, project_id) (" + exporterMetric(name, `project_id=""`) + ")"
	return withProject(perProject+" * on (project_id) group_left (project_name) "+names+" or "+perProject+" unless on (project_id) "+
		names) + ` or label_replace(` + perCredential + `, "project", "(organization)", "", "")`
}

const noExporterText = "No exporter is scraped."

func pollPanels(b *dashboard.DashboardBuilder) {
	b.WithPanel(linePanel(frame{
		title: "Failed polls", unit: "suffix:/s", width: 12, height: 8, noValue: noExporterText,
		description: "Failed polls per second by reason. If none failed, the line is 0. gone: the backup type no longer exists in Atlas.",
		queries: []query{{rate(exporterMetric("poll_failures_total"), "reason") + ` > 0 or on () label_replace(0 * group(` +
			exporterMetric("build_info") + `), "reason", "none failed", "", "")`, "{{reason}}"}},
	}, shades(red), colored("none failed", green), colored("gone", grey))).
		WithPanel(linePanel(frame{
			title: "Poll slots", unit: count, width: 12, height: 8,
			description: "Concurrent polls, and the allowed number. If all slots are in use for a long time, polls are late: increase " +
				"polling.concurrency or the interval.",
			queries: []query{
				{"sum(" + exporterMetric("poll_slots_in_use") + ")", "in use"}, {"sum(" + exporterMetric("poll_slots") + ")", "allowed"},
			},
		}, smallLegend, line("allowed"))).
		WithPanel(tablePanel(frame{
			title: "Discovery", width: 12, height: 7,
			noValue:     "The list of discovery runs is empty. The panel Monitoring shows whether an exporter is scraped.",
			description: "The last run of each discovery. (organization): the list of the projects of the credential.",
			queries: []query{
				{ofDiscovery("discovery_success"), ""},
				{milliseconds(ofDiscovery("discovery_last_success_timestamp_seconds")), ""},
			},
		}, "Result", false,
			column{"credential", "Credential", 90, nil}, column{"project", "Project", 110, nil},
			column{valueOf(0), "Result", 70, []property{mapped(mapping(map[string]dashboard.ValueMappingResult{
				"0": result("Failed", red), "1": result("Works", green),
			})), colorText()}},
			column{valueOf(1), "Last success", 90, []property{unit(date)}},
		)).
		WithPanel(linePanel(frame{
			title: "Wait of the oldest due poll", unit: seconds, width: 12, height: 7, noValue: noExporterText,
			description: "How long the oldest due poll has been waiting for a slot. Normally, no poll is waiting, and the line is 0.",
			queries: []query{{
				"time() - min by (instance) (" + exporterMetric("oldest_waiting_poll_timestamp_seconds") + ") or on (instance) " +
					"0 * group by (instance) (" + exporterMetric("build_info") + ")", "{{instance}}",
			}},
		}, smallLegend))
}

func resourcePanels(b *dashboard.DashboardBuilder) {
	const groups, allowedTime = `rule_group=~".*;atlas-restore-.+"`, "allowed"
	ofProcess := func(name string) string {
		return selector(name, scraped) + " and on (job, instance) " + exporterMetric("build_info")
	}
	b.WithPanel(tablePanel(frame{
		title: "Credentials", width: 12, height: 7, noValue: "No credential is known.",
		description: "Whether Atlas accepted each credential when it was last used, and when it expires (setting expires).",
		queries: []query{
			{"credential:mongodbatlas_restore_exporter_credential_success:min", ""},
			{"(" + credentialExpiry + " - time()) / 86400", ""},
		},
	}, "Expires in", false,
		column{"credential", "Credential", 90, nil}, column{"exporter", "Exporter", 85, nil},
		column{valueOf(0), "Result", 80, []property{mapped(mapping(map[string]dashboard.ValueMappingResult{
			"0": result("Rejected", red), "1": result("Accepted", green),
		})), colorText()}},
		column{valueOf(1), "Expires in", 85, []property{
			unit(days), {Id: "decimals", Value: 0}, colorText(), limits(thresholds(orange, step{expiryNotice, green})),
			mapped([]dashboard.ValueMapping{between(-longAgo, 0, result("Has expired", red))}),
		}},
	)).
		WithPanel(linePanel(frame{
			title: "Token requests", unit: requests, width: 12, height: 7,
			description: "Requests to the token endpoint by credential and status code. A token is valid for an hour.",
			queries:     []query{{rate(exporterMetric("token_requests_total"), "credential, code"), "{{credential}} {{code}}"}},
		}, smallLegend)).
		WithPanel(linePanel(frame{
			title: "Rule evaluation", unit: seconds, width: 12, height: 8,
			description: "Duration of the last evaluation of each group of rules. Longer than the shortest interval of a group (dashed line): " +
				"evaluations can be missed. Absent unless Prometheus scrapes itself.",
			queries: []query{
				{`label_replace(max by (rule_group) (prometheus_rule_group_last_duration_seconds{` + groups +
					`}), "group", "$1", "rule_group", ".*;(.*)")`, "{{group}}"},
				{`min(prometheus_rule_group_interval_seconds{` + groups + `})`, allowedTime},
			},
		}, blues, colored(allowedTime, red), line(allowedTime))).
		WithPanel(linePanel(frame{
			title: "Scrape duration", unit: seconds, width: 12, height: 8,
			description: "Duration of scrapes of the exporter.",
			queries:     []query{{ofProcess("scrape_duration_seconds"), "{{instance}}"}},
		}, smallLegend)).
		WithPanel(linePanel(frame{
			title: "Memory", unit: "bytes", width: 12, height: 7,
			description: "Resident memory of the exporter.",
			queries:     []query{{ofProcess("process_resident_memory_bytes"), "{{instance}}"}},
		}, smallLegend)).
		WithPanel(linePanel(frame{
			title: "CPU", unit: count, width: 12, height: 7,
			description: "CPU time of the exporter in seconds per second.",
			queries: []query{{
				"rate(" + selector("process_cpu_seconds_total", scraped) + "[$__rate_interval]) and on (job, instance) " +
					exporterMetric("build_info"), "{{instance}}",
			}},
		}, smallLegend))
}
