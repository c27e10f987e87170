package logview

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
)

// Options of a pane. The zero value is usable.
type Options struct {
	MaxBytes int            // of the buffer; 0: DefaultMaxBytes
	Location *time.Location // of the times shown; nil: time.Local
	// TaskName is the short name of a stream's task, such as "web.2"; nil: made from Service and Task.
	TaskName func(*sources.Stream) string
}

// TimeMode is how a line's time is shown.
type TimeMode uint8

// The ways to show time.
const (
	TimeLocal TimeMode = iota
	TimeRelative
	TimeOff
	timeModes
)

// Columns are the columns before the message, beside the time.
type Columns uint8

// The columns. Narrow screens drop the node, then the date, then the task.
const (
	ColLevel Columns = 1 << iota
	ColTask
	ColNode
)

var columnSets = []Columns{ColLevel | ColTask, ColLevel | ColTask | ColNode, ColLevel, 0}

// Pane shows a buffer of log lines. Append and Feed's function may be called from
// any goroutine; everything else only from the interface's one.
// Methods change what is wanted; Sync takes over what came since and starts
// scans; View draws. The root model calls Sync after each key that it hands over.
type Pane struct {
	opts Options
	buf  *Buffer

	news     atomic.Uint64 // statuses that came
	statusMu sync.Mutex
	statuses map[string]sources.Status

	now       time.Time
	seenNews  uint64
	status    []sources.Status // by name, as of the last Sync
	snap      *snapshot
	list      *list
	known     map[uint64]*hits
	query     query
	wanted    *atomic.Uint64
	slice     time.Duration // of background work
	inFlight  bool
	nameWidth int
	named     uint64 // chunks up to this id have been looked through for names
	dated     bool   // some line is not of today
	rates     []rateAt

	w, h    int
	title   string
	blurred bool
	empty   string

	follow bool
	static bool
	paused *pause // nil: not paused
	mark   key    // the newest row when following ended
	sel    key
	top    key
	topSub int
	centre bool // the selected row is to be put a third down when its neighbours are known
	jump   bool // an accepted search is to go to its match when all are known
	seek   bool // the filter changed: the selection is to be seen when all is known
	side   int  // cells scrolled to the right

	wrap    bool
	fields  bool
	time    TimeMode
	columns int // in columnSets

	filter    Filter
	search    Term
	before    *Filter          // of Context: the filter to come back to
	order     []string         // the filter's parts as they came
	marks     []Mark           // the bookmarks, in order of time
	bookmarks map[key]struct{} // those of them that are loaded
	extra     []string         // fields that are columns
	// fieldNames are fields that there are, beyond what is loaded.
	fieldNames []string
	extraWide  [maxExtra]int

	input     textinput.Model
	inputKind InputKind
	inputErr  error
	inputHint string // what it is taken as
	undo      undo

	blocks cache[key, *block]
	drawn  cache[drawnKey, string]
	sig    signature
	themed *look
}

// New makes a pane that follows.
func New(o Options) *Pane {
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.TaskName == nil {
		o.TaskName = ShortTask
	}
	p := &Pane{opts: o, buf: NewBuffer(o.MaxBytes), wanted: new(atomic.Uint64), slice: scanSlice, follow: true, fields: true,
		known: map[uint64]*hits{}, statuses: map[string]sources.Status{}, bookmarks: map[key]struct{}{}, w: 80, h: 24}
	p.query.filter, _ = newMatcher(Filter{}) // of the zero filter: no error
	p.refresh()
	return p
}

// Append takes what a source says. It copies what it keeps, and blocks for less than a
// millisecond at a time. Safe for concurrent use.
func (p *Pane) Append(batch sources.LogBatch) { p.appendFor(p.buf.epoch.Load(), batch) }

// Feed returns Append for one source's lifetime: after the next Reset it does
// nothing, so that a source that ends late cannot mix its lines in.
func (p *Pane) Feed() func(sources.LogBatch) {
	epoch := p.buf.epoch.Load()
	return func(b sources.LogBatch) { p.appendFor(epoch, b) }
}

func (p *Pane) appendFor(epoch uint64, batch sources.LogBatch) {
	p.buf.appendFor(epoch, batch.Entries)
	if batch.Gap != nil {
		p.buf.gapFor(epoch, *batch.Gap)
	}
	if batch.Status == nil {
		return
	}
	p.statusMu.Lock()
	defer p.statusMu.Unlock()
	if p.buf.epoch.Load() == epoch {
		p.statuses[batch.Status.Name] = *batch.Status
		p.news.Add(1)
	}
}

