package logview

import (
	"hash/fnv"

	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

// look is what the pane takes from a theme, boiled down to pens: a frame has hundreds of pieces.
type look struct {
	of                                  *theme.Sheet
	text, muted, key, title             theme.Pen
	match, matchSelected                theme.Pen
	selected, blurred, cursor           theme.Pen
	info, warn, bad                     theme.Pen
	hues                                []theme.Pen
	levels                              [sources.LevelFatal + 1]theme.Pen
	mark, pointer, rule, ellipsis, hold string
	styles                              theme.Styles
}

func newLook(s theme.Styles) *look {
	if s.IsZero() {
		return &look{pointer: ">", mark: "*", rule: "-", ellipsis: "…", hold: "="}
	}
	l := &look{
		of: s.Sheet, styles: s, text: s.Text.Pen(), muted: s.Muted.Pen(), key: s.Muted.Pen(), title: s.Title.Pen(),
		match: s.Match.Pen(), matchSelected: s.MatchCurrent.Pen(),
		selected: s.Selection.Pen(), blurred: s.SelectionBlurred.Pen(), cursor: s.Text.Reverse(true).Pen(),
		info: s.Info.Pen(), warn: s.Warn.Pen(), bad: s.Error.Pen(),
		mark: s.Signs.Mark, pointer: s.Signs.Cursor, rule: s.Signs.Rule, ellipsis: s.Signs.Ellipsis, hold: s.Signs.Paused,
	}
	for _, h := range s.Series {
		l.hues = append(l.hues, h.Pen())
	}
	for i := range l.levels {
		l.levels[i] = s.Levels[i].Pen()
	}
	return l
}

// hue is a colour that a name always has.
func (l *look) hue(name string) theme.Pen {
	if len(l.hues) == 0 {
		return l.text
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return l.hues[h.Sum32()%uint32(len(l.hues))]
}

// state is a source's state with its sign.
func (l *look) state(s sources.State) (string, theme.Pen) {
	if l.of == nil {
		return string(s), l.text
	}
	sign, word, style := l.styles.Source(string(s))
	return sign + " " + word, style.Pen()
}

// look is the theme's, made anew when the theme is another.
func (p *Pane) look(s theme.Styles) *look {
	if p.themed == nil || p.themed.of != s.Sheet {
		p.themed = newLook(s)
		p.drawn = cache[drawnKey, string]{}
	}
	return p.themed
}
