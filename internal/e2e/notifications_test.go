package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

const (
	rulesPath        = "../../deploy/prometheus/rules.yaml"
	timeLayout       = "2006-01-02 15:04 MST" // of times in texts
	alertmanagerPath = "../../deploy/alertmanager/alertmanager.yaml"
	templatesPath    = "../../deploy/alertmanager/atlas-restore.tmpl"
)

// postedAlert is an alert as Prometheus sends it to Alertmanager.
type postedAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt,omitzero"`
}

// messages returns the number of messages that the routes of Alertmanager send for the alert.
func (a *postedAlert) messages() int {
	switch {
	case a.Labels["category"] == "security" && a.Labels["severity"] == "critical":
		return 2 // PagerDuty and e-mail
	case a.Labels["category"] != "security" && a.Labels["severity"] == "info":
		return 0
	}
	return 1
}

// TestNotifications_AreEnoughToActOn compares the notifications that a person receives with the golden file: promtool
// evaluates the rules, and the real Alertmanager sends the alerts to local servers. Read the file aloud after a change.
func TestNotifications_AreEnoughToActOn(t *testing.T) {
	alertmanager := testutil.NeedTool(t, "prometheus-alertmanager", "prometheus-alertmanager")
	alerts := evaluateWorld(t)
	var text strings.Builder
	text.WriteString("Notifications of all alerts, without inhibitions. Written by a test; review each change.\n")

	expected := 0
	for _, alert := range alerts {
		expected += alert.messages()
	}
	expectTimes(t, alerts)
	all := sendAlerts(t, alertmanager, alerts, expected)
	for _, alert := range alerts {
		text.WriteString("\n=== " + alert.Labels["alertname"] + "\n")
		if alert.messages() == 0 {
			text.WriteString("\n" + alert.Annotations["summary"] + " (is not sent)\n")
		}
		for _, m := range all {
			if strings.Contains(m.title, alert.Annotations["summary"]) {
				text.WriteString(m.String())
			}
		}
	}

	failures := ofClusters(find(t, alerts, "AtlasRestoreFailed"), 50)
	text.WriteString("\n=== 50 restores failed at once\n" + sendAlerts(t, alertmanager, failures, 1)[0].String())

	drills := ofClusters(find(t, alerts, "AtlasRestoreDrillOverdue"), 4)
	text.WriteString("\n=== 4 drills are overdue\n" + sendAlerts(t, alertmanager, drills, 1)[0].String())

	unpolled := find(t, alerts, "AtlasRestoreCannotPoll")
	two := []postedAlert{unpolled, renamed(unpolled, unpolled.Labels["cluster_name"], "rewards")}
	text.WriteString("\n=== Two targets can't be polled, then they are polled again\n")
	text.WriteString(sendAlerts(t, alertmanager, two, 1)[0].String())
	text.WriteString(sendAlerts(t, alertmanager, two, 1, resolve)[0].String())

	hostile := []postedAlert{renamed(unpolled, "Payments", "<!channel> & co")}
	text.WriteString("\n=== A project with a hostile name\n" + sendAlerts(t, alertmanager, hostile, 1)[0].String())

	unknown := renamed(unpolled, externalURL, "")
	delete(unknown.Labels, "external_url")
	text.WriteString("\n=== An exporter without --web.external-url\n")
	text.WriteString(sendAlerts(t, alertmanager, []postedAlert{unknown}, 1)[0].String())
	testutil.EqualGolden(t, "testdata/notifications.txt", text.String())
}

