package history

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// longList returns a history of finished jobs after a full poll, and the newest page of its list.
func longList(n int) (*History, *atlas.Page, time.Time) {
	const pageSize = 500
	now := time.Now()
	h := newHistory(Limits{MaxAge: 400 * day, MaxJobs: 100_000})
	r := h.Read(now, true)
	var newest *atlas.Page
	for first := 0; first < n; first += pageSize {
		page := &atlas.Page{TotalCount: atlas.CountOf(int64(n)), Last: first+pageSize >= n}
		for i := first; i < min(first+pageSize, n); i++ {
			created := atlas.TimestampOf(now.Add(-time.Duration(i+1) * 5 * time.Minute))
			page.Jobs = append(page.Jobs, finishedJob(fmt.Sprintf("%08x%016x", int64(created), i), created))
		}
		page.Items = len(page.Jobs)
		r.Add(page)
		if newest == nil {
			newest = page
		}
	}
	h.Merge(r, now)
	return h, newest, now
}

func finishedJob(id string, created atlas.Timestamp) atlas.RestoreJob {
	return atlas.RestoreJob{
		ID: id, SnapshotID: strings.Clone(id), TargetProjectID: project, TargetClusterName: "restore-drill",
		Created: created, Finished: created + 60, Snapshot: created - 3600,
		DeliveryType: atlas.DeliveryAutomated, Status: atlas.StatusCompleted,
	}
}

// BenchmarkMerge measures an incremental poll without changes after its page was read, by the number of known jobs.
func BenchmarkMerge(b *testing.B) {
	for _, jobs := range []int{1500, 5000} {
		b.Run(fmt.Sprint(jobs), func(b *testing.B) {
			h, page, now := longList(jobs)
			summary := h.Summarize(now)
			r := h.Read(now, false)
			if r.Full() || !r.Add(page) {
				b.Fatal("the poll needs more than one page")
			}
			for b.Loop() {
				pending, err := r.Pending()
				h.Merge(r, now)
				if len(pending) > 0 || err != nil || h.Summarize(now) != summary {
					b.Fatal("the poll changed something")
				}
			}
		})
	}
}

// BenchmarkKnownJob measures the memory per known job.
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
		h, _, _ := longList(jobs)
		b.ReportMetric(float64(heap()-before)/jobs, "B/job")
		runtime.KeepAlive(h)
	}
}

// BenchmarkSummarize measures the computation of a summary, by the number of known jobs.
func BenchmarkSummarize(b *testing.B) {
	for _, jobs := range []int{1500, 5000} {
		b.Run(fmt.Sprint(jobs), func(b *testing.B) {
			h, _, now := longList(jobs)
			b.ReportAllocs()
			for b.Loop() {
				h.summarize(now)
			}
		})
	}
}
