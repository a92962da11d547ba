package collector

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/gzipcat"
)

// Exposition is an http.Handler that serves the series of all targets from a cache. It is an optimization only:
// Collector is the reference, and tests compare the responses of both. A reader who doesn't care can ignore this file
// and render.go.
//
// The text of a target is rendered and compressed when a scrape finds it changed. It is cached in blocks, one for each
// family and group of targets, so that a change of few targets renders little. A response consists of the blocks of all
// families, in order, and the metrics of the exporter itself, which are gathered at each scrape; see package gzipcat
// for how they become one gzip stream. The text of targets is valid in both text formats. Only the headers of families
// differ.
type Exposition struct {
	source   Source
	live     prometheus.Gatherer
	fallback http.Handler
	logger   *slog.Logger
	renderer *renderer
	headers  map[expfmt.FormatType][]gzipcat.Block // one for each family of the renderer
	maxTexts int64                                 // see maxTexts

	// mu protects the cache. It is held while metrics are gathered and rendered, not while they are sent.
	mu       sync.Mutex
	liveSize int // of the last text of the live metrics
	groups   []*targetGroup
	bodies   [partCount]map[expfmt.FormatType]*body // of all groups; absent if outdated
	plainAt  time.Time                              // when the last uncompressed response was requested
	texts    int64                                  // size of all texts in memory
}

// body is a part of a response: the joined blocks of all groups. While clients request uncompressed responses, it is
// kept uncompressed, too.
type body struct {
	joined gzipcat.Sequence // shares the memory of the blocks
	text   *text            // nil unless it is kept
}

// text is an uncompressed text. It is in memory while it is kept, and while it is sent, even if it is outdated.
type text struct {
	bytes []byte
	users int // responses that send it, and one more while it is kept
}

// Uncompressed texts are kept for textLife after the last request for one. All texts in memory, of which slow clients
// can hold many, have at most maxTexts bytes. Beyond that, each response is decompressed while it is sent.
const (
	textLife = 5 * time.Minute
	maxTexts = 64 << 20
)

// targetsPerGroup is the number of targets that are rendered together. With fewer, a change costs less, but compression
// is worse.
const targetsPerGroup = 16

// The cached parts of a group. Poll times are separate because they change at every poll and are small.
const (
	statePart = iota
	timesPart
	partCount
)

// targetGroup is the cached text of up to targetsPerGroup targets.
type targetGroup [partCount]part

// part is one part of the text of a group.
type part struct {
	inputs []textInput     // one for each target
	blocks []gzipcat.Block // one for each family of the renderer; empty if it has no series
}

// textInput contains everything that the text of a target depends on: if it is equal, the text is equal. Summaries and
// targets are immutable, so comparing the pointers is sufficient.
type textInput struct {
	target       *poll.Target
	summary      *history.Summary
	cluster      *poll.Cluster // nil unless the target is the first of its cluster
	failures     uint64
	missed       uint64
	reason       poll.Reason
	polled       bool
	truncated    bool
	inconsistent bool
	stale        bool

	lastPoll, lastSuccess time.Time // of timesPart only
}

// NewExposition returns a handler that serves the targets of source and the metrics that live gathers. Requests that it
// can't serve, such as for protobuf or with name[] parameters, are passed to fallback.
func NewExposition(source Source, live prometheus.Gatherer, fallback http.Handler, logger *slog.Logger) *Exposition {
	e := &Exposition{
		source: source, live: live, fallback: fallback, logger: logger,
		renderer: newRenderer(familiesOf(byCollector)), headers: map[expfmt.FormatType][]gzipcat.Block{},
		maxTexts: maxTexts,
	}
	for kind := range e.bodies {
		e.bodies[kind] = map[expfmt.FormatType]*body{}
	}
	for _, format := range []expfmt.FormatType{expfmt.TypeTextPlain, expfmt.TypeOpenMetrics} {
		for _, text := range e.renderer.texts {
			e.headers[format] = append(e.headers[format], gzipcat.Compress(header(text.family, format)))
		}
	}
	return e
}

