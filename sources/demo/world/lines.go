package world

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
)

// bucket is the stretch of time, in seconds, over which a container's lines are dealt out at once.
const bucket = 5

// maxStored bounds the bytes of lines that were pushed or burst; the oldest batches go first.
const maxStored = 64 << 20

// Level of a line.
type Level uint8

// The levels, as Loki's detected_level says them.
const (
	Unknown Level = iota
	Debug
	Info
	Warn
	Error
)

// String is Loki's word for the level.
func (l Level) String() string { return [...]string{"unknown", "debug", "info", "warn", "error"}[l] }

// Line is one log line. Its text is made only when it is asked for.
type Line struct {
	T      int64 // Unix nanoseconds
	Box    *Container
	Level  Level
	Stderr bool
	seed   uint64
	stored string
	words  string
	slow   float64 // by how much longer than usual requests take then; 0: as usual
}

// Text is the line without its newline.
func (l *Line) Text() string {
	if l.stored != "" || l.Box == nil {
		return l.stored
	}
	return words(l)
}

// Pushed is a stream of lines that a client pushed into Loki.
type Pushed struct {
	Labels map[string]string
	Lines  []Line
}

type batch struct {
	seq    uint64
	box    *Container        // nil: pushed
	labels map[string]string // of a pushed one
	n      int
	at     func(i int) Line
	first  int64
	last   int64
	bytes  int
}

type batches struct {
	mu    sync.RWMutex
	kept  []*batch
	seq   uint64
	bytes int
	heard chan struct{}
}

// add keeps a batch; those whose lines ended before the moment from make room first.
func (b *batches) add(n *batch, from int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seq++
	n.seq = b.seq
	b.kept = append(b.kept, n)
	b.bytes += n.bytes
	for len(b.kept) > 1 && (b.bytes > maxStored || b.kept[0].last < from) {
		b.bytes -= b.kept[0].bytes
		b.kept[0] = nil // an append that grows leaves its place behind
		b.kept = b.kept[1:]
	}
	if b.heard != nil {
		close(b.heard)
		b.heard = nil
	}
}

// between is the batches with numbers in (after, upTo].
func (b *batches) between(after, upTo uint64) []*batch {
	b.mu.RLock()
	defer b.mu.RUnlock()
	number := func(x *batch, s uint64) int { return cmp.Compare(x.seq, s) }
	i, _ := slices.BinarySearchFunc(b.kept, after+1, number)
	j, found := slices.BinarySearchFunc(b.kept, upTo, number)
	if found {
		j++
	}
	return slices.Clone(b.kept[i:max(i, j)])
}

// All is the upper bound of a Stored that takes every batch.
const All = math.MaxUint64

// keep stores a batch as of now. The world's lock may be held or not.
func (w *World) keep(n *batch) { w.batches.add(n, w.clock().Add(-kept).UnixNano()) }

// Appended is the number of the latest stored batch, and a channel that is closed at the next one. What a container
// says after this call is in a later batch, whatever the time on its lines.
func (w *World) Appended() (uint64, <-chan struct{}) {
	w.settle()
	b := &w.batches
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heard == nil {
		b.heard = make(chan struct{})
	}
	return b.seq, b.heard
}

// Boxes is the containers that ran at some time in [from, to], Unix seconds, and that keep approves of.
func (w *World) Boxes(from, to float64, keep func(*Container) bool) []Container {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	var out []Container
	for _, c := range w.containers {
		if c.Start <= to && c.End >= from && (keep == nil || keep(c)) {
			out = append(out, *c)
		}
	}
	return out
}

// talk is what a container's lines are dealt from: a copy, so that no lock is held meanwhile.
type talk struct {
	box     Container
	profile Profile
	shape   Shape
	effects []Effect
}

