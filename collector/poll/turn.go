package poll

import (
	"context"
	"time"

	"atlas-restore-exporter/atlas"
)

// turn lets the requests of a poll wait for their turn at the rate limit of the project. If the targets of a project
// need more requests than the rate limit allows, each request waits for those that came before it, however long that
// takes, so that each target is polled equally often. With a deadline, the targets that are due when few others wait
// would be polled, and some of the others never.
type turn struct {
	poller  *poller
	target  *Target
	slot    *slot
	timeout *timeout
}

// pause gives the slot of the poll back while a request waits. The time in the queue doesn't count as time of the poll.
// If it exceeds an interval and a timeout, the poll is published as failed, but continues.
func (t *turn) pause(ctx context.Context, inQueue bool, wait func() error) error {
	if !inQueue {
		return t.slot.pause(ctx, inQueue, wait)
	}
	defer t.timeout.pause()()
	waiting := true // the poller's mu guards waiting
	late := time.AfterFunc(t.target.Interval+t.target.Timeout, func() {
		t.poller.locked(func() {
			if waiting {
				t.poller.recoverPanic(func() { t.poller.fail(ctx, atlas.ErrRateLimitExhausted) })
			}
		})
	})
	defer late.Stop()
	err := t.slot.pause(ctx, inQueue, wait)
	t.poller.locked(func() { waiting = false })
	return err
}
