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
		of: s.Sheet, styles: s, text: theme.PenOf(s.Text), muted: theme.PenOf(s.Muted), key: theme.PenOf(s.Muted), title: theme.PenOf(s.Title),
		match: theme.PenOf(s.Match), matchSelected: theme.PenOf(s.MatchCurrent),
		selected: theme.PenOf(s.Selection), blurred: theme.PenOf(s.SelectionBlurred), cursor: theme.PenOf(s.Text.Reverse(true)),
		info: theme.PenOf(s.Info), warn: theme.PenOf(s.Warn), bad: theme.PenOf(s.Error),
		mark: s.Signs.Mark, pointer: s.Signs.Cursor, rule: s.Signs.Rule, ellipsis: s.Signs.Ellipsis, hold: s.Signs.Paused,
	}
	for _, h := range s.Series {
		l.hues = append(l.hues, theme.PenOf(h))
	}
	for i := range l.levels {
		l.levels[i] = theme.PenOf(s.Levels[i])
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
	return sign + " " + word, theme.PenOf(style)
}

// look is the theme's, made anew when the theme is another.
func (p *Pane) look(s theme.Styles) *look {
	if p.themed == nil || p.themed.of != s.Sheet {
		p.themed = newLook(s)
		p.drawn = cache[drawnKey, string]{}
	}
	return p.themed
}
