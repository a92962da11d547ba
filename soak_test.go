package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"go.uber.org/goleak"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
)

// soakTime is the environment variable that says for how long to soak, as `make soak` sets it.
const soakTime = "SOAK"

// Time passes 1200 times as fast as with the default interval of a minute, and limits are such that they are reached
// within seconds.
const (
	soakInterval     = 50 * time.Millisecond
	soakLongInterval = 250 * time.Millisecond // of a list of several pages
	soakTimeout      = 700 * time.Millisecond
	soakSweep        = 3 * time.Second
	soakStale        = 2 * time.Second
	soakMaxAge       = 30 * time.Second
	soakMaxJobs      = 60
	soakSearch       = 300 * time.Millisecond
	soakListed       = 80   // jobs of a list in Atlas, before the oldest disappear
	soakLongListed   = 1600 // the same, of the list of several pages

	soakFaults = 0.005            // of all requests
	soakStuck  = 15 * time.Second // without the end of a poll
)

// soak is an exporter and everything that goes on around it.
type soak struct {
	*testing.T
	sim        *atlastest.Server
	atlas      string // its address
	configFile string
	base       string                  // where the exporter serves
	jobs       map[atlas.List][]string // in Atlas, oldest first
	found      []string                // clusters that nobody has configured, oldest first
	clusters   int                     // of these, ever

	mu       sync.Mutex
	done     map[string]int // what was done, and how often
	accounts int            // service accounts so far
}

// counts returns what was done so far.
func (s *soak) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.done)
}

// count counts what was done.
func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[what]++
}

// The lists that are polled, besides a long one.
var soakLists = []atlas.List{
	{ProjectID: soakPayments, ClusterName: "prod-0", BackupType: atlas.Dedicated},
	{ProjectID: soakPayments, ClusterName: "prod-0", BackupType: atlas.Collection},
	{ProjectID: soakPayments, ClusterName: "prod-1", BackupType: atlas.Dedicated},
	{ProjectID: soakPayments, ClusterName: "prod-2", BackupType: atlas.Dedicated},
	{ProjectID: soakPayments, ClusterName: "team-0", BackupType: atlas.Flex},
	{ProjectID: soakPayments, ClusterName: "old-0", BackupType: atlas.Legacy},
	{ProjectID: soakAnalytics, ClusterName: "events-0", BackupType: atlas.Dedicated},
	{ProjectID: soakAnalytics, ClusterName: "events-1", BackupType: atlas.Collection},
	{ProjectID: soakAnalytics, ClusterName: "team-1", BackupType: atlas.Flex},
}

var soakLong = atlas.List{ProjectID: soakAnalytics, ClusterName: "team-2", BackupType: atlas.Flex}

const (
	soakPayments  = "32b6e34b3d91647abb20e7b8"
	soakAnalytics = "5f3a1b2c4d5e6f7a8b9c0d1e"
)

// TestSoak lets days of polls pass: over real sockets, while jobs come, change and disappear, Atlas fails, the
// configuration changes, and several scrape. Memory, goroutines and file descriptors must not grow, and no poll may get
// stuck.
func TestSoak(t *testing.T) {
	wanted := os.Getenv(soakTime)
	if wanted == "" {
		t.Skip("it takes minutes: make soak, or SOAK=2m go test -v -run TestSoak .")
	}
	length, err := time.ParseDuration(wanted)
	if err != nil || length < time.Minute {
		t.Fatalf("%s=%s: want a duration of at least a minute", soakTime, wanted)
	}
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // the last to run
	s := newSoak(t)
	ctx, stop := context.WithCancel(t.Context())
	served := s.serve(ctx)

	var around sync.WaitGroup
	goOn, rest := context.WithCancel(ctx)
	for _, activity := range s.activities() {
		around.Go(func() { activity.run(goOn) })
	}
	samples := s.watch(length)
	rest()
	around.Wait()
	stop()
	if err := <-served; err != nil {
		t.Errorf("it ended with %v", err)
	}
	s.judge(samples)
	s.report(length, samples)
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{T: t, sim: atlastest.New(), configFile: filepath.Join(t.TempDir(), "config.yaml"), done: map[string]int{}, jobs: map[atlas.List][]string{}}
	s.sim.Capacity = -1 // the real limit is for a hundredth of these polls
	s.sim.NonceLife = 5 * time.Second
	s.sim.AddAPIKey("public", secret)
	kinds := map[atlas.BackupType]atlastest.ClusterKind{
		atlas.Dedicated: atlastest.DedicatedCluster, atlas.Collection: atlastest.DedicatedCluster,
		atlas.Flex: atlastest.FlexCluster, atlas.Legacy: atlastest.LegacyCluster,
	}
	s.sim.AddProject(soakPayments, "Payments")
	s.sim.AddProject(soakAnalytics, "Analytics")
	for _, list := range append(slices.Clone(soakLists), soakLong) {
		s.sim.AddCluster(list.ProjectID, list.ClusterName, kinds[list.BackupType])
	}
	s.sim.Script(func(*http.Request) bool { return rand.Float64() < soakFaults }, 0, http.HandlerFunc(s.fault))
	server := httptest.NewServer(s.sim)
	t.Cleanup(server.Close)
	s.atlas = server.URL
	s.fill()
	s.configure("")
	return s
}

