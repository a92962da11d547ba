package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	Rules          []struct {
		Name, Query, Health, LastError string
		EvaluationTime                 float64
		Alerts                         []json.RawMessage
	}
}

// rules measures the evaluation of the shipped rules by a real Prometheus: with an exporter of a number of clusters,
// each of which has four jobs with per-job series, and the same with alerts for 500 of the clusters.
func rules(ctx context.Context, clusters int, interval, duration time.Duration) error {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		return err
	}
	for _, failed := range []int{0, min(500, clusters)} {
		text, err := exposition(ctx, clusters, failed)
		if err != nil {
			return err
		}
		perJob := 0
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "mongodbatlas_restore_job_") {
				perJob++
			}
		}
		fmt.Printf("\n%d clusters, %d series, %d of them per job, failed restores of %d clusters\n\n", clusters,
			strings.Count(text, "\n")-strings.Count(text, "\n#"), perJob, failed)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = io.WriteString(w, text)
		}))
		err = evaluate(ctx, prometheus, strings.TrimPrefix(server.URL, "http://"), interval, duration)
		server.Close()
		if err != nil {
			return err
		}
	}
	return nil
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "exporter")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	base, err := startExporter(ctx, dir, strings.TrimPrefix(server.URL, "http://"), fmt.Sprintf(`
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

// evaluate lets Prometheus scrape an exporter and evaluate the rules, and prints how long that took.
func evaluate(ctx context.Context, prometheus, exporter string, interval, duration time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "rules")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shipped, err := filepath.Abs(filepath.Join("..", "..", "deploy", "prometheus", "rules.yaml"))
	if err != nil {
		return err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`global: {scrape_interval: %[1]s, evaluation_interval: %[1]s}
rule_files: [%[2]q]
scrape_configs:
  - {job_name: atlas-restore, static_configs: [{targets: [%[3]q]}]}
  - {job_name: prometheus, static_configs: [{targets: [%[4]q]}]}
`, interval, shipped, exporter, address)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, prometheus, //nolint:gosec // found in PATH
		"--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return err
	}
	defer func() { _ = command.Wait() }() // killed when ctx is canceled, before
	defer cancel()
	base := "http://" + address
	time.Sleep(evaluations * interval)
	before, err := resources(ctx, base)
	if err != nil {
		return err
	}
	start := time.Now()
	groups, err := durations(ctx, base, interval, duration)
	if err != nil {
		return err
	}
	after, err := resources(ctx, base)
	if err != nil {
		return err
	}
	printGroups(groups)
	fmt.Printf("Prometheus used %.1f s of CPU per 30 s, scrapes included\n",
		(after[cpuSeconds]-before[cpuSeconds])/time.Since(start).Seconds()*30)
	return nil
}

// durations returns the groups after each evaluation within the given time.
func durations(ctx context.Context, base string, interval, duration time.Duration) ([][]ruleGroup, error) {
	var measured [][]ruleGroup
	for start := time.Now(); time.Since(start) < duration; time.Sleep(interval) {
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
	if len(measured) == 0 {
		return nil, errors.New("the duration is shorter than the interval")
	}
	return measured, nil
}

// printGroups prints the median and the longest duration of each group, and the most expensive rules.
func printGroups(measured [][]ruleGroup) {
	table("group", "interval in s", "rules", "alerts", "median ms", "longest ms")
	last := measured[len(measured)-1]
	var sum float64
	type cost struct {
		rule string
		ms   float64
	}
	var costs []cost
	for i, group := range last {
		alerts := 0
		for j, rule := range group.Rules {
			alerts += len(rule.Alerts)
			if rule.Health != "ok" {
				fmt.Printf("%s: %s\n", rule.Name, rule.LastError)
			}
			times := sorted(measured, func(groups []ruleGroup) float64 { return groups[i].Rules[j].EvaluationTime })
			costs = append(costs, cost{fmt.Sprintf("%s #%d %s", group.Name, j, rule.Name), times[len(times)/2] * 1e3})
		}
		times := sorted(measured, func(groups []ruleGroup) float64 { return groups[i].EvaluationTime })
		median := times[len(times)/2]
		sum += median * 30 / max(group.Interval, 30)
		row(group.Name, group.Interval, len(group.Rules), alerts, fmt.Sprintf("%.0f", median*1e3),
			fmt.Sprintf("%.0f", times[len(times)-1]*1e3))
	}
	fmt.Printf("\nall groups: %.0f ms per 30 s\nmost expensive rules (median):\n", sum*1e3)
	slices.SortFunc(costs, func(a, b cost) int { return cmp.Compare(b.ms, a.ms) })
	for _, c := range costs[:min(len(costs), 15)] {
		fmt.Printf("%6.0f ms  %s\n", c.ms, c.rule)
	}
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