// Prepend adds a page of older lines, with its gaps; of what passes the cap the
// oldest is left away. It returns how many lines were kept.
func (p *Pane) Prepend(page sources.LogPage) int { return p.prependFor(p.buf.epoch.Load(), page) }

// LookBack returns Prepend for one source's lifetime, as Feed does Append: what was there before following
// began is no rate of what comes. Safe for concurrent use.
func (p *Pane) LookBack() func(sources.LogPage) {
	epoch := p.buf.epoch.Load()
	return func(page sources.LogPage) { p.prependFor(epoch, page) }
}

func (p *Pane) prependFor(epoch uint64, page sources.LogPage) int {
	n := p.buf.prependFor(epoch, page.Entries)
	for _, g := range page.Gaps {
		p.buf.gapFor(epoch, g)
	}
	return n
}

// Reset empties the pane for another source; filters, search and options stay.
func (p *Pane) Reset() {
	p.buf.Reset() // first: what an old feed says of its state is refused from here on
	p.statusMu.Lock()
	clear(p.statuses)
	p.statusMu.Unlock()
	p.news.Add(1)
	clear(p.known)
	clear(p.bookmarks)
	p.follow, p.paused, p.centre, p.jump, p.side, p.rates = true, nil, false, false, 0, nil
	p.nameWidth, p.fieldNames = 0, nil
	p.sel, p.top, p.mark, p.topSub = key{}, key{}, key{}, 0
	p.blocks, p.drawn = cache[key, *block]{}, cache[drawnKey, string]{}
	p.refresh()
}

// Pending tells whether anything came since the last Sync.
func (p *Pane) Pending() bool {
	return p.buf.version.Load() != p.snap.version || p.news.Load() != p.seenNews
}

// Sync takes over what came since the last call and matches it, up to a budget
// of about a millisecond. What passes the budget is returned as a command whose
// ScanMsg goes to ApplyScan; nil: nothing to do. A pane that is not drawn should be
// synced each few seconds too: until then it holds lines that the buffer let go.
func (p *Pane) Sync(now time.Time) tea.Cmd {
	p.now = now
	if n := p.news.Load(); n != p.seenNews {
		p.seenNews = n
		p.statusMu.Lock()
		p.status = slices.SortedFunc(maps.Values(p.statuses), func(a, b sources.Status) int {
			if a.Name < b.Name {
				return -1
			}
			return 1
		})
		p.statusMu.Unlock()
	}
	stay := p.anchor()
	p.refresh()
	p.measureRate()
	cmd := p.schedule()
	p.stay(stay)
	return cmd
}

// ApplyScan takes the result of a command of Sync; stale ones are dropped. It
// returns the next slice of work.
func (p *Pane) ApplyScan(m ScanMsg) tea.Cmd {
	if m.pane != p || m.gen != p.wanted.Load() {
		return nil
	}
	p.inFlight = false
	for i, id := range m.ids {
		p.known[id] = m.hits[i]
	}
	stay := p.anchor()
	p.refresh()
	cmd := p.schedule()
	p.stay(stay)
	return cmd
}

// refresh takes a snapshot of the buffer and lists its shown rows.
func (p *Pane) refresh() {
	p.snap = p.buf.snapshot()
	p.list = newList(p.snap, p.known, p.query, p.paused)
	p.findMarks()
	p.measureExtra()
	if len(p.known) > 2*len(p.snap.chunks)+16 {
		p.prune()
	}
	p.measureNames()
}

// prune forgets what belongs to evicted chunks.
func (p *Pane) prune() {
	have := make(map[uint64]bool, len(p.snap.chunks))
	for _, c := range p.snap.chunks {
		have[c.id] = true
	}
	maps.DeleteFunc(p.known, func(id uint64, _ *hits) bool { return !have[id] })
}

// measureNames finds the widest task name, so that the column does not jump about, and whether dates are needed.
func (p *Pane) measureNames() {
	n := len(p.snap.chunks)
	if n == 0 {
		p.named, p.dated = 0, false
		return
	}
	highest := p.named
	for _, c := range p.snap.chunks {
		if c.id >= p.named {
			for _, s := range c.streams[:min(len(c.streams), 64)] {
				p.nameWidth = max(p.nameWidth, min(width(p.name(s)), maxTask))
			}
			highest = max(highest, c.id)
		}
	}
	p.named = highest
	p.dated = !p.now.IsZero() && !p.sameDay(time.Unix(0, p.snap.chunks[0].first().ts))
}

func (p *Pane) sameDay(t time.Time) bool {
	y, m, d := p.now.In(p.opts.Location).Date()
	ty, tm, td := t.In(p.opts.Location).Date()
	return y == ty && m == tm && d == td
}

func after(k key) key { return key{k.ts, k.seq + 1} }
