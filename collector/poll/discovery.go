package poll

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
)

const (
	// firstDiscoveryRetry is the delay of the first retry after failures. It doubles with each further one.
	firstDiscoveryRetry = 15 * time.Second
	// inventoryUpdateInterval bounds how long targets that were found wait for slower lists before they are polled.
	inventoryUpdateInterval = time.Second
	// discoveryShare divides the configured concurrency of polls: discovery adds its requests to those of polls.
	discoveryShare = 2
)

// discovery keeps the inventory up to date by the rules of one configuration. It continues if that is replaced by one
// that is the same for it.
type discovery struct {
	config    *Config
	inventory *inventoryStore
	logger    *slog.Logger
	// inventoryChanged is called when the inventory may have changed.
	inventoryChanged func(ctx context.Context)
}

func newDiscoveryStore(logger *slog.Logger) *inventoryStore {
	return &inventoryStore{
		entries: inventory{},
		logFailed: func(ctx context.Context, attrs ...slog.Attr) {
			logger.LogAttrs(ctx, slog.LevelWarn, "discovery failed, keeping targets found before", attrs...)
		},
		logSuccess: func(ctx context.Context, attrs ...slog.Attr) {
			logger.LogAttrs(ctx, slog.LevelInfo, "discovery succeeded again", attrs...)
		},
	}
}

// sameDiscovery reports whether discovery by two configurations sends the same requests.
func sameDiscovery(a, b *Config) bool {
	return a.DiscoveryInterval == b.DiscoveryInterval && a.Concurrency == b.Concurrency &&
		slices.EqualFunc(a.Discoveries, b.Discoveries, func(x, y Rule) bool {
			return x.Target.Credential == y.Target.Credential &&
				a.Clients[x.Target.Credential] == b.Clients[y.Target.Credential] &&
				x.Target.ProjectID == y.Target.ProjectID && x.Projects.equal(y.Projects) &&
				slices.Equal(x.BackupTypes, y.BackupTypes)
		})
}

// run reads every list at once and then at the interval of the configuration, until ctx ends. In between, it retries
// the lists that failed.
func (d *discovery) run(ctx context.Context) {
	for ctx.Err() == nil {
		next := time.Now().Add(d.config.DiscoveryInterval)
		d.round(ctx, false)
		for retry := firstDiscoveryRetry; retry < time.Until(next) && d.anyFailed() && sleep(ctx, retry); retry *= 2 {
			d.round(ctx, true)
		}
		sleep(ctx, time.Until(next))
	}
}

func (d *discovery) anyFailed() bool {
	found, _ := d.inventory.snapshot()
	return found.anyFailed()
}

// round reads every list once, or only lists that failed. Each second and at the end, it reports changes of the
// inventory.
func (d *discovery) round(ctx context.Context, failedOnly bool) {
	reportDuring(ctx, func() { d.readAll(ctx, failedOnly) }, d.inventoryChanged)
}

// reportDuring calls report each second while work runs, and at its end.
func reportDuring(ctx context.Context, work func(), report func(context.Context)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	ticker := time.NewTicker(inventoryUpdateInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			report(ctx)
		case <-done:
			report(ctx)
			return
		}
	}
}

// readAll reads the lists of projects, and then the lists of clusters of these projects.
func (d *discovery) readAll(ctx context.Context, failedOnly bool) {
	for _, projects := range []bool{true, false} {
		found, _ := d.inventory.snapshot()
		keys := discoveryKeys(d.config, found)
		maps.DeleteFunc(keys, func(key discoveryKey, _ []atlas.ClusterKind) bool {
			return (key.projectID == "") != projects || failedOnly && !found.failed(key)
		})
		eachConcurrently(ctx, d.config.discoveryReads(), keys, d.read)
	}
}

// discoveryReads returns the number of concurrent reads of lists of projects and clusters, in addition to those of
// polls. Some lists that hang until their timeout must not delay the others.
func (c *Config) discoveryReads() int {
	const reads = 64
	if c.Concurrency > 0 {
		return max(c.Concurrency/discoveryShare, 1)
	}
	return reads
}

// eachConcurrently calls read for each item, up to n at once. A read that waits for a rate limit doesn't count.
func eachConcurrently[V any](
	ctx context.Context, n int, items map[discoveryKey]V, read func(context.Context, discoveryKey, V),
) {
	slots := &limiter{limit: n}
	var reads sync.WaitGroup
	for key, item := range items {
		reads.Go(func() {
			if slots.acquire(ctx, DiscoveryTimeout) {
				slot := &slot{slots, DiscoveryTimeout, true}
				defer slot.release()
				read(atlas.WithPause(ctx, slot.pause), key, item)
			}
		})
	}
	reads.Wait()
}

// read reads one list and records the result.
func (d *discovery) read(ctx context.Context, key discoveryKey, kinds []atlas.ClusterKind) {
	found, err := read(ctx, key, &plan{client: d.config.Clients[key.credential], kinds: kinds}, d.logger)
	d.inventory.record(ctx, key, kinds, found, err)
}

// sleep waits, and reports false if ctx ended first.
func sleep(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
