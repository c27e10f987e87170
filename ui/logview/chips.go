package logview

import (
	"slices"
	"strings"

	"quarterdeck/sources"
)

// Chip is one part of the filter, as it is shown and taken off.
type Chip struct {
	Text string // harmless only after plain.Line
	less func(Filter) Filter
	// other makes text of a field's comparison, or the other way round, and tells the new part's Text; nil: it is neither.
	other func(Filter) (Filter, string)
}

// Switches tells whether it can be taken as the other: text as a field's comparison, or that as text.
func (c Chip) Switches() bool { return c.other != nil }

// Chips are the filter's parts in the order in which they came to be.
func (p *Pane) Chips() []Chip {
	out := p.filter.chips()
	place := func(c Chip) int {
		if i := slices.Index(p.order, c.Text); i >= 0 {
			return i
		}
		return len(p.order)
	}
	slices.SortStableFunc(out, func(a, b Chip) int { return place(a) - place(b) })
	return out
}

// remember keeps the order in which parts came.
func (p *Pane) remember() {
	now := p.filter.chips()
	has := func(text string) bool {
		return slices.ContainsFunc(now, func(c Chip) bool { return c.Text == text })
	}
	p.order = slices.DeleteFunc(p.order, func(text string) bool { return !has(text) })
	for _, c := range now {
		if !slices.Contains(p.order, c.Text) {
			p.order = append(p.order, c.Text)
		}
	}
}

// TakeOff takes a part off the filter; false: it is not there any more.
func (p *Pane) TakeOff(text string) bool {
	for _, c := range p.filter.chips() {
		if c.Text == text {
			return p.SetFilter(c.less(p.Filter())) == nil
		}
	}
	return false
}

// TakeOffLast takes the part off that came last, and says which; "": there is none.
func (p *Pane) TakeOffLast() string {
	chips := p.Chips()
	if len(chips) == 0 {
		return ""
	}
	last := chips[len(chips)-1].Text
	p.TakeOff(last)
	return last
}

// Add puts a part to the filter: a field's comparison.
func (p *Pane) Add(t FieldTerm) error {
	f := p.Filter()
	if slices.Contains(f.Fields, t) {
		return nil
	}
	f.Fields = append(f.Fields, t)
	return p.SetFilter(f)
}

// AddPattern shows only the lines of a pattern, or hides them.
func (p *Pane) AddPattern(text string, exclude bool) error {
	f := p.Filter()
	list := &f.Patterns
	if exclude {
		list = &f.NotPatterns
	}
	if !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
	return p.SetFilter(f)
}

// chips are the filter's parts, by kind.
func (f Filter) chips() []Chip {
	var out []Chip
	add := func(text string, less func(Filter) Filter) { out = append(out, Chip{Text: text, less: less}) }
	if len(f.Services) > 0 {
		add(strings.Join(f.Services[:min(len(f.Services), 3)], ","), func(f Filter) Filter { f.Services = nil; return f })
	}
	if len(f.Tasks) > 0 {
		add(strings.Join(f.Tasks[:min(len(f.Tasks), 3)], ","), func(f Filter) Filter { f.Tasks = nil; return f })
	}
	for i, t := range f.Include {
		add(textChip(t), func(f Filter) Filter { f.Include = without(f.Include, i); return f })
		if field, ok := t.asField(); ok {
			out[len(out)-1].other = func(f Filter) (Filter, string) {
				f.Include, f.Fields = without(f.Include, i), append(slices.Clone(f.Fields), field)
				return f, fieldChip(field)
			}
		}
	}
	for i, t := range f.Exclude {
		add("!"+quoted(t), func(f Filter) Filter { f.Exclude = without(f.Exclude, i); return f })
	}
	for i, t := range f.Fields {
		add(fieldChip(t), func(f Filter) Filter { f.Fields = without(f.Fields, i); return f })
		out[len(out)-1].other = func(f Filter) (Filter, string) { return t.asText(f, i) }
	}
	for i, t := range f.Patterns {
		add("|> "+t, func(f Filter) Filter { f.Patterns = without(f.Patterns, i); return f })
	}
	for i, t := range f.NotPatterns {
		add("!> "+t, func(f Filter) Filter { f.NotPatterns = without(f.NotPatterns, i); return f })
	}
	if text := levelChip(f.Levels); text != "" {
		add(text, func(f Filter) Filter { f.Levels = nil; return f })
	}
	return out
}

func without[T any](s []T, i int) []T {
	if i >= len(s) {
		return s
	}
	return slices.Delete(slices.Clone(s), i, i+1)
}

func levelChip(levels []sources.Level) string {
	least := sources.LevelUnknown
	for _, l := range levels {
		if l != sources.LevelUnknown && (least == sources.LevelUnknown || l < least) {
			least = l
		}
	}
	switch {
	case least == sources.LevelUnknown:
		return ""
	case slices.Contains(levels, sources.LevelFatal):
		return "level>=" + least.String()
	}
	return "level=" + least.String()
}

// chips are the filters in words, as the header shows them.
func (p *Pane) chips() []string {
	var out []string
	if p.before != nil {
		out = append(out, "context")
	}
	for _, c := range p.Chips() {
		out = append(out, c.Text)
	}
	return out
}

func quoted(t Term) string {
	if t.Regexp {
		return t.String()
	}
	return `"` + t.Text + `"`
}