// ServeHTTP implements http.Handler. If some metrics can't be gathered, the others are served, as promhttp does.
func (e *Exposition) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	if e.headers[format.FormatType()] == nil || r.URL.Query().Has("name[]") {
		e.fallback.ServeHTTP(w, r)
		return
	}
	plain := !gzipcat.AcceptsGzip(r) && r.Method != http.MethodHead
	joined, texts, live, err := e.read(format, plain)
	if err != nil {
		e.logger.LogAttrs(r.Context(), slog.LevelError, "gathering metrics failed", slog.Any("err", err))
	}
	w.Header().Set("Content-Type", string(format))
	w.Header().Add("Vary", "Accept")
	w.Header().Add("Vary", "Accept-Encoding")
	if texts != nil {
		defer e.release(texts)
		err = gzipcat.ServeText(w, r, append(bytesOf(texts), live)...)
	} else {
		err = gzipcat.Serve(w, r, joined, live)
	}
	if err != nil {
		e.logger.LogAttrs(r.Context(), slog.LevelDebug, "sending metrics failed", slog.Any("err", err))
	}
}

// read returns the current text of all targets and the live metrics. If the response is to be uncompressed, it also
// returns the text uncompressed, for the caller to release, unless there is no memory for it. Concurrent scrapes wait
// for each other here, but not while responses are sent.
func (e *Exposition) read(
	format expfmt.Format, plain bool,
) (joined []gzipcat.Sequence, texts []*text, live []byte, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	live, err = e.gather(format)
	now := time.Now()
	e.refresh(e.source.States(), now)
	var parts []*body
	for kind, bodies := range e.bodies {
		part := bodies[format.FormatType()]
		if part == nil {
			part = &body{joined: e.join(kind, format.FormatType())}
			bodies[format.FormatType()] = part
		}
		parts, joined = append(parts, part), append(joined, part.joined)
	}
	if plain {
		e.plainAt = now
		texts = e.textsOf(parts)
	} else if now.Sub(e.plainAt) > textLife {
		e.dropTexts()
	}
	return joined, texts, live, err
}

// textsOf returns the texts of parts of a response and keeps them. It returns nil if there is no memory for them. The
// caller must hold e.mu.
func (e *Exposition) textsOf(parts []*body) (texts []*text) {
	size := e.texts
	for _, part := range parts {
		if part.text == nil {
			size += part.joined.Len()
		}
	}
	if size > e.maxTexts {
		e.dropTexts()
		return nil
	}
	for _, part := range parts {
		if part.text == nil {
			bytes, err := part.joined.Text()
			if err != nil {
				return nil // Serve returns the same error
			}
			part.text = &text{bytes: bytes, users: 1}
			e.texts += int64(len(bytes))
		}
		texts = append(texts, part.text)
	}
	for _, text := range texts {
		text.users++
	}
	return texts
}

func bytesOf(texts []*text) (all [][]byte) {
	for _, text := range texts {
		all = append(all, text.bytes)
	}
	return all
}

// release ends the use of texts by a response.
func (e *Exposition) release(texts []*text) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, text := range texts {
		e.releaseLocked(text)
	}
}

// releaseLocked ends one use of a text. The caller must hold e.mu.
func (e *Exposition) releaseLocked(text *text) {
	if text.users--; text.users == 0 {
		e.texts -= int64(len(text.bytes))
	}
}

// dropTexts drops all texts that are kept. The caller must hold e.mu.
func (e *Exposition) dropTexts() {
	for kind := range e.bodies {
		e.dropTextsOf(kind)
	}
}

func (e *Exposition) dropTextsOf(kind int) {
	for _, part := range e.bodies[kind] {
		if part.text != nil {
			e.releaseLocked(part.text)
			part.text = nil
		}
	}
}

