package deploy

import (
	"regexp"
	"strings"
	"testing"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/internal/testutil"
)

const alertmanagerConfig = "alertmanager/alertmanager.yaml"

func TestAlertmanager_AcceptsTheConfiguration(t *testing.T) {
	run(t, testutil.NeedTool(t, "amtool", "prometheus-alertmanager"), "check-config", alertmanagerConfig)
}

// The texts of the notifications are tested with a real Alertmanager, in internal/e2e.
func TestAlertmanager_RoutesByCategoryTeamAndSeverity(t *testing.T) {
	amtool := testutil.NeedTool(t, "amtool", "prometheus-alertmanager")
	const (
		restore  = "category=operations cluster_name=orders job_id=1 "
		drill    = "category=operations cluster_name=orders "
		security = "category=security cluster_name=orders "
	)
	for labels, receiver := range map[string]string{
		// Restores.
		restore + "alertname=AtlasRestoreFailed severity=critical":                                "on-call-events",
		restore + "alertname=AtlasRestoreFailed severity=warning":                                 "operations-events",
		restore + "alertname=AtlasRestoreFailed severity=critical team=payments":                  "payments-on-call",
		restore + "alertname=AtlasRestoreFailed severity=warning team=payments":                   "payments",
		restore + "alertname=AtlasRestoreStuck severity=critical team=products":                   "on-call-events",
		restore + "alertname=AtlasRestoreDownloadExpiresSoon severity=warning":                    "operations-events",
		"category=operations alertname=AtlasRestoreTargetVanished severity=warning team=payments": "operations-events",
		// Security.
		security + "alertname=AtlasRestoreUnexpectedTarget severity=critical job_id=1 team=payments": "security-on-call",
		security + "alertname=AtlasRestoreUnexpectedTarget severity=critical":                        "security-on-call",
		security + "alertname=AtlasRestoreBackupDownload severity=info job_id=1 team=payments":       "security",
		// Drills and backups.
		drill + "alertname=AtlasRestoreDrillOverdue severity=warning":               "operations",
		drill + "alertname=AtlasRestoreNeverDrilled severity=warning team=payments": "payments",
		drill + "alertname=AtlasRestoreNoBackup severity=warning team=payments":     "payments",
		drill + "alertname=AtlasRestoreNoBackup severity=critical":                  "on-call",
		drill + "alertname=AtlasRestoreClusterDeleted severity=warning":             "operations",
		// Polling and the exporter: for its operators, regardless of the team of the cluster.
		"category=operations alertname=AtlasRestoreCannotPoll severity=warning team=payments": "operations",
		"category=operations alertname=AtlasRestoreDataStale severity=critical team=payments": "on-call",
		"category=operations alertname=AtlasRestoreTargetGone severity=info team=payments":    "nobody",
		"category=operations alertname=AtlasRestoreCredentialRejected severity=critical":      "on-call",
		"category=operations alertname=AtlasRestoreDiscoveryShrank severity=warning":          "operations-events",
		"category=operations alertname=AtlasRestoreDiscoveryShrank severity=critical":         "on-call",
		"category=operations alertname=AtlasRestoreExporterDown severity=critical":            "on-call",
		"category=operations alertname=AtlasRestoreReplicaDown severity=warning":              "operations",
		"category=operations alertname=AtlasRestorePollsDelayed severity=warning":             "operations",
	} {
		args := []string{"config", "routes", "test", "--config.file=" + alertmanagerConfig, "--verify.receivers=" + receiver}
		run(t, amtool, append(args, strings.Fields(labels)...)...)
	}
}

// route is a part of the routing tree.
type route struct {
	Receiver       string
	RepeatInterval string `yaml:"repeat_interval"`
	GroupWait      string `yaml:"group_wait"`
	GroupInterval  string `yaml:"group_interval"`
	Matchers       []string
	Routes         []route
}

// walk calls visit for a route with the inherited settings, and for all routes below it.
func (r route) walk(visit func(route)) {
	visit(r)
	for _, child := range r.Routes {
		if child.GroupWait == "" {
			child.GroupWait = r.GroupWait
		}
		child.walk(visit)
	}
}

