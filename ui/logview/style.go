package logview

import (
	"hash/fnv"

	"charm.land/lipgloss/v2"

	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

// look is what the pane takes from a theme.
type look struct {
	text, muted, key, match, selected, title lipgloss.Style
	good, warn, bad                          lipgloss.Style
	hues                                     []lipgloss.Style
	levels                                   [sources.LevelFatal + 1]lipgloss.Style
	ascii                                    bool
}

func newLook(s theme.Styles) *look {
	l := &look{text: s.Text, muted: s.Muted, key: s.Muted, match: s.Match, selected: s.Selection, title: s.Title,
		good: s.OK, warn: s.Warn, bad: s.Error, hues: s.Series}
	l.levels = [...]lipgloss.Style{s.Muted, s.Muted, s.Muted, s.OK, s.Warn, s.Error, s.Error}
	return l
}

// hue is a colour that a name always has.
func (l *look) hue(name string) lipgloss.Style {
	if len(l.hues) == 0 {
		return l.text
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))                 // never fails
	return l.hues[h.Sum32()%uint32(len(l.hues))] //nolint:gosec // a few hues
}

// look is the theme's, made anew when the theme is another.
func (p *Pane) look(s theme.Styles) *look {
	if p.themed == nil || p.sig.theme != s.Name {
		p.themed = newLook(s)
		p.sig.theme = s.Name
		p.drawn = cache[drawnKey, string]{}
	}
	return p.themed
}
