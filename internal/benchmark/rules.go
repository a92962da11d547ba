package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

// evaluations is how often each rule is evaluated before the first measurement: by then, all recorded series exist.
const evaluations = 4

// ruleGroup is a group of rules as Prometheus reports it.
type ruleGroup struct {
	Name           string
	EvaluationTime float64
	Interval       float64
	LastEvaluation time.Time
	Rules          []struct {
		Name, Query, Health, LastError string
		EvaluationTime                 float64
		Alerts                         []json.RawMessage
	}
}

// rules measures the evaluation of the shipped rules by a real Prometheus, an executable in PATH: first with an
// exporter of a number of clusters, each of which has four jobs with per-job series, then with alerts for 500 of the
// clusters. It prints the durations of groups and of rules.
func rules(ctx context.Context, executable string, clusters int, interval, duration time.Duration) (figures, error) {
	prometheus, err := exec.LookPath(executable)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rules")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	measured := figures{}
	for _, failed := range []int{0, min(500, clusters)} {
		text, err := exposition(ctx, clusters, failed)
		if err != nil {
			return nil, err
		}
		result, err := evaluate(ctx, prometheus, filepath.Join(dir, strconv.Itoa(failed)), text, interval, duration)
		if err != nil {
			return nil, err
		}
		fmt.Printf("\nalerts for %d clusters\n\n", failed)
		if measured[withAlerts(rulesDuration, failed)], err = printGroups(result); err != nil {
			return nil, err
		}
		measured[withAlerts(rulesCPU, failed)] = result.cpu * 30e3
		measured[rulesMajor], measured[rulesMinor] = result.major, result.minor
		if failed == 0 {
			measured[rulesSeries], measured[rulesJobSeries] = countSeries(text)
		}
	}
	return measured, nil
}

// countSeries returns the number of series of a text, and how many of them are per-job series.
func countSeries(text string) (series, perJob float64) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			series++
		}
		if strings.HasPrefix(line, "mongodbatlas_restore_job_") {
			perJob++
		}
	}
	return series, perJob
}

// evaluation is the result of evaluating rules for a while.
type evaluation struct {
	began        time.Time
	groups       [][]ruleGroup // after each interval
	cpu          float64       // seconds of CPU time of Prometheus per second
	major, minor float64       // version of Prometheus
}

// The figures of the rules. Those of an evaluation also contain the number of clusters with alerts.
const (
	rulesMajor     = "major version of Prometheus"
	rulesMinor     = "minor version of Prometheus"
	rulesSeries    = "series"
	rulesJobSeries = "series per job"
	rulesDuration  = "milliseconds of evaluation per 30 s"
	rulesCPU       = "milliseconds of CPU time per 30 s, scrapes included"
)

func withAlerts(name string, clusters int) string {
	return fmt.Sprintf("%s, %d alerts", name, clusters)
}

// exposition returns the metrics of an exporter that has polled a number of clusters. The latest restore of some
// clusters failed.
func exposition(ctx context.Context, clusters, failed int) (string, error) {
	const apart, jobs = 12 * time.Hour, 4
	sim, targets := newAtlas(clusters, jobs, apart)
	sim.Capacity = -1
	var projects strings.Builder
	for i, target := range targets {
		if i%clustersPerProject == 0 {
			fmt.Fprintf(&projects, "  - {project_id: %s}\n", target.ProjectID)
		}
		if i < failed {
			sim.AddJobs(target.List, atlastest.Job{
				Created: time.Now().Add(-time.Hour), Takes: 5 * time.Minute, Outcome: atlastest.Fails,
				TargetClusterName: target.ClusterName,
			})
		}
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	dir, err := os.MkdirTemp("", "exporter")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithCancel(ctx)
	defer children.Wait()
	defer cancel()
	base, _, err := startExporter(ctx, dir, strings.TrimPrefix(server.URL, "http://"), fmt.Sprintf(`
objectives: {duration: 4h, drill_age: 90d, recovery_point_age: 2d, expiry_notice: 1h}
tag_labels: {team: owner, environment: env}
drill_targets: &all
%sallowed_targets: *all
`, projects.String()))
	if err != nil {
		return "", err
	}
	return get(ctx, base+"/metrics")
}

// evaluate lets Prometheus scrape an exporter with the given text and evaluate the rules.
func evaluate(
	ctx context.Context, prometheus, dir, text string, interval, duration time.Duration,
) (measured evaluation, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer children.Wait()
	defer cancel()
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, text)
	}))
	defer exporter.Close()
	shipped, err := filepath.Abs(filepath.Join("..", "..", "deploy", "prometheus", "rules.yaml"))
	if err != nil {
		return measured, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return measured, err
	}
	config := fmt.Sprintf(`global: {scrape_interval: %[1]s, evaluation_interval: %[1]s}
rule_files: [%[2]q]
scrape_configs:
  - {job_name: atlas-restore, static_configs: [{targets: [%[3]q]}]}
  - {job_name: prometheus, static_configs: [{targets: [%[4]q]}]}
`, interval, shipped, strings.TrimPrefix(exporter.URL, "http://"), address)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return measured, err
	}
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yaml"), []byte(config), 0o600); err != nil {
		return measured, err
	}
	if err := start(child(ctx, prometheus,
		"--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")); err != nil {
		return measured, err
	}
	base := "http://" + address
	if err := sleep(ctx, evaluations*interval); err != nil {
		return measured, err
	}
	before, err := resources(ctx, base)
	if err != nil {
		return measured, err
	}
	measured.began = time.Now()
	if measured.groups, err = durations(ctx, base, interval, duration); err != nil {
		return measured, err
	}
	after, err := resources(ctx, base)
	if err != nil {
		return measured, err
	}
	measured.cpu = (after[cpuSeconds] - before[cpuSeconds]) / time.Since(measured.began).Seconds()
	measured.major, measured.minor, err = prometheusVersion(ctx, base)
	return measured, err
}

