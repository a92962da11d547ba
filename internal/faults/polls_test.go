package faults

import (
	"context"
	"iter"
	"slices"
	"sync"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// polls counts the polls of each target, and can block further ones.
type polls struct {
	mu       sync.Mutex
	begun    map[atlas.List]int
	ended    map[atlas.List][]bool // whether each succeeded, in order
	allowed  map[atlas.List]int    // how many may start; if absent, any number
	released chan struct{}
}

func newPolls() *polls {
	return &polls{
		begun:    map[atlas.List]int{},
		ended:    map[atlas.List][]bool{},
		allowed:  map[atlas.List]int{},
		released: make(chan struct{}),
	}
}

// countedClient counts polls: each read of a list is one.
type countedClient struct {
	poll.Client
	polls *polls
}

func (c countedClient) RestoreJobs(
	ctx context.Context, list atlas.List, marks ...atlas.PageMark,
) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		if !c.polls.begin(list) {
			return
		}
		var failure error
		defer func() { c.polls.end(list, failure == nil) }()
		for page, err := range c.Client.RestoreJobs(ctx, list, marks...) {
			failure = err
			if !yield(page, err) {
				return
			}
		}
	}
}

// begin counts a poll. A poll that is not allowed blocks until the end of the test; then begin returns false.
func (p *polls) begin(list atlas.List) bool {
	p.mu.Lock()
	p.begun[list]++
	allowed, limited := p.allowed[list]
	blocked := limited && p.begun[list] > allowed
	p.mu.Unlock()
	if blocked {
		<-p.released
	}
	return !blocked
}

func (p *polls) end(list atlas.List, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended[list] = append(p.ended[list], ok)
}

// count returns how many polls of a target have started.
func (p *polls) count(list atlas.List) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun[list]
}

// since returns the results of the polls of a target after the first n.
func (p *polls) since(list atlas.List, n int) []bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ended[list][min(n, len(p.ended[list])):])
}

// allow blocks the polls of a target after the given number of further ones, and returns how many have started.
func (p *polls) allow(list atlas.List, more int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed[list] = p.begun[list] + more
	return p.begun[list]
}

func (p *polls) release() { close(p.released) }