func (w *World) talks(from, to int64, keep func(*Container) bool) []talk {
	w.mu.RLock()
	defer w.mu.RUnlock()
	a, b := float64(from)/1e9, float64(to)/1e9
	var out []talk
	for _, c := range w.containers {
		if c.Start < b && c.End > a && c.owner.Profile.Lines > 0 && (keep == nil || keep(c)) {
			out = append(out, talk{*c, c.owner.Profile, c.owner.shape, c.owner.effects})
		}
	}
	return out
}

// Spoken yields the generated lines of each container in [from, to), Unix nanoseconds; in rising
// order of time within a container. Two calls yield the same.
func (w *World) Spoken(from, to int64, keep func(*Container) bool) iter.Seq[Line] {
	to = min(to, w.settle().UnixNano()+1)
	talks := w.talks(from, to, keep)
	return func(yield func(Line) bool) {
		for i := range talks {
			if !talks[i].lines(from, to, yield) {
				return
			}
		}
	}
}

func (t *talk) lines(from, to int64, yield func(Line) bool) bool {
	lo := max(from, int64(t.box.Start*1e9))
	hi := to
	if t.box.Mute > 0 {
		hi = min(hi, int64(t.box.Mute*1e9))
	}
	if !math.IsInf(t.box.End, 1) {
		hi = min(hi, int64(t.box.End*1e9))
	}
	const width = bucket * int64(1e9)
	for b := lo / width; b*width < hi; b++ {
		at := float64(b * bucket)
		h := mix(t.box.hash ^ uint64(b)*0x9e3779b97f4a7c15) //nolint:gosec // a hash
		mean := t.profile.Lines * bucket * t.shape.at(at) * factor(t.effects, Logs, at) * t.box.scale
		n := int(mean + unit(h))
		for i := range n {
			hi64 := mix(h + uint64(i) + 1) //nolint:gosec // a hash
			ns := b*width + int64((float64(i)+unit(hi64))/float64(n)*float64(width))
			if ns < lo || ns >= hi {
				continue
			}
			if !yield(t.line(ns, hi64)) {
				return false
			}
		}
	}
	return true
}

func (t *talk) line(ns int64, h uint64) Line {
	at := float64(ns) / 1e9
	l := Line{T: ns, Box: &t.box, Level: Info, seed: h, slow: factor(t.effects, Latency, at)}
	errs := t.profile.Errors + added(t.effects, Errors, at)
	switch u := unit(mix(h + 77)); {
	case u < errs:
		l.Level, l.Stderr = Error, true
	case u < errs+0.03:
		l.Level = Warn
	case u < errs+0.06:
		l.Level = Debug
	}
	for i := range t.effects {
		e := &t.effects[i]
		if e.Signal == Phrase && e.From <= at && at < e.To && unit(mix(h+79)) < e.Value {
			l.Level, l.Stderr, l.words = e.Level, e.Level == Error, phrase+e.Note
		}
		if e.Signal == Words && e.From <= at && at < e.To && (l.Level == Error || unit(mix(h+78)) < e.Value) {
			l.Level, l.Stderr, l.words = Error, true, e.Note
			if e.Note == slowStatement { // not an error to the database itself
				l.Level = Info
			}
		}
	}
	return l
}

// Stored yields, batch by batch, lines of the batches with numbers in (after, upTo] that lie in [from, to).
// labels is nil on a container's batch, whose lines have a Box.
func (w *World) Stored(after, upTo uint64, from, to int64, keep func(*Container) bool) iter.Seq2[map[string]string, Line] {
	w.settle()
	kept := w.batches.between(after, upTo)
	return func(yield func(map[string]string, Line) bool) {
		for _, b := range kept {
			if b.last < from || b.first >= to || b.box != nil && keep != nil && !keep(b.box) {
				continue
			}
			for i := range b.n {
				if l := b.at(i); l.T >= from && l.T < to && !yield(b.labels, l) {
					return
				}
			}
		}
	}
}