// soakAnswers are what goes wrong at Atlas, or on the way.
var soakAnswers = map[string]http.Handler{
	"server error":    atlastest.APIError(http.StatusInternalServerError, "UNEXPECTED_ERROR", "Unexpected error."),
	"bad gateway":     atlastest.Status(http.StatusBadGateway),
	"rate limit":      atlastest.RetryAfter("1"),
	"no rest":         atlastest.BreakOff(),
	"no answer":       atlastest.Hang(),
	"a slow answer":   atlastest.Slow(100 * time.Millisecond),
	"somebody else":   atlastest.Body(http.StatusOK, "text/html", "<html>sign in</html>"),
	"another place":   atlastest.Redirect("https://example.net/"),
	"a huge answer":   atlastest.Huge(20<<20, true),
	"no such cluster": atlastest.APIError(http.StatusNotFound, "CLUSTER_NOT_FOUND", "No cluster."),
}

// fault answers with one of them.
func (s *soak) fault(w http.ResponseWriter, r *http.Request) {
	what := soakAnswerNames[rand.IntN(len(soakAnswerNames))]
	s.count("fault: " + what)
	soakAnswers[what].ServeHTTP(w, r)
}

var soakAnswerNames = slices.Sorted(maps.Keys(soakAnswers))

// configure writes the configuration: the same targets, but for a cluster that may be left out, and now and then another
// service account. Targets that stay as they are must not be touched by that.
func (s *soak) configure(leaveOut string) {
	if s.accounts == 0 || rand.IntN(8) == 0 {
		s.accounts++
	}
	account := fmt.Sprintf("mdb_sa_id_%d", s.accounts)
	s.sim.AddServiceAccount(account, secret)
	types := map[string]map[string][]string{soakPayments: {}, soakAnalytics: {}}
	for _, list := range append(slices.Clone(soakLists), soakLong) {
		if list.ClusterName != leaveOut {
			clusters := types[list.ProjectID]
			clusters[list.ClusterName] = append(clusters[list.ClusterName], string(list.BackupType))
		}
	}
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, `
atlas: {base_url: %q}
credentials:
  account: {service_account: {client_id: %s, client_secret: %s}}
  key: {api_key: {public_key: public, private_key: %s}}
objectives: {duration: 1h, drill_age: 30d}
allowed_targets: [{project_id: %s}]
projects:
`, s.atlas, account, secret, secret, soakPayments)
	for projectID, credential := range map[string]string{soakPayments: "account", soakAnalytics: "key"} {
		_, _ = fmt.Fprintf(&text, "  - id: %q\n    credential: %s\n    clusters:\n", projectID, credential)
		for cluster, backupTypes := range types[projectID] {
			_, _ = fmt.Fprintf(&text, "      - {name: %s, backup_types: [%s]}\n", cluster, strings.Join(backupTypes, ", "))
		}
	}
	text.WriteString("  - credential: account\n    discovery: {include: ^found-}\n")
	writeFile(s.T, s.configFile, text.String())
}

// load reads the configuration and makes time pass faster than it allows.
func (s *soak) load() (*Config, error) {
	config, err := LoadConfig(s.configFile)
	if err != nil {
		return nil, err
	}
	for i := range config.Targets {
		hurry(&config.Targets[i])
		if config.Targets[i].List == soakLong {
			config.Targets[i].Interval = soakLongInterval
		}
	}
	for i := range config.Discoveries {
		hurry(&config.Discoveries[i].Target)
	}
	config.DiscoveryInterval = soakSearch
	return config, nil
}

