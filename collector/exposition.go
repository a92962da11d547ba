package collector

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// Exposition serves the same series as a Collector together with those of another gatherer, at a cost that does not
// depend on how many jobs there are.
//
// What is said of targets is rendered and deflated when a scrape finds it changed, in blocks: one for each family and
// group of targets, so that a change of a few targets costs little. A deflate stream may be cut anywhere where it was
// flushed; so the blocks of all families, in order, are the beginning of one gzip member, and the metrics of the process
// itself, which are always new, its end. Gauges are written in a way that both text formats understand. Who asks for
// anything else than these is served by the fallback.
type Exposition struct {
	source   Source
	live     prometheus.Gatherer
	fallback http.Handler
	logger   *slog.Logger
	families []Family
	headers  map[expfmt.FormatType][]block // of the families, in their order
	order    map[string][]int              // in which a family's labels are written

	mu     sync.Mutex // held while something is gathered or rendered, not while it is sent
	groups []*group
	bodies [kinds]map[expfmt.FormatType]*block // what the parts of all groups amount to now

	texts      map[string]*bytes.Buffer // by family, while a part is rendered
	renderings int                      // of states: tests count them
}

// targetsPerGroup are rendered together. Fewer make a change cheaper, and the whole longer.
const targetsPerGroup = 16

// The kinds of parts: the times of polls differ after each, and are few; the state is all the rest.
const (
	states = iota
	times
	kinds
)

// group is what was rendered of some targets.
type group [kinds]part

// part is what was rendered of one kind.
type part struct {
	of     []rendered
	blocks map[string]block // by family
}

// rendered tells what was rendered of a target: while it is the same, so is the text.
type rendered struct {
	target      *Target
	summary     *Summary
	projectName string
	failures    uint64
	reason      Reason
	polled      bool
	stale       bool

	lastPoll, lastSuccess time.Time
}

// NewExposition returns a handler that serves what is known of a source's targets, and what live gathers.
func NewExposition(source Source, live prometheus.Gatherer, fallback http.Handler, logger *slog.Logger) *Exposition {
	e := &Exposition{
		source: source, live: live, fallback: fallback, logger: logger,
		families: append(targetFamilies(), jobFamilies()...),
		headers:  map[expfmt.FormatType][]block{}, texts: map[string]*bytes.Buffer{},
		order: map[string][]int{},
	}
	slices.SortFunc(e.families, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	for kind := range e.bodies {
		e.bodies[kind] = map[expfmt.FormatType]*block{}
	}
	for _, family := range e.families {
		e.order[family.Name] = byName(family.Labels)
	}
	for _, format := range []expfmt.FormatType{expfmt.TypeTextPlain, expfmt.TypeOpenMetrics} {
		for _, family := range e.families {
			e.headers[format] = append(e.headers[format], deflate(header(family, format), false))
		}
	}
	return e
}

// ServeHTTP is a scrape.
func (e *Exposition) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	if e.headers[format.FormatType()] == nil || r.URL.Query().Has("name[]") {
		e.fallback.ServeHTTP(w, r)
		return
	}
	body, live, err := e.read(format)
	if err != nil { // of a part: the rest is served, as promhttp does it
		e.logger.LogAttrs(r.Context(), slog.LevelError, "metrics could not be gathered", slog.Any("err", err))
	}
	w.Header().Set("Content-Type", string(format))
	w.Header().Add("Vary", "Accept")
	w.Header().Add("Vary", "Accept-Encoding")
	if err := send(w, r, body, live); err != nil {
		e.logger.LogAttrs(r.Context(), slog.LevelDebug, "scrape broken off", slog.Any("err", err))
	}
}

// gather returns the text of the live metrics, with what ends the format.
func (e *Exposition) gather(format expfmt.Format) ([]byte, error) {
	families, err := e.live.Gather()
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, format)
	for _, family := range families {
		err = errors.Join(err, encoder.Encode(family))
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	return text.Bytes(), err
}

// read returns what is known of all targets now, in several blocks, and the live metrics. Scrapes do so one after the
// other, but wait for nobody to be sent to.
func (e *Exposition) read(format expfmt.Format) (body []*block, live []byte, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	live, err = e.gather(format)
	e.refresh(e.source.Snapshots(), time.Now())
	body = make([]*block, kinds)
	for kind, bodies := range e.bodies {
		formatType := format.FormatType()
		if bodies[formatType] == nil {
			bodies[formatType] = e.assemble(kind, formatType)
		}
		body[kind] = bodies[formatType]
	}
	return body, live, err
}

