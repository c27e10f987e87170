package logview

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

// Format of a saved file.
type Format uint8

// The formats: text that is harmless to print, or JSON lines with the fields of
// the logs command, in which a line is exactly as it came.
const (
	FormatText Format = iota
	FormatJSON
)

// Save writes the rows that pass the filter, oldest first, and returns how many.
func (p *Pane) Save(w io.Writer, f Format) (int, error) { return p.Export(f)(w) }

// Export fixes what Save would write now; the function returned may run on any goroutine.
func (p *Pane) Export(f Format) func(io.Writer) (int, error) {
	snap, filter, name := p.snap, p.query.filter, p.opts.TaskName
	return func(w io.Writer) (int, error) {
		b := bufio.NewWriterSize(w, 64<<10)
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		n := 0
		for _, c := range snap.chunks {
			streams := filter.streams(c)
			for i := range c.recs {
				r := &c.recs[i]
				if !filter.row(c, r, streams) {
					continue
				}
				var err error
				if f == FormatJSON {
					err = enc.Encode(jsonRow(c, r))
				} else {
					_, err = b.WriteString(textRow(c, r, name) + "\n")
				}
				if err != nil {
					return n, fmt.Errorf("save logs: %w", err)
				}
				n++
			}
		}
		if err := b.Flush(); err != nil {
			return n, fmt.Errorf("save logs: %w", err)
		}
		return n, nil
	}
}

type savedLine struct {
	Time    time.Time         `json:"time"`
	Service string            `json:"service"`
	Task    string            `json:"task"`
	Node    string            `json:"node"`
	Level   string            `json:"level"`
	Source  string            `json:"source"`
	Line    string            `json:"line"`
	Labels  map[string]string `json:"labels"`
}

type savedGap struct {
	Gap struct {
		From   time.Time `json:"from"`
		To     time.Time `json:"to"`
		Reason string    `json:"reason"`
		Lost   int       `json:"lost"`
	} `json:"gap"`
}

func jsonRow(c *chunk, r *rec) any {
	if r.kind == kindGap {
		g := c.gaps[r.off]
		var s savedGap
		s.Gap.From, s.Gap.To, s.Gap.Reason, s.Gap.Lost = g.From.UTC(), g.To.UTC(), g.Reason, g.Lost
		return s
	}
	e := c.entry(r)
	return savedLine{e.Time.UTC(), e.Stream.Service, e.Stream.Task, e.Stream.Node, e.Level.String(), e.Stream.Source, e.Line, e.Stream.Labels}
}

func textRow(c *chunk, r *rec, name func(*sources.Stream) string) string {
	if r.kind == kindGap {
		return "-- " + gapText(c.gaps[r.off]) + " --"
	}
	e := c.entry(r)
	return strings.Join([]string{e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), plain.Line(name(e.Stream)), plain.Line(e.Stream.Node),
		e.Level.String(), harmless(e.Line)}, " ")
}

// SelectedText is the selected line, whole and harmless, for the clipboard.
func (p *Pane) SelectedText() string {
	i := p.selIndex()
	if i < 0 {
		return ""
	}
	c, r := p.list.row(i)
	if r.kind == kindGap {
		return gapText(c.gaps[r.off])
	}
	return harmless(c.text(r))
}

// harmless is a whole line, which may be several lines of text, without what a terminal would act on.
func harmless(s string) string { return strings.TrimRight(plain.Text(s), "\n") }

// gapText says what is missing, the most telling first: "12 s, ≥ 340 lines missing: loki dropped lines".
func gapText(g sources.Gap) string {
	var parts []string
	if d := g.To.Sub(g.From); !g.From.IsZero() && !g.To.IsZero() && d >= time.Millisecond {
		parts = append(parts, span(d))
	}
	switch {
	case g.Lost > 0:
		parts = append(parts, "≥ "+thousands(g.Lost)+" lines")
	case len(parts) == 0:
		parts = append(parts, "lines")
	}
	s := strings.Join(parts, ", ") + " missing"
	if g.Service != "" {
		s += " of " + plain.LineN(g.Service, 40)
	}
	if g.Reason != "" {
		s += ": " + plain.LineN(g.Reason, 120)
	}
	return s
}