// Lines is all lines of the containers that keep approves of, in [from, to), in order of time; of the stored ones,
// those of the batches up to number upTo.
func (w *World) Lines(from, to int64, upTo uint64, keep func(*Container) bool) []Line {
	out := slices.Collect(w.Spoken(from, to, keep))
	for labels, l := range w.Stored(0, upTo, from, to, keep) {
		if labels == nil {
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b Line) int { return cmp.Compare(a.T, b.T) })
	return out
}

// Push keeps lines that a client pushed. As in Loki, a line that is there already with the same labels and time is taken once.
func (w *World) Push(streams []Pushed) {
	for _, s := range streams {
		lines := slices.Clone(s.Lines)
		slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(a.T, b.T) })
		lines = w.unheard(s.Labels, lines)
		if len(lines) == 0 {
			continue
		}
		bytes := 0
		for i := range lines {
			bytes += len(lines[i].stored) + 64
		}
		w.keep(&batch{labels: maps.Clone(s.Labels), n: len(lines), at: func(i int) Line { return lines[i] }, first: lines[0].T, last: lines[len(lines)-1].T, bytes: bytes})
	}
}

// unheard drops of lines, which are in order of time, those that were pushed before under the same labels, and repeats among them.
func (w *World) unheard(labels map[string]string, lines []Line) []Line {
	type key struct {
		t    int64
		text string
	}
	have := map[key]bool{}
	for _, b := range w.batches.between(0, All) {
		if len(lines) == 0 || b.box != nil || b.last < lines[0].T || b.first > lines[len(lines)-1].T || !maps.Equal(b.labels, labels) {
			continue
		}
		for i := range b.n {
			l := b.at(i)
			have[key{l.T, l.stored}] = true
		}
	}
	return slices.DeleteFunc(lines, func(l Line) bool {
		k := key{l.T, l.stored}
		known := have[k]
		have[k] = true
		return known
	})
}

// StoredLine is a line with a text of its own.
func StoredLine(t int64, level Level, text string) Line {
	return Line{T: t, Level: level, stored: text}
}

// say stores lines that a container wrote just now.
func (w *World) say(c *Container, level Level, texts ...string) {
	box := *c
	now := w.now().UnixNano()
	lines := make([]Line, len(texts))
	bytes := 0
	for i, text := range texts {
		lines[i] = Line{T: now - int64(len(texts)-i), Box: &box, Level: level, Stderr: level == Error, stored: text}
		bytes += len(text) + 64
	}
	if len(lines) > 0 {
		w.keep(&batch{box: &box, n: len(lines), at: func(i int) Line { return lines[i] }, first: lines[0].T, last: lines[len(lines)-1].T, bytes: bytes})
	}
}

// burstGap is the time between two lines of a burst, in nanoseconds: little, so that one that follows a log from this
// moment on finds no line of the burst stamped before it.
const burstGap = 20

// Burst lets a service's containers write lines at once, spread over the time just before now. Each
// line carries the burst's id and its number, so that a reader can prove what it lost.
func (w *World) Burst(ref string, lines int) error {
	defer w.order()()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	return w.burst(s, lines)
}

func (w *World) burst(s *Service, lines int) error {
	for _, key := range w.wanted(s) {
		t := s.live(key)
		if t == nil || t.box == nil || lines <= 0 {
			continue
		}
		box := *t.box
		w.turn++
		id, first := checksum(s.Spec.Name+itoa(int(w.turn))), w.now().UnixNano()-int64(lines)*burstGap //nolint:gosec // an id
		format := s.Profile.Format
		at := func(i int) Line {
			return Line{T: first + int64(i)*burstGap, Box: &box, Level: Info, stored: burstText(format, first+int64(i)*burstGap, id, i+1, lines)}
		}
		w.keep(&batch{box: &box, n: lines, at: at, first: first, last: first + int64(lines-1)*burstGap, bytes: 256})
		return nil
	}
	return ErrNotFound
}