// absoluteAndRelative is a time in a text, such as "2026-11-07 04:00 UTC (2h 5m 0s ago)".
var absoluteAndRelative = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC \((in )?\d+[dhms][ \ddhms]*( ago)?\)`)

// expectTimes checks that each alert that is sent describes since when or until when, absolute and relative.
func expectTimes(t *testing.T, alerts []postedAlert) {
	t.Helper()
	for _, alert := range alerts {
		if text := alert.Annotations["description"]; alert.messages() > 0 && !absoluteAndRelative.MatchString(text) {
			t.Errorf("%s has no absolute and relative time: %s", alert.Labels["alertname"], text)
		}
	}
}

func (m message) String() string {
	return fmt.Sprintf("\n--- %s\n%s\n\n%s\n", m.to, m.title, m.text)
}

func find(t *testing.T, alerts []postedAlert, name string) postedAlert {
	t.Helper()
	i := slices.IndexFunc(alerts, func(a postedAlert) bool { return a.Labels["alertname"] == name })
	if i < 0 {
		t.Fatalf("%s does not fire", name)
	}
	return alerts[i]
}

// ofClusters returns the same alert of several clusters, with a job of each cluster if the alert has a job.
func ofClusters(alert postedAlert, count int) []postedAlert {
	var alerts []postedAlert
	cluster, job := alert.Labels["cluster_name"], alert.Labels["job_id"]
	for i := range count {
		other := renamed(alert, cluster, fmt.Sprintf("%s-%02d", cluster, i+1))
		if job != "" {
			other = renamed(other, job, fmt.Sprintf("65c0f3a41e8b7d00123457%02d", i+1))
		}
		alerts = append(alerts, other)
	}
	return alerts
}

// renamed returns the same alert of another cluster.
func renamed(alert postedAlert, from, to string) postedAlert {
	replaceAll := func(texts map[string]string) map[string]string {
		replaced := map[string]string{}
		for name, text := range texts {
			replaced[name] = strings.ReplaceAll(text, from, to)
		}
		return replaced
	}
	alert.Labels, alert.Annotations = replaceAll(alert.Labels), replaceAll(alert.Annotations)
	return alert
}

// evaluateWorld lets promtool evaluate the rules, and returns one alert of each name, in the order of the rules.
func evaluateWorld(t *testing.T) []postedAlert {
	t.Helper()
	promtool := testutil.NeedTool(t, "promtool", "prometheus")
	rules, err := filepath.Abs(rulesPath)
	if err != nil {
		t.Fatal(err)
	}
	rulesText := testutil.ReadFile(t, rulesPath)
	var groups []string
	for _, match := range regexp.MustCompile(`(?m)^  - name: (\S+)$`).FindAllStringSubmatch(rulesText, -1) {
		groups = append(groups, match[1])
	}
	var world notificationWorld
	file := fmt.Sprintf("rule_files: [%s]\ngroup_eval_order: [%s]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n"+
		"    input_series:\n%s    alert_rule_test:\n", rules, strings.Join(groups, ", "), world.build())
	names := regexp.MustCompile(`(?m)^      - alert: (\S+)$`).FindAllStringSubmatch(rulesText, -1)
	for _, match := range names {
		file += fmt.Sprintf("      - {alertname: %s, eval_time: %dm, exp_alerts: []}\n", match[1], worldMinutes)
	}
	path := filepath.Join(t.TempDir(), "world.yaml")
	testutil.WriteFile(t, path, file)
	// The test fails, and its output contains the alerts that promtool did not expect.
	output, _ := exec.CommandContext(t.Context(), promtool, "test", "rules", path).CombinedOutput()
	found := parseAlerts(t, string(output))
	alerts := make([]postedAlert, len(names))
	for i, match := range names {
		alerts[i] = find(t, found, match[1])
	}
	return alerts
}

var (
	foundAlert = regexp.MustCompile(`(?m)^ +Labels:(\{.*\})\n +Annotations:(\{.*\})$`)
	labelPair  = regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*")`)
	textTime   = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`)
)

// parseAlerts parses the alerts in the output of promtool. They were evaluated in 1970: times are moved to a night that
// is easier to read.
func parseAlerts(t *testing.T, output string) []postedAlert {
	t.Helper()
	night := time.Date(2026, 11, 7, 2, 0, 0, 0, time.UTC).Unix()
	parse := func(pairs string) map[string]string {
		parsed := map[string]string{}
		for _, pair := range labelPair.FindAllStringSubmatch(pairs, -1) {
			value, err := strconv.Unquote(pair[2])
			if err != nil {
				t.Fatal(err)
			}
			parsed[pair[1]] = textTime.ReplaceAllStringFunc(value, func(text string) string {
				at, err := time.Parse(timeLayout, text)
				if err != nil {
					t.Fatal(err)
				}
				return at.Add(time.Duration(night) * time.Second).Format(timeLayout)
			})
		}
		return parsed
	}
	var alerts []postedAlert
	for _, match := range foundAlert.FindAllStringSubmatch(output, -1) {
		alerts = append(alerts, postedAlert{Labels: parse(match[1]), Annotations: parse(match[2])})
	}
	if len(alerts) == 0 {
		t.Fatalf("no alerts: %s", output)
	}
	return alerts
}

// TestNotifications_OneCauseIsOneNotification checks inhibitions with the real Alertmanager: they apply to the same
// exporter and credential only. A rate limit does not explain delayed polls.
func TestNotifications_OneCauseIsOneNotification(t *testing.T) {
	m := &monitoring{T: t, dir: t.TempDir(), alertmanagerAddress: testutil.FreeAddress(t)}
	m.start(testutil.NeedTool(t, "prometheus-alertmanager", "prometheus-alertmanager"), "--config.file="+alertmanagerPath,
		"--storage.path="+m.dir, "--web.listen-address="+m.alertmanagerAddress, "--cluster.listen-address=")
	m.waitForBody(m.alertmanagerAddress+"/-/ready", "OK")
	alert := func(name, exporter string) postedAlert {
		return postedAlert{StartsAt: time.Now(), Labels: map[string]string{
			"alertname": name, "exporter": exporter, "credential": "default", "category": "operations",
			"severity": "info", // info is not sent
		}}
	}
	want := map[string]string{
		"AtlasRestoreCredentialRejected of production": "active",
		"AtlasRestoreCannotPoll of production":         "suppressed",
		"AtlasRestoreCannotPoll of analytics":          "active",
		"AtlasRestoreRateLimited of production":        "active",
		"AtlasRestorePollsDelayed of production":       "active",
	}
	var alerts []postedAlert
	for text := range want {
		name, exporter, _ := strings.Cut(text, " of ")
		alerts = append(alerts, alert(name, exporter))
	}
	post(t, "http://"+m.alertmanagerAddress+"/api/v2/alerts", alerts)
	var got map[string]string
	testutil.Eventually(t, func() bool {
		_, body := fetch(t, "http://"+m.alertmanagerAddress+"/api/v2/alerts")
		var alerts []struct {
			Labels map[string]string
			Status struct{ State string }
		}
		if err := json.Unmarshal([]byte(body), &alerts); err != nil {
			t.Fatal(err)
		}
		got = map[string]string{}
		for _, a := range alerts {
			got[a.Labels["alertname"]+" of "+a.Labels["exporter"]] = a.Status.State
		}
		return maps.Equal(got, want)
	}, func() string { return fmt.Sprintf("alerts are %v, want %v", got, want) })
}

// resolve lets sendAlerts resolve the alerts after their notification, and return only the messages about that.
const resolve = true

// sendAlerts sends alerts to a new Alertmanager with the routes and templates of deploy/alertmanager, without waiting
// times and inhibitions. It returns the given number of messages, sorted by recipient.
func sendAlerts(t *testing.T, alertmanager string, alerts []postedAlert, expected int, thenResolve ...bool) []message {
	t.Helper()
	r, address := startReceivers(t), testutil.FreeAddress(t)
	m := &monitoring{T: t, dir: t.TempDir()}
	m.start(alertmanager, "--config.file="+r.writeConfig(m.dir), "--storage.path="+m.dir,
		"--web.listen-address="+address, "--web.external-url=https://alertmanager.example.net", "--web.route-prefix=/",
		"--cluster.listen-address=")
	m.waitForBody(address+"/-/ready", "OK")
	received := func() []message {
		post(t, "http://"+address+"/api/v2/alerts", alerts)
		testutil.Eventually(t, func() bool { return len(r.received()) >= expected }, func() string {
			return fmt.Sprintf("%d of %d messages: %v", len(r.received()), expected, r.received())
		})
		return r.received()
	}
	for i := range alerts {
		alerts[i].StartsAt = time.Now()
	}
	all := received()
	if len(thenResolve) > 0 {
		now := time.Now()
		for i := range alerts {
			alerts[i].EndsAt = now
		}
		expected++
		all = received()[len(all):]
		for i := range all {
			all[i].text = strings.ReplaceAll(all[i].text, alerts[0].EndsAt.UTC().Format(timeLayout), "2026-11-07 04:10 UTC")
		}
	}
	slices.SortFunc(all, func(a, b message) int { return cmp.Compare(a.to, b.to) })
	return all
}

var waitingTime = regexp.MustCompile(`(group_wait|group_interval): \S+`)

// writeConfig writes the configuration of Alertmanager, and returns its path.
func (r *receivers) writeConfig(dir string) string {
	r.Helper()
	config := testutil.ReadFile(r, alertmanagerPath)
	before, inhibitions, ok := strings.Cut(config, "\ninhibit_rules:")
	_, after, _ := strings.Cut(inhibitions, "\nreceivers:")
	if !ok || after == "" {
		r.Fatal("no inhibit_rules before receivers")
	}
	config = before + "\nreceivers:" + after
	config = waitingTime.ReplaceAllString(config, "$1: 1s")
	config = strings.Replace(config, "\nglobal:\n", "\nglobal:\n  smtp_require_tls: false\n  pagerduty_url: "+r.url+
		"/pagerduty\n", 1)
	config = strings.ReplaceAll(config, "localhost:25", r.smtpAddress)
	for _, file := range regexp.MustCompile(`/etc/alertmanager/(\S+)`).FindAllStringSubmatch(config, -1) {
		content := file[1] // of a file with a routing key
		if content == "slack-url" {
			content = r.url + "/slack"
		}
		testutil.WriteFile(r, filepath.Join(dir, file[1]), content)
	}
	config = strings.ReplaceAll(config, "/etc/alertmanager/", dir+"/")
	path := filepath.Join(dir, "alertmanager.yaml")
	testutil.WriteFile(r, path, config)
	testutil.WriteFile(r, filepath.Join(dir, filepath.Base(templatesPath)), testutil.ReadFile(r, templatesPath))
	return path
}

func post(t *testing.T, url string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, response.Status)
	}
}