// outdate drops the bodies of a part. The caller must hold e.mu.
func (e *Exposition) outdate(kind int) {
	e.dropTextsOf(kind)
	clear(e.bodies[kind])
}

// gather returns the text of the live metrics, with the end marker of the format. The caller must hold e.mu.
func (e *Exposition) gather(format expfmt.Format) ([]byte, error) {
	families, err := e.live.Gather()
	var text bytes.Buffer
	text.Grow(e.liveSize)
	encoder := expfmt.NewEncoder(&text, format)
	for _, family := range families {
		err = errors.Join(err, encoder.Encode(family))
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	e.liveSize = text.Len()
	return text.Bytes(), err
}

// refresh renders the parts whose targets have changed. The caller must hold e.mu.
func (e *Exposition) refresh(states []poll.State, now time.Time) {
	n := 0
	for members := range slices.Chunk(states, targetsPerGroup) {
		if n == len(e.groups) {
			e.groups = append(e.groups, new(targetGroup))
		}
		group := e.groups[n]
		if group[statePart].update(members, func(s *poll.State) textInput { return stateInput(s, now) }) {
			e.outdate(statePart)
			group[statePart].render(e.renderer, members, func(t *targetEmitter, s *poll.State, input *textInput) {
				t.emitState(s, input.stale)
			})
		}
		if group[timesPart].update(members, timesInput) {
			e.outdate(timesPart)
			group[timesPart].render(e.renderer, members, func(t *targetEmitter, s *poll.State, _ *textInput) {
				t.emitTimes(s)
			})
		}
		n++
	}
	if n != len(e.groups) {
		e.outdate(statePart)
		e.outdate(timesPart)
	}
	e.groups = e.groups[:n]
}

func stateInput(s *poll.State, now time.Time) textInput {
	input := textInput{
		target: s.Target, summary: s.Summary,
		failures: s.Failures, missed: s.MissedIntervals, truncated: s.Truncated, inconsistent: s.Inconsistent,
		reason: s.Reason, polled: !s.LastPoll.IsZero(), stale: s.Stale(now),
	}
	if s.First {
		input.cluster = s.Cluster
	}
	return input
}

func timesInput(s *poll.State) textInput {
	return textInput{target: s.Target, lastPoll: s.LastPoll, lastSuccess: s.LastSuccess}
}

// update replaces the inputs with those of the targets and reports whether they differ.
func (p *part) update(members []poll.State, inputOf func(*poll.State) textInput) (changed bool) {
	changed = len(p.inputs) != len(members)
	p.inputs = slices.Grow(p.inputs[:0], len(members))[:len(members)]
	for i := range members {
		if input := inputOf(&members[i]); p.inputs[i] != input {
			p.inputs[i], changed = input, true
		}
	}
	return changed
}

// render replaces the blocks with the text that emit produces for each target. If emit panics, the inputs are lost, so
// the next scrape renders the part again.
func (p *part) render(r *renderer, members []poll.State, emit func(*targetEmitter, *poll.State, *textInput)) {
	inputs := p.inputs
	p.inputs = nil
	r.reset()
	sink := r.write // once, because a method value is allocated
	for i := range members {
		emit(newTargetEmitter(&members[i], sink), &members[i], &inputs[i])
	}
	p.blocks, p.inputs = r.compress(), inputs
}

// join returns the blocks of a part of all groups, ordered by family and preceded by the header of the family.
func (e *Exposition) join(kind int, format expfmt.FormatType) gzipcat.Sequence {
	var blocks []gzipcat.Block
	for i, header := range e.headers[format] {
		before := len(blocks)
		blocks = append(blocks, header)
		for _, group := range e.groups {
			if block := group[kind].blocks[i]; block.Len() > 0 {
				blocks = append(blocks, block)
			}
		}
		if len(blocks) == before+1 { // a header without series is omitted
			blocks = blocks[:before]
		}
	}
	return gzipcat.Join(blocks)
}