func hurry(target *collector.Target) {
	target.Interval, target.Timeout = soakInterval, soakTimeout
	target.SweepInterval, target.StaleAfter = soakSweep, soakStale
	target.History = collector.HistoryLimits{MaxAge: soakMaxAge, MaxJobs: soakMaxJobs}
	target.JobSeries = collector.JobSeriesLimits{MaxAge: soakMaxAge, MaxPerTarget: soakMaxJobs / 3}
}

// changeClusters makes a cluster that is to be found, and has the oldest of these go.
func (s *soak) changeClusters() {
	const most = 5
	s.clusters++
	list := atlas.List{ProjectID: soakAnalytics, ClusterName: fmt.Sprintf("found-%d", s.clusters), BackupType: atlas.Flex}
	s.sim.AddCluster(list.ProjectID, list.ClusterName, atlastest.FlexCluster)
	s.sim.AddJobs(list, atlastest.Job{Takes: time.Second})
	s.found = append(s.found, list.ClusterName)
	if len(s.found) > most {
		s.sim.RemoveCluster(soakAnalytics, s.found[0])
		s.found = slices.Clone(s.found[1:])
	}
	s.count("clusters made")
}

// serve starts the exporter, and waits until it serves.
func (s *soak) serve(ctx context.Context) (ended <-chan error) {
	s.Helper()
	config, err := s.load()
	if err != nil {
		s.Fatal(err)
	}
	app := &app{logger: slog.New(messages{s}), build: buildInfo()}
	bound, result := make(chan net.Addr, 1), make(chan error, 1)
	flags := webFlags{ListenAddress: []string{"127.0.0.1:0"}, EnableLifecycle: true}
	go func() {
		result <- app.serve(ctx, config, s.load, flags, "", func(address net.Addr) { bound <- address })
	}()
	select {
	case address := <-bound:
		s.base = "http://" + address.String()
	case err := <-result:
		s.Fatal(err)
	}
	return result
}

// messages is a log that is only counted.
type messages struct{ *soak }

func (messages) Enabled(context.Context, slog.Level) bool { return true }

func (m messages) Handle(_ context.Context, record slog.Record) error {
	m.count("log: " + record.Message)
	return nil
}

func (m messages) WithAttrs([]slog.Attr) slog.Handler { return m }

func (m messages) WithGroup(string) slog.Handler { return m }

// activity is something that goes on all the time, and how often.
type activity struct {
	every time.Duration
	do    func()
}

func (s *soak) activities() []activity {
	activities := []activity{
		{20 * time.Millisecond, s.changeJobs},
		{5 * time.Second, s.reload},
		{700 * time.Millisecond, s.changeClusters},
		{time.Second, s.sim.ForgetRequests},
		{time.Second, s.page},
	}
	for what, header := range map[string][2]string{
		"text": {"Accept", "text/plain"}, "gzip": {"Accept-Encoding", "gzip"},
		"OpenMetrics": {"Accept", "application/openmetrics-text; version=1.0.0"},
		"protobuf":    {"Accept", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"},
	} {
		client := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: soakStuck}
		s.Cleanup(client.CloseIdleConnections)
		activities = append(activities, activity{500 * time.Millisecond, func() { s.scrape(client, what, header) }})
	}
	return activities
}