// prometheusVersion returns the version of a Prometheus.
func prometheusVersion(ctx context.Context, base string) (major, minor float64, err error) {
	text, err := get(ctx, base+"/api/v1/status/buildinfo")
	if err != nil {
		return 0, 0, err
	}
	var response struct{ Data struct{ Version string } }
	if err := json.Unmarshal([]byte(text), &response); err != nil {
		return 0, 0, err
	}
	var numbers [2]int
	if _, err := fmt.Sscanf(response.Data.Version, "%d.%d", &numbers[0], &numbers[1]); err != nil {
		return 0, 0, fmt.Errorf("version %q of Prometheus: %w", response.Data.Version, err)
	}
	return float64(numbers[0]), float64(numbers[1]), nil
}

// durations returns the groups after each evaluation within the given time.
func durations(ctx context.Context, base string, interval, duration time.Duration) ([][]ruleGroup, error) {
	var measured [][]ruleGroup
	for start := time.Now(); time.Since(start) < duration; {
		if err := sleep(ctx, interval); err != nil {
			return nil, err
		}
		text, err := get(ctx, base+"/api/v1/rules")
		if err != nil {
			return nil, err
		}
		var response struct{ Data struct{ Groups []ruleGroup } }
		if err := json.Unmarshal([]byte(text), &response); err != nil {
			return nil, err
		}
		measured = append(measured, response.Data.Groups)
	}
	return measured, nil
}

// printGroups prints the median and the longest duration of each group, and the most expensive rules. It returns the
// milliseconds per 30 s of all groups. Only evaluations since the beginning count: before it, series were missing.
func printGroups(measured evaluation) (float64, error) {
	fmt.Printf("%-30s %8s %5s %6s %6s %7s\n", "group", "interval", "rules", "alerts", "median", "longest")
	last := measured.groups[len(measured.groups)-1]
	var sum float64
	type cost struct {
		rule string
		ms   float64
	}
	var costs []cost
	for i, group := range last {
		var counted [][]ruleGroup
		for _, groups := range measured.groups {
			if groups[i].LastEvaluation.After(measured.began) {
				counted = append(counted, groups)
			}
		}
		if len(counted) == 0 {
			return 0, fmt.Errorf("group %s was not evaluated; set -duration to more than %.0f s", group.Name, group.Interval)
		}
		alerts := 0
		for j, rule := range group.Rules {
			alerts += len(rule.Alerts)
			if rule.Health != "ok" {
				fmt.Printf("%s: %s\n", rule.Name, rule.LastError)
			}
			times := sorted(counted, func(groups []ruleGroup) float64 { return groups[i].Rules[j].EvaluationTime })
			costs = append(costs, cost{fmt.Sprintf("%s #%d %s", group.Name, j, rule.Name), times[len(times)/2] * 1e3})
		}
		times := sorted(counted, func(groups []ruleGroup) float64 { return groups[i].EvaluationTime })
		median := times[len(times)/2]
		sum += median * 30 / max(group.Interval, 30)
		fmt.Printf("%-30s %6.0f s %5d %6d %3.0f ms %4.0f ms\n", group.Name, group.Interval, len(group.Rules), alerts,
			median*1e3, times[len(times)-1]*1e3)
	}
	fmt.Print("\nmost expensive rules (median):\n")
	slices.SortFunc(costs, func(a, b cost) int { return cmp.Compare(b.ms, a.ms) })
	for _, c := range costs[:min(len(costs), 15)] {
		fmt.Printf("%6.0f ms  %s\n", c.ms, c.rule)
	}
	return sum * 1e3, nil
}

func sorted(measured [][]ruleGroup, value func([]ruleGroup) float64) []float64 {
	values := make([]float64, len(measured))
	for i, groups := range measured {
		values[i] = value(groups)
	}
	slices.Sort(values)
	return values
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return string(body), err
}
