package history_test

import (
	"fmt"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
)

// A restore job completes between two polls. The first poll is a full poll. The second one reads only the newest
// page, so the job, which is further down the list, is requested by ID.
func Example() {
	now := time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)
	job := func(id string, age time.Duration, status atlas.Status) atlas.RestoreJob {
		return atlas.RestoreJob{
			ID: id, Created: atlas.TimestampOf(now.Add(-age)), Status: status, DeliveryType: atlas.DeliveryAutomated,
		}
	}
	pages := [][]atlas.RestoreJob{
		{job("c", 1*time.Hour, atlas.StatusCompleted)},
		{job("b", 2*time.Hour, atlas.StatusInProgress)},
		{job("a", 3*time.Hour, atlas.StatusFailed)},
	}
	h := history.New(atlas.List{}, history.Policy{Limits: history.Limits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 5000}})

	poll := func(fullPollDue bool) {
		reading := h.Read(now, fullPollDue)
		for i, jobs := range pages { // atlas.Client.RestoreJobs
			if reading.Add(&atlas.Page{Jobs: jobs, Last: i == len(pages)-1}) {
				break
			}
		}
		pending, err := reading.Pending()
		if err != nil {
			fmt.Println("poll again with fullPollDue:", err)
			return
		}
		for _, id := range pending { // atlas.Client.RestoreJob
			if err := reading.Put(id, pages[1][0], nil); err != nil {
				fmt.Println("poll again with fullPollDue:", err)
				return
			}
		}
		h.Merge(reading, now)
		counts := h.Summarize(now).Counts[atlas.DeliveryAutomated]
		fmt.Printf("%d pages and jobs %q read: %d in progress, %d completed, %d failed\n", reading.Pages(), pending,
			counts[atlas.StatusInProgress], counts[atlas.StatusCompleted], counts[atlas.StatusFailed])
	}
	poll(true)
	now = now.Add(time.Minute)
	pages[1][0].Status = atlas.StatusCompleted
	poll(false)

	// Output:
	// 3 pages and jobs [] read: 1 in progress, 1 completed, 1 failed
	// 1 pages and jobs ["b"] read: 0 in progress, 2 completed, 1 failed
}
