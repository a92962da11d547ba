package e2e

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/server"
)

// soakVariable is the environment variable with the duration of the soak test.
const soakVariable = "SOAK"

// soak is an exporter, a simulated Atlas API, and everything that happens around them. Unlike in other tests, the
// exporter runs in the process of the test, which measures memory and sets intervals that a configuration file can't
// contain.
type soak struct {
	*testing.T
	sim        *atlastest.Server
	atlasURL   string
	configFile string
	url        string                  // of the exporter
	jobs       map[atlas.List][]string // IDs of the jobs in Atlas, oldest first
	discovered []string                // clusters that aren't configured, oldest first
	created    int                     // number of these clusters, including removed ones
	accounts   int                     // number of service accounts so far

	mu     sync.Mutex
	events map[string]int // number of events by name
}

// Days of polls pass over real sockets. Meanwhile jobs appear, change and disappear, Atlas fails, the configuration
// changes, and clients scrape in every format.
func TestSoak_MemoryGoroutinesAndFilesDoNotGrow(t *testing.T) {
	duration := soakDuration(t)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs last
	s := newSoak(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stopped := s.runExporter(ctx)

	stopActivities := s.startActivities(ctx)
	samples := s.takeSamples(duration)
	stopActivities()
	stop()
	if err := <-stopped; err != nil {
		t.Errorf("the exporter ended with an error: %v", err)
	}
	s.expectNoGrowth(samples)
	s.expectLimitsReached(samples)
	s.expectEvents()
	s.logSummary(duration, samples)
}

// soakDuration skips the test unless the environment contains a duration.
func soakDuration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(soakVariable)
	if text == "" {
		t.Skip("takes minutes: run `make soak`, or set SOAK=2m")
	}
	duration, err := time.ParseDuration(text)
	if err != nil || duration < time.Minute {
		t.Fatalf("%s=%s: must be a duration of at least a minute", soakVariable, text)
	}
	return duration
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{
		T: t, sim: atlastest.New(), configFile: filepath.Join(t.TempDir(), "config.yaml"),
		jobs: map[atlas.List][]string{}, events: map[string]int{},
	}
	s.sim.Capacity = -1 // the real rate limits would allow a hundredth of the polls
	s.sim.NonceLife = 5 * time.Second
	s.sim.AddAPIKey("public", secret)
	s.sim.AddProject(payments, "Payments")
	s.sim.AddProject(analytics, "Analytics")
	kinds := map[atlas.BackupType]atlastest.ClusterKind{
		atlas.Dedicated: atlastest.DedicatedCluster, atlas.Collection: atlastest.DedicatedCluster,
		atlas.Flex: atlastest.FlexCluster, atlas.Legacy: atlastest.LegacyCluster,
	}
	for _, list := range soakLists() {
		s.sim.AddCluster(list.ProjectID, list.ClusterName, kinds[list.BackupType])
	}
	s.sim.Script(shouldFail, 0, http.HandlerFunc(s.serveFailure))
	s.atlasURL = serve(t, s.sim)
	s.fillLongList()
	s.writeConfig("")
	return s
}

// runExporter starts the exporter, and waits until it listens. The channel receives the result when it has ended.
func (s *soak) runExporter(ctx context.Context) (stopped <-chan error) {
	s.Helper()
	cfg, err := s.loadConfig()
	if err != nil {
		s.Fatal(err)
	}
	listening, result := make(chan net.Addr, 1), make(chan error, 1)
	options := server.Options{
		ListenAddresses: []string{"127.0.0.1:0"}, EnableLifecycle: true, Load: s.loadConfig,
		Logger: slog.New(messageCounter{s}), OnListen: func(address net.Addr) { listening <- address },
	}
	go func() { result <- server.Run(ctx, cfg, options) }()
	select {
	case address := <-listening:
		s.url = "http://" + address.String()
	case err := <-result:
		s.Fatal(err)
	}
	return result
}

// count counts an event.
func (s *soak) count(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[event]++
}

// counts returns how often each event has happened.
func (s *soak) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.events)
}

// messageCounter is a log handler that only counts messages.
type messageCounter struct{ *soak }

func (messageCounter) Enabled(context.Context, slog.Level) bool { return true }

func (m messageCounter) Handle(_ context.Context, record slog.Record) error {
	m.count("log: " + record.Message)
	return nil
}

func (m messageCounter) WithAttrs([]slog.Attr) slog.Handler { return m }

func (m messageCounter) WithGroup(string) slog.Handler { return m }
