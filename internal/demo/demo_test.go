package demo

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/server"
	"atlas-restore-exporter/internal/testutil"
)

// startDemo runs the demo until the test ends. It returns the base URL and the output of the demo.
func startDemo(t *testing.T) (url string, stdout *testutil.Buffer) {
	t.Helper()
	stdout = &testutil.Buffer{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	address := testutil.FreeAddress(t)
	options := server.Options{ListenAddresses: []string{address}, Logger: slog.New(slog.DiscardHandler)}
	go func() { ended <- Run(ctx, stdout, options) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	testutil.Eventually(t, func() bool { return stdout.String() != "" }, func() string { return "no URLs" })
	return "http://" + address, stdout
}

func scrape(t *testing.T, url, accept string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %v", response.StatusCode, err)
	}
	return string(body)
}

func TestRun_ShowsEveryMetricFamily(t *testing.T) {
	url, _ := startDemo(t)
	var missing []string
	testutil.Eventually(t, func() bool {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(scrape(t, url, "text/plain")))
		if err != nil {
			t.Fatal(err)
		}
		missing = nil
		for _, family := range collector.Families() {
			// The demo has more slots than targets, so no poll ever waits.
			const waiting = "mongodbatlas_restore_exporter_oldest_waiting_poll_timestamp_seconds"
			if families[family.Name] == nil && family.Name != waiting {
				missing = append(missing, family.Name)
			}
		}
		return len(missing) == 0
	}, func() string { return "missing families: " + strings.Join(missing, ", ") })
}

// Each pattern matches a sample whose labels are sorted by name.
func TestRun_ShowsTheFactsThatAlertsNeed(t *testing.T) {
	url, _ := startDemo(t)
	patterns := map[string]*regexp.Regexp{}
	for fact, pattern := range map[string]string{
		"a cluster without backup": `cluster_backup_enabled\{cluster_name="scratch",.*\} 0`,
		"the team payments":        `cluster_info\{.*cluster_name="orders",cluster_team="payments",`,
		"the team data": `cluster_info\{cluster_environment="development",cluster_name="scratch",` +
			`cluster_team="data",`,
		"a configured team":             `cluster_info\{.*cluster_name="archive",cluster_team="compliance",`,
		"a drill":                       `last_success_timestamp_seconds\{.*cluster_name="prod-eu",.*purpose="drill",`,
		"a failed restore in place":     `last_failure_timestamp_seconds\{.*cluster_name="orders",.*purpose="in_place",`,
		"an index failure":              `last_success_indexes_failed\{.*cluster_name="orders",.*\} 1`,
		"collections without indexes":   `job_index_failed_collections\{.*cluster_name="orders",.*\} 2`,
		"the expiry of a credential":    `exporter_credential_expiry_timestamp_seconds\{credential="demo"\} `,
		"the name of the exporter":      `exporter_info\{exporter="demo",shard="0"\} 1`,
		"the objective of drilled data": `objective_seconds\{.*objective="recovery_point_age",.*\} 172800`,
	} {
		patterns[fact] = regexp.MustCompile("mongodbatlas_restore_" + pattern)
	}
	var missing []string
	testutil.Eventually(t, func() bool {
		metrics := scrape(t, url, "text/plain")
		missing = nil
		for fact, pattern := range patterns {
			if !pattern.MatchString(metrics) {
				missing = append(missing, fact)
			}
		}
		return len(missing) == 0
	}, func() string { return "missing: " + strings.Join(missing, ", ") })
}

func TestRun_ShowsADrillOfAnOldSnapshot(t *testing.T) {
	url, _ := startDemo(t)
	drill := regexp.MustCompile(`last_success_recovery_point_timestamp_seconds\{.*` +
		`cluster_name="prod-us",delivery_type="automated",.*purpose="drill"\} (\S+)`)
	var found []string
	testutil.Eventually(t, func() bool {
		found = drill.FindStringSubmatch(scrape(t, url, "text/plain"))
		return found != nil
	}, func() string { return "no recovery point of a drill" })
	seconds, err := strconv.ParseFloat(found[1], 64)
	if age := time.Since(time.Unix(int64(seconds), 0)); err != nil || age < 179*day {
		t.Errorf("the data that was restored is %v old: %v", age, err)
	}
}

func TestConfigFile_HasACredentialThatExpiresInTenDays(t *testing.T) {
	cfg, err := config.Parse("demo", configFile(newOrganization(), "http://localhost"))
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(cfg.CredentialExpiry["demo"])
	if left < 10*day-time.Minute || left > 11*day || len(cfg.Warnings) > 0 {
		t.Errorf("the credential expires in %v; warnings %q", left, cfg.Warnings)
	}
}

func TestRun_ServesOpenMetrics(t *testing.T) {
	url, _ := startDemo(t)
	if body := scrape(t, url, "application/openmetrics-text; version=1.0.0"); !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("the response ends with %q", body[max(0, len(body)-100):])
	}
}

func TestRun_PrintsURLsForABrowser(t *testing.T) {
	url, stdout := startDemo(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"http://localhost:" + port + "/ ", "http://localhost:" + port + "/metrics "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in %q", want, stdout.String())
		}
	}
}

func TestPrintURLs_DependOnTheWebConfiguration(t *testing.T) {
	webFile := filepath.Join(t.TempDir(), "web.yaml")
	testutil.WriteFile(t, webFile, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
	var stdout testutil.Buffer
	address := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 10058}
	printURLs(&stdout, 3, address, server.Options{WebConfigFile: webFile})
	for _, want := range []string{"3 targets", "https://192.0.2.1:10058/metrics"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in %q", want, stdout.String())
		}
	}
}

func TestOrganization_HasJobsOfEveryBackupType(t *testing.T) {
	var backupTypes []string
	for _, list := range newOrganization().lists {
		backupTypes = append(backupTypes, string(list.BackupType))
	}
	slices.Sort(backupTypes)
	if got := slices.Compact(backupTypes); len(got) != 5 {
		t.Errorf("backup types %v", got)
	}
}

// The example report shows drills with every result of a sign-off, and clusters with different verdicts.
func TestRun_ServesAnExampleReport(t *testing.T) {
	url, _ := startDemo(t)
	status, body := testutil.SendRequest(t, http.DefaultClient, http.MethodGet, url+"/report")
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	for _, want := range []string{
		"<h1>Restore report</h1>", ">pass by Ada Lovelace on ", ">fail by Ada Lovelace on ", ">not validated<",
		`<b class="good">met</b>`, `<b class="bad">missed</b>`, "Collection restores", "old-function",
		"clusters without backup",
	} {
		if !strings.Contains(strings.ToLower(body), strings.ToLower(want)) {
			t.Errorf("the report doesn't contain %s", want)
		}
	}
	status, _ = testutil.SendRequest(t, http.DefaultClient, http.MethodPost, url+"/report")
	if status != http.StatusMethodNotAllowed {
		t.Errorf("status %d of POST", status)
	}
}
