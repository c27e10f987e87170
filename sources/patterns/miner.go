package patterns

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
)

const (
	// DefaultMax bounds the patterns of a miner where no bound is given.
	DefaultMax = 1000
	// alike is the least share of telling words that a line must have in common with a pattern (Drain's paper
	// found 0.3 to 0.6 to serve most logs; ours are the words alone, without what varies anyway).
	alike = 0.6
	// crowded is how many patterns of one shape there may be before less will do.
	crowded      = 48
	alikeCrowded = 0.34
)

// Options of a miner. The zero value is usable.
type Options struct {
	Max int // patterns at most; lines of further ones are counted in Other. 0: DefaultMax
	// From and Step, where both are set, count each pattern's lines by step of time from From on.
	From time.Time
	Step time.Duration
}

// Miner finds patterns in lines as they come. It keeps none of the lines' memory beside one sample a pattern,
// and is not safe for concurrent use.
type Miner struct {
	o      Options
	scan   scanner
	shapes map[uint64][]*cluster
	all    []*cluster
	seed   maphash.Seed
	hash   maphash.Hash
	other  int
	lines  int
}

// maxPoints bounds the steps that are counted; later lines fall into the last.
const maxPoints = 1000

type cluster struct {
	tokens      []token
	told        bool // its likeness is that of a message
	level       sources.Level
	count       int
	first, last time.Time
	sample      string
	points      []uint32
}

// NewMiner makes a miner.
func NewMiner(o Options) *Miner {
	if o.Max <= 0 {
		o.Max = DefaultMax
	}
	m := &Miner{o: o, shapes: map[uint64][]*cluster{}, seed: maphash.MakeSeed()}
	m.hash.SetSeed(m.seed)
	return m
}

// Add looks at one line.
func (m *Miner) Add(e *sources.Entry) {
	m.lines++
	m.scan.scan(clean(e.Line))
	shape := m.shape(e.Level)
	c := m.find(shape)
	if c == nil {
		if len(m.all) >= m.o.Max {
			m.other++
			return
		}
		c = m.grow(shape, e)
	}
	m.note(c, e.Time)
}

// Lines is how many lines were added, Other how many of them are of no pattern because there were too many.
func (m *Miner) Lines() int { return m.lines }

// Other is how many lines are of no pattern because there were too many already.
func (m *Miner) Other() int { return m.other }

// shape is what all lines of a pattern have in common: their level, the number of words, what stands between them, the firm ones.
func (m *Miner) shape(l sources.Level) uint64 {
	h := &m.hash
	h.Reset()
	_ = h.WriteByte(byte(l))
	for i := range m.scan.tokens {
		t := &m.scan.tokens[i]
		_, _ = h.WriteString(t.pre)
		_ = h.WriteByte(0)
		if t.kind == firm {
			_, _ = h.WriteString(t.text)
			_ = h.WriteByte(1)
		}
	}
	return h.Sum64()
}

// find is the pattern that the scanned line is most like, made wider to take it in; nil: it is like none.
func (m *Miner) find(shape uint64) *cluster {
	group := m.shapes[shape]
	least := alike
	if len(group) >= crowded {
		least = alikeCrowded
	}
	var best *cluster
	most := 0.0
	for _, c := range group {
		if s := likeness(c, m.scan.tokens); s > most {
			if best, most = c, s; s == 1 {
				break
			}
		}
	}
	if best == nil || most < least {
		return nil
	}
	for i := range best.tokens {
		if a, b := &best.tokens[i], &m.scan.tokens[i]; a.kind != variable && a.text != b.text {
			a.kind, a.text = variable, ""
		}
	}
	return best
}

// likeness is the share of c's telling words that a line has too, of 0 to 1; 0 where the two cannot be of one pattern.
func likeness(c *cluster, line []token) float64 {
	if len(c.tokens) != len(line) {
		return 0 // two shapes with one hash
	}
	same, differ := 0, 0
	for i := range line {
		a, b := &c.tokens[i], &line[i]
		switch {
		case a.pre != b.pre, a.kind == firm && a.text != b.text:
			return 0
		case a.kind == variable || a.kind == firm || a.kind == value:
		case c.told && a.kind != message:
		case a.text == b.text:
			same++
		case b.kind != variable && (!hasDigit(a.text) || !hasDigit(b.text)):
			differ++
		}
	}
	if differ == 0 {
		return 1
	}
	return float64(same) / float64(same+differ)
}

// grow makes a pattern of the scanned line.
func (m *Miner) grow(shape uint64, e *sources.Entry) *cluster {
	c := &cluster{tokens: make([]token, len(m.scan.tokens)), told: m.scan.hasMessage, level: e.Level, sample: strings.Clone(e.Line[:min(len(e.Line), maxLine)])}
	for i, t := range m.scan.tokens {
		c.tokens[i] = token{strings.Clone(t.pre), "", t.kind}
		if t.kind != variable {
			c.tokens[i].text = strings.Clone(t.text)
		}
	}
	m.shapes[shape] = append(m.shapes[shape], c)
	m.all = append(m.all, c)
	return c
}

func (m *Miner) note(c *cluster, t time.Time) {
	c.count++
	if t.IsZero() {
		return
	}
	if c.first.IsZero() || t.Before(c.first) {
		c.first = t
	}
	if t.After(c.last) {
		c.last = t
	}
	if m.o.Step <= 0 || m.o.From.IsZero() || t.Before(m.o.From) {
		return
	}
	at := min(int(t.Sub(m.o.From)/m.o.Step), maxPoints-1)
	for len(c.points) <= at {
		c.points = append(c.points, 0)
	}
	c.points[at]++
}

// Patterns are those found so far, the most frequent first.
func (m *Miner) Patterns() []sources.Pattern {
	out := make([]sources.Pattern, 0, len(m.all))
	for _, c := range m.all {
		p := sources.Pattern{Text: c.text(), Level: c.level, Count: c.count, First: c.first, Last: c.last, Sample: c.sample}
		for i, n := range c.points {
			if n > 0 {
				p.Points = append(p.Points, sources.PatternPoint{Time: m.o.From.Add(time.Duration(i) * m.o.Step), Count: int(n)})
			}
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b sources.Pattern) int { return b.Count - a.Count })
	return out
}

// text is the pattern in words.
func (c *cluster) text() string {
	var b strings.Builder
	for i := range c.tokens {
		t := &c.tokens[i]
		b.WriteString(t.pre)
		switch {
		case t.kind == variable && (t.pre != "" || i == 0):
			b.WriteString(Wildcard)
		case t.kind == variable && !strings.HasSuffix(b.String(), Wildcard):
			b.WriteString(Wildcard)
		default:
			b.WriteString(t.text)
		}
	}
	return b.String()
}

// clean takes terminal colours out of a line.
func clean(line string) string {
	if strings.IndexByte(line, 0x1b) < 0 {
		return line
	}
	var b strings.Builder
	for i := 0; i < len(line); {
		if line[i] != 0x1b {
			b.WriteByte(line[i])
			i++
			continue
		}
		i += 2
		for i < len(line) && (line[i] < 0x40 || line[i] > 0x7e) {
			i++
		}
		i++
	}
	return b.String()
}