func readRoutes(t *testing.T) (root route) {
	t.Helper()
	var config struct{ Route route }
	if err := yaml.Load([]byte(testutil.ReadFile(t, alertmanagerConfig)), &config); err != nil {
		t.Fatal(err)
	}
	return config.Route
}

// TestAlertmanager_RepeatsBeforeItForgets checks the repeat intervals: Alertmanager forgets notifications after 120 h.
func TestAlertmanager_RepeatsBeforeItForgets(t *testing.T) {
	routes := 0
	readRoutes(t).walk(func(r route) {
		routes++
		if r.RepeatInterval == "" {
			return
		}
		interval, err := time.ParseDuration(strings.Replace(r.RepeatInterval, "4d", "96h", 1))
		if r.RepeatInterval == "1d" {
			interval, err = 24*time.Hour, nil
		}
		if err != nil || interval >= 120*time.Hour {
			t.Errorf("receiver %s has repeat_interval %s: %v", r.Receiver, r.RepeatInterval, err)
		}
	})
	if routes < 10 {
		t.Errorf("only %d routes", routes)
	}
}

func TestAlertmanager_DoesNotDelayEvents(t *testing.T) {
	events := 0
	readRoutes(t).walk(func(r route) {
		if strings.HasSuffix(r.Receiver, "-events") && len(r.Routes) > 0 || strings.HasPrefix(r.Receiver, "security") {
			events++
			if r.GroupWait != "10s" {
				t.Errorf("receiver %s has group_wait %s", r.Receiver, r.GroupWait)
			}
			if (r.Receiver == "on-call-events" || r.Receiver == "security") && r.GroupInterval != "10s" {
				t.Errorf("receiver %s has group_interval %s", r.Receiver, r.GroupInterval)
			}
		}
	})
	if events != 4 {
		t.Errorf("%d routes of events", events)
	}
}

func TestAlertmanager_InhibitionsAreDocumented(t *testing.T) {
	var config struct {
		InhibitRules []struct {
			Source []string `yaml:"source_matchers"`
			Target []string `yaml:"target_matchers"`
		} `yaml:"inhibit_rules"`
	}
	if err := yaml.Load([]byte(testutil.ReadFile(t, alertmanagerConfig)), &config); err != nil {
		t.Fatal(err)
	}
	specification := testutil.ReadFile(t, "../docs/alerts.md")
	names := regexp.MustCompile(`AtlasRestore(\w+)|\(([\w|]+)\)`)
	for _, rule := range config.InhibitRules {
		row := "\n| " + names.FindString(rule.Source[0]) + " | "
		for _, match := range names.FindAllStringSubmatch(rule.Target[0], -1) {
			for name := range strings.SplitSeq(match[1]+match[2], "|") {
				row += "AtlasRestore" + name + ", "
			}
		}
		if row = strings.TrimSuffix(row, ", ") + " |"; !strings.Contains(specification, row) {
			t.Errorf("docs/alerts.md has no row%s", row)
		}
	}
	if len(config.InhibitRules) == 0 {
		t.Error("no inhibitions")
	}
}

// TestAlertmanager_SendsNoResolvedMessagesAboutEvents: a failed restore isn't repaired if its alert ends.
func TestAlertmanager_SendsNoResolvedMessagesAboutEvents(t *testing.T) {
	type receiver struct {
		SendResolved *bool `yaml:"send_resolved"`
	}
	var config struct {
		Receivers []struct {
			Name      string
			Slack     []receiver `yaml:"slack_configs"`
			Email     []receiver `yaml:"email_configs"`
			PagerDuty []receiver `yaml:"pagerduty_configs"`
		}
	}
	if err := yaml.Load([]byte(testutil.ReadFile(t, alertmanagerConfig)), &config); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, r := range config.Receivers {
		wantResolved := r.Name == "on-call" || r.Name == "operations"
		for _, channel := range append(append(r.Slack, r.Email...), r.PagerDuty...) {
			count++
			if channel.SendResolved == nil || *channel.SendResolved != wantResolved {
				t.Errorf("receiver %s: send_resolved is not set to %v", r.Name, wantResolved)
			}
		}
	}
	if count < 9 {
		t.Errorf("only %d channels", count)
	}
}
