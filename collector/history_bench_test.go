package collector

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// longList returns a history of so many terminal jobs, as a whole reading of a list would make it, and its newest page.
func longList(jobs int) (*History, *Reading, time.Time) {
	const page = 500
	now := time.Now()
	history := NewHistory(HistoryLimits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 100_000})
	whole, newest := newReading(), newReading()
	whole.Sweep, whole.Whole, whole.Total, whole.Pages = true, true, int64(jobs), jobs/page
	newest.Total, newest.Pages = int64(jobs), 1
	for i := range jobs {
		created := atlas.TimestampOf(now.Add(-time.Duration(i+1) * 5 * time.Minute))
		job := terminalJob(fmt.Sprintf("%08x%016x", int64(created), i), created)
		whole.Jobs[job.ID] = job
		if i < page {
			newest.Jobs[job.ID] = job
		}
	}
	history.Merge(whole, now)
	return history, newest, now
}

func terminalJob(id string, created atlas.Timestamp) atlas.RestoreJob {
	return atlas.RestoreJob{
		ID: id, SnapshotID: strings.Clone(id), TargetProjectID: project, TargetClusterName: "restore-drill", Created: created,
		Finished: created + 60, Snapshot: created - 3600, DeliveryType: atlas.DeliveryAutomated,
	}
}

// BenchmarkMerge is what a poll costs that found nothing new, by how many jobs are known.
func BenchmarkMerge(b *testing.B) {
	for _, jobs := range []int{1500, 5000} {
		b.Run(fmt.Sprint(jobs), func(b *testing.B) {
			history, newest, now := longList(jobs)
			for b.Loop() {
				if history.Surprising(newest, now) || len(history.Open(newest, now)) > 0 || history.Merge(newest, now) {
					b.Fatal("there was news")
				}
			}
		})
	}
}

// BenchmarkKnownJob reports what a known job costs in memory.
func BenchmarkKnownJob(b *testing.B) {
	const jobs = 100_000
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		history, newest, _ := longList(jobs)
		newest.Jobs = nil
		b.ReportMetric(float64(heap()-before)/jobs, "B/job")
		runtime.KeepAlive(history)
	}
}