func (a activity) run(ctx context.Context) {
	ticker := time.NewTicker(a.every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		a.do()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// fill puts as many jobs into the long list as it will have.
func (s *soak) fill() {
	start := time.Now().Add(-soakLongListed * time.Second)
	for i := range soakLongListed {
		job := atlastest.Job{Created: start.Add(time.Duration(i) * time.Second), Takes: time.Second}
		s.jobs[soakLong] = append(s.jobs[soakLong], s.sim.AddJobs(soakLong, job)...)
	}
}

// changeJobs makes a job in some list, and has the oldest disappear where there are many.
func (s *soak) changeJobs() {
	list, most, atOnce := soakLong, soakLongListed+100, 100
	if i := rand.IntN(len(soakLists) + 1); i < len(soakLists) {
		list, most, atOnce = soakLists[i], soakListed, 1
	}
	job := atlastest.Job{
		Queued: time.Duration(rand.IntN(500)) * time.Millisecond, Takes: time.Duration(1+rand.IntN(3000)) * time.Millisecond,
		Outcome: atlastest.Outcome(rand.IntN(3)), LinkLife: time.Duration(1+rand.IntN(4)) * time.Second, Documents: 1000,
	}
	if rand.IntN(20) == 0 {
		job.Takes = 0 // it never ends
	}
	switch {
	case list.BackupType == atlas.Collection || rand.IntN(3) > 0:
	case list.BackupType == atlas.Flex:
		job.Delivery = "DOWNLOAD"
	default:
		job.Delivery, job.Shards = "download", rand.IntN(3)
	}
	s.jobs[list] = append(s.jobs[list], s.sim.AddJobs(list, job)...)
	s.count("jobs made")
	if len(s.jobs[list]) <= most {
		return
	}
	for _, id := range s.jobs[list][:atOnce] {
		s.sim.RemoveJob(list, id)
		s.count("jobs that disappeared")
	}
	s.jobs[list] = slices.Clone(s.jobs[list][atOnce:])
}

// reload has the configuration changed: mostly for another good one, now and then for one with a mistake.
func (s *soak) reload() {
	want := http.StatusOK
	switch rand.IntN(4) {
	case 0:
		s.configure("")
	case 1:
		s.configure("prod-1")
	case 2:
		s.configure("team-1")
	default:
		writeFile(s.T, s.configFile, "mistake: 1\n")
		want = http.StatusInternalServerError
	}
	if status := post(s.T, s.base+"/-/reload"); status != want && s.Context().Err() == nil {
		s.Errorf("reload: %d, want %d", status, want)
	}
	s.count(fmt.Sprintf("reloads with status %d", want))
}

func (s *soak) page() {
	if status, body := fetch(s.T, nil, s.base+"/"); status != http.StatusOK {
		s.Errorf("the page: %d %s", status, body)
	}
	s.count("status pages")
}

// scrape scrapes in a format, and wants it whole.
func (s *soak) scrape(client *http.Client, what string, header [2]string) {
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.base+"/metrics", http.NoBody)
	if err != nil {
		s.Error(err)
		return
	}
	request.Header.Set(header[0], header[1])
	response, err := client.Do(request)
	if err != nil {
		s.Errorf("%s: %v", what, err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = whole(what, body)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		s.Errorf("%s: %s, %v", what, response.Status, err)
	}
	s.count("scrapes: " + what)
}

// whole wants an exposition to be what was asked for, to its end.
func whole(what string, body []byte) error {
	const family = "mongodbatlas_restore_target_info"
	text := body
	switch what {
	case "gzip":
		zipped, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return err
		}
		if text, err = io.ReadAll(zipped); err != nil {
			return err
		}
	case "OpenMetrics":
		if !bytes.HasSuffix(body, []byte("\n# EOF\n")) {
			return errors.New("it has no end")
		}
	case "protobuf":
		for rest := body; len(rest) > 0; {
			size, length := binary.Uvarint(rest)
			if length <= 0 || size > uint64(len(rest)-length) {
				return errors.New("it is cut off")
			}
			rest = rest[length+int(size):]
		}
	}
	if !bytes.Contains(text, []byte(family)) {
		return errors.New("it has no " + family)
	}
	return nil
}

// sample is what is held to account.
type sample struct {
	after      time.Duration
	heap       uint64 // after garbage collection
	goroutines int
	files      int // descriptors; zero where they can't be counted
	series     int
	known      int // jobs, of the target with the most of them
}

// watch takes samples until the time is over, and looks for polls that are stuck.
func (s *soak) watch(length time.Duration) []sample {
	var samples []sample
	start := time.Now()
	for time.Since(start) < length {
		time.Sleep(length / 100)
		_, metrics := fetch(s.T, nil, s.base+"/metrics")
		next := sample{after: time.Since(start), heap: liveHeap(), goroutines: runtime.NumGoroutine(), files: openFiles()}
		next.series, next.known = s.look(metrics)
		samples = append(samples, next)
	}
	return samples
}

// liveHeap returns how much is in use, with as little as possible of what is only in flight.
func liveHeap() uint64 {
	least := uint64(math.MaxUint64)
	for range 3 {
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		least = min(least, memory.HeapAlloc)
		time.Sleep(10 * time.Millisecond)
	}
	return least
}

// openFiles returns the number of file descriptors, where the system tells.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// look wants every target to have been polled of late, and returns the number of series and of the most known jobs.
func (s *soak) look(metrics string) (series, mostKnown int) {
	known, open := map[string]int{}, map[string]int{}
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		series++
		name, rest, _ := strings.Cut(line, "{")
		labels, text, _ := strings.Cut(rest, "} ")
		value, _ := strconv.ParseFloat(strings.TrimSpace(text), 64)
		switch target := listOf(labels); name {
		case "mongodbatlas_restore_last_poll_timestamp_seconds":
			if ago := time.Since(time.UnixMilli(int64(value * 1000))); ago > soakStuck {
				s.Errorf("%s was polled %v ago", target, ago)
			}
		case "mongodbatlas_restore_jobs":
			known[target] += int(value)
			if strings.Contains(labels, `status="pending"`) || strings.Contains(labels, `status="in_progress"`) || strings.Contains(labels, `status="ready"`) {
				open[target] += int(value)
			}
		}
	}
	for target, jobs := range known {
		if jobs-open[target] > soakMaxJobs {
			s.Errorf("%s has %d known jobs, %d of them open: want %d at most that are not", target, jobs, open[target], soakMaxJobs)
		}
		mostKnown = max(mostKnown, jobs)
	}
	return series, mostKnown
}