// refresh renders what has changed.
func (e *Exposition) refresh(snapshots []*Snapshot, now time.Time) {
	n := 0
	for members := range slices.Chunk(snapshots, targetsPerGroup) {
		if n == len(e.groups) {
			e.groups = append(e.groups, new(group))
		}
		g := e.groups[n]
		if g[states].differs(members, func(s *Snapshot) rendered { return e.stateOf(s, now) }) {
			e.renderings++
			clear(e.bodies[states])
			e.render(&g[states], members, func(t *targetEmitter, s *Snapshot, r rendered) { t.state(s, r.projectName, r.stale) })
		}
		if g[times].differs(members, timesOf) {
			clear(e.bodies[times])
			e.render(&g[times], members, func(t *targetEmitter, s *Snapshot, _ rendered) { t.times(s) })
		}
		n++
	}
	if n != len(e.groups) {
		clear(e.bodies[states])
		clear(e.bodies[times])
	}
	e.groups = e.groups[:n]
}

func (e *Exposition) stateOf(s *Snapshot, now time.Time) rendered {
	return rendered{
		target: s.Target, summary: s.Summary, projectName: e.source.ProjectName(s.Target.ProjectID), failures: s.Failures,
		reason: s.Reason, polled: !s.LastPoll.IsZero(), stale: s.Stale(now),
	}
}

func timesOf(s *Snapshot) rendered {
	return rendered{target: s.Target, lastPoll: s.LastPoll, lastSuccess: s.LastSuccess}
}

// differs reports whether the targets are not what was rendered last, and notes what they are.
func (p *part) differs(members []*Snapshot, now func(*Snapshot) rendered) bool {
	differs := len(p.of) != len(members)
	p.of = slices.Grow(p.of[:0], len(members))[:len(members)]
	for i, s := range members {
		if is := now(s); p.of[i] != is {
			p.of[i], differs = is, true
		}
	}
	return differs
}

// render renders a part of a group, of which emit says what there is to say of each target.
func (e *Exposition) render(p *part, members []*Snapshot, emit func(*targetEmitter, *Snapshot, rendered)) {
	sink := func(family Family, value float64, common, others []string) {
		text := e.texts[family.Name]
		if text == nil {
			text = new(bytes.Buffer)
			e.texts[family.Name] = text
		}
		line := append(append(text.AvailableBuffer(), family.Name...), '{')
		for _, i := range e.order[family.Name] {
			if i < len(common) {
				line = appendLabel(line, family.Labels[i], common[i])
			} else {
				line = appendLabel(line, family.Labels[i], others[i-len(common)])
			}
		}
		line[len(line)-1] = '}' // instead of the last comma
		text.Write(append(appendValue(append(line, ' '), value), '\n'))
	}
	of := p.of
	p.of = nil // should this panic, the next scrape tries again
	for _, text := range e.texts {
		text.Reset()
	}
	for i, s := range members {
		emit(newTargetEmitter(s, sink), s, of[i])
	}
	p.blocks = map[string]block{}
	for name, text := range e.texts {
		if text.Len() > 0 {
			p.blocks[name] = deflate(text.Bytes(), false)
		}
	}
	p.of = of
}

// assemble puts the blocks of a kind together, each family's behind its header.
func (e *Exposition) assemble(kind int, format expfmt.FormatType) *block {
	var blocks []block
	for i, family := range e.families {
		empty := true
		for _, g := range e.groups {
			block, ok := g[kind].blocks[family.Name]
			if ok && empty {
				blocks = append(blocks, e.headers[format][i])
				empty = false
			}
			if ok {
				blocks = append(blocks, block)
			}
		}
	}
	return joined(blocks)
}

func header(family Family, format expfmt.FormatType) []byte {
	name, escape := family.Name, strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	if format == expfmt.TypeOpenMetrics {
		name, escape = strings.TrimSuffix(name, "_total"), strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	}
	return []byte("# HELP " + name + " " + escape.Replace(family.Help) + "\n# TYPE " + name + " " + family.Type + "\n")
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// appendLabel appends a label with a comma behind.
func appendLabel(line []byte, name, value string) []byte {
	line = append(append(line, name...), '=', '"')
	return append(append(line, labelEscaper.Replace(value)...), '"', ',')
}

// byName returns the places of labels in the order of their names, in which they are usually shown.
func byName(labels []string) []int {
	order := make([]int, len(labels))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(labels[a], labels[b]) })
	return order
}

// appendValue appends a number with a point, as OpenMetrics wants it.
func appendValue(line []byte, value float64) []byte {
	start := len(line)
	line = strconv.AppendFloat(line, value, 'f', -1, 64)
	if bytes.IndexByte(line[start:], '.') < 0 {
		line = append(line, '.', '0')
	}
	return line
}
