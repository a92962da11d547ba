package server

import (
	"fmt"
	"net/http"
	"time"
)

// readySource is the part of a poll.Manager that /-/ready reads.
type readySource interface {
	// Unready lists the missing parts; it is empty if the exporter is ready.
	Unready() string
	OverduePolls() (n int, since time.Time)
}

// readyHandler serves /-/ready. The response lists the missing parts, and whether polls are late because there are too
// few slots. Late polls don't change the status code.
func readyHandler(source readySource) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		status, text := http.StatusOK, "ready"
		if missing := source.Unready(); missing != "" {
			status, text = http.StatusServiceUnavailable, "not ready: "+missing
		}
		if n, since := source.OverduePolls(); n > 0 {
			text += fmt.Sprintf("\npolls waiting for a slot for longer than their interval: %d, the oldest since %s; "+
				"increase polling.concurrency or polling.interval", n, since.UTC().Format(time.RFC3339))
		}
		writeText(w, status, text)
	}
}