// listOf returns the labels that name a list.
func listOf(labels string) string {
	var list []string
	for label := range strings.SplitSeq(labels, ",") {
		switch key, value, _ := strings.Cut(label, "="); key {
		case "project_id", "cluster_name", "backup_type":
			list = append(list, value)
		}
	}
	return strings.Join(list, " ")
}

// windows returns the samples to compare: those from when everything has reached its bounds, and the last ones.
func windows(samples []sample) (early, last []sample) {
	n := len(samples)
	return samples[n/4 : n*45/100], samples[n*80/100:]
}

// least returns the least of something in a window: what is in flight comes on top of it now and then, a leak always.
func least[T int | uint64](window []sample, of func(sample) T) T {
	return of(slices.MinFunc(window, func(a, b sample) int { return cmp.Compare(of(a), of(b)) }))
}

// What may come on top of what there was early.
const (
	heapAllowance      = 1 << 20
	goroutineAllowance = 10
	filesAllowance     = 10
)

// judge wants the last window to need no more than the early one.
func (s *soak) judge(samples []sample) {
	early, last := windows(samples)
	heap := func(s sample) uint64 { return s.heap }
	if before, after := least(early, heap), least(last, heap); after > before+before/10+heapAllowance {
		s.Errorf("the heap grew from %d to %d KiB", before>>10, after>>10)
	}
	goroutines := func(s sample) int { return s.goroutines }
	if before, after := least(early, goroutines), least(last, goroutines); after > before+goroutineAllowance {
		s.Errorf("goroutines grew from %d to %d", before, after)
	}
	files := func(s sample) int { return s.files }
	if before, after := least(early, files), least(last, files); after > before+filesAllowance {
		s.Errorf("file descriptors grew from %d to %d", before, after)
	}
	known := func(s sample) int { return s.known }
	if least(early, known) < soakMaxJobs/2 {
		s.Errorf("only %d jobs were known early: the limits are not reached", least(early, known))
	}
	done := s.counts()
	for _, must := range []string{"log: poll succeeded", "log: poll failed", "log: poll succeeded again", "log: configuration reloaded", "log: targets changed", "jobs that disappeared"} {
		if done[must] == 0 {
			s.Errorf("nothing of this has happened: %s", must)
		}
	}
}

// report prints figures for people to look at.
func (s *soak) report(length time.Duration, samples []sample) {
	early, last := windows(samples)
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	figure := func(what string, of func(sample) int) {
		_, _ = fmt.Fprintf(table, "%s\t%d to %d\t%d to %d\n", what,
			least(early, of), -least(early, func(s sample) int { return -of(s) }),
			least(last, of), -least(last, func(s sample) int { return -of(s) }))
	}
	_, _ = fmt.Fprintf(table, "\tfrom %v to %v\tfrom %v to %v\n", early[0].after.Round(time.Second), early[len(early)-1].after.Round(time.Second),
		last[0].after.Round(time.Second), last[len(last)-1].after.Round(time.Second))
	figure("heap, KiB", func(s sample) int { return int(s.heap >> 10) })
	figure("goroutines", func(s sample) int { return s.goroutines })
	figure("file descriptors", func(s sample) int { return s.files })
	figure("series", func(s sample) int { return s.series })
	figure("known jobs of a list, at most", func(s sample) int { return s.known })
	_ = table.Flush()
	text.WriteString("\n")
	polls, done := 0, s.counts()
	for _, what := range slices.Sorted(maps.Keys(done)) {
		_, _ = fmt.Fprintf(table, "%s\t%d\n", what, done[what])
		if strings.HasPrefix(what, "log: poll ") {
			polls += done[what]
		}
	}
	_ = table.Flush()
	days := float64(polls) / float64(len(soakLists)+1) / (24 * 60)
	s.Logf("%v, %d polls of %d lists: at one a minute, %.1f days\n%s", length, polls, len(soakLists)+1, days, text.String())
}
