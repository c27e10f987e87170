package logview

import (
	"reflect"

	"quarterdeck/sources"
)

// SetFilter shows only what f lets through. The selected row stays selected where it still is
// shown; where it is not, the last shown one before it is. A wrong regular expression is an error and changes nothing. The buffer is looked
// through by the commands that Sync returns.
func (p *Pane) SetFilter(f Filter) error {
	if p.before == nil && reflect.DeepEqual(f, p.filter) {
		return nil
	}
	m, err := newMatcher(f)
	if err != nil {
		return err
	}
	p.filter, p.before = f.clone(), nil
	p.remember()
	p.apply(m)
	return nil
}

func (p *Pane) apply(m *matcher) {
	p.query.filter = m
	p.query.filterGen++
	p.seek = true
	p.requery()
}

func (p *Pane) requery() {
	p.wanted.Add(1)
	p.inFlight = false // what is under way is stale and stops by itself
	p.refresh()
}

// Filter is what is filtered for.
func (p *Pane) Filter() Filter { return p.filter.clone() }

// Exclude hides lines with t, beside what is hidden already.
func (p *Pane) Exclude(t Term) error {
	f := p.Filter()
	f.Exclude = append(f.Exclude, t)
	return p.SetFilter(f)
}

// ClearFilters shows everything and ends the search.
func (p *Pane) ClearFilters() {
	_ = p.SetFilter(Filter{}) // of the zero filter: no error
	_ = p.SetSearch(Term{})
}

// CycleLevel raises the least level shown: all, info, warn, error, and all again. Lines of unknown
// level are hidden only by warn and above.
func (p *Pane) CycleLevel() {
	f := p.Filter()
	switch least := p.leastLevel(); {
	case least == sources.LevelUnknown:
		f.Levels = append(levelsFrom(sources.LevelInfo), sources.LevelUnknown)
	case least >= sources.LevelError:
		f.Levels = nil
	default:
		f.Levels = levelsFrom(least + 1)
	}
	_ = p.SetFilter(f) // its expressions were compiled before
}

// leastLevel is the lowest level shown; LevelUnknown: all are.
func (p *Pane) leastLevel() sources.Level {
	least := sources.LevelUnknown
	for _, l := range p.filter.Levels {
		if l != sources.LevelUnknown && (least == sources.LevelUnknown || l < least) {
			least = l
		}
	}
	return least
}

func levelsFrom(l sources.Level) []sources.Level {
	var out []sources.Level
	for ; l <= sources.LevelFatal; l++ {
		out = append(out, l)
	}
	return out
}

// SetSearch marks t in the lines without hiding any; an empty text ends the search.
func (p *Pane) SetSearch(t Term) error {
	if t == p.search {
		return nil
	}
	if t.Text == "" {
		p.search, p.query.search = Term{}, nil
	} else {
		pat, err := compile(t)
		if err != nil {
			return err
		}
		p.search, p.query.search = t, pat
	}
	p.query.searchGen++
	p.requery()
	return nil
}

// Search is what is searched for.
func (p *Pane) Search() Term { return p.search }

// Context lifts the filters and shows the lines of the selected line's task around it; called
// again it brings the filters back. The line stays selected.
func (p *Pane) Context() bool {
	if f := p.before; f != nil {
		_ = p.SetFilter(*f) // was valid before
		p.centre = !p.follow
		return true
	}
	e := p.Selected()
	if e == nil {
		return false
	}
	p.hold()
	old := p.filter
	var f Filter
	switch {
	case e.Stream.Task != "":
		f.Tasks = []string{e.Stream.Task}
	case e.Stream.Service != "":
		f.Services = []string{e.Stream.Service}
	}
	if err := p.SetFilter(f); err != nil {
		return false
	}
	p.before, p.centre = &old, true
	return true
}

// InContext tells whether Context has lifted the filters.
func (p *Pane) InContext() bool { return p.before != nil }

// ToggleWrap wraps long lines, or cuts them at the edge.
func (p *Pane) ToggleWrap() {
	p.wrap = !p.wrap
	p.side, p.topSub = 0, 0
	p.reveal(false)
}

// ToggleTimestamps goes from local time to age to none.
func (p *Pane) ToggleTimestamps() { p.time = (p.time + 1) % timeModes; p.topSub = 0 }

// ToggleColumns goes through the sets of columns: level and task; also the node; level; none.
func (p *Pane) ToggleColumns() { p.columns = (p.columns + 1) % len(columnSets); p.topSub = 0 }

// ToggleFields shows logfmt and JSON lines message first with dimmed fields, or as they came.
func (p *Pane) ToggleFields() { p.fields = !p.fields; p.topSub = 0 }
