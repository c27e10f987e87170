package theme

import (
	"fmt"
	"image/color"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"quarterdeck/sources"
)

// The themes.
const (
	Dark         = "dark"
	Light        = "light"
	HighContrast = "high-contrast"
	None         = "none" // no colour: bold, reverse and underline only
)

// Names are the themes that New knows.
func Names() []string { return []string{Dark, Light, HighContrast, None} }

// Styles are a theme's styles. A Styles is a small value over a shared [Sheet], which must not be
// changed: pass it on freely, and to any goroutine. The zero value has no sheet; see IsZero.
type Styles struct{ *Sheet }

// Sheet is every style of a theme, by what it says.
type Sheet struct {
	Name  string
	ASCII bool // signs and lines of ASCII alone

	Text, Muted, Faint, Accent, Title, Brand Style
	// Stale is for a figure of a source that is not live: dimmed; its date stands beside it.
	Stale Style

	Selection, SelectionBlurred                 Style // the row under the cursor, with and without focus
	Match, MatchCurrent                         Style // what a search found
	Border, BorderFocused                       Style
	PaneTitle, PaneTitleFocused, TableHeader    Style
	TabActive, HintKey, HintDesc, DemoBadge     Style
	Moment                                      Style // the moment that is looked at, where it is not now
	OK, Info, Warn, Error, Fatal                Style
	Updating, Idle, Unknown                     Style
	ChartTitle, Axis, Limit, Cursor, Spark      Style
	MarkDeploy, MarkAlert, MarkStart, MarkDeath Style

	// Series are the lines of a chart, in order; take Series[i%len(Series)].
	Series []Style
	// Levels are by sources.Level; see Level.
	Levels [sources.LevelFatal + 1]Style
	Signs  Signs
}

// IsZero tells whether s has no theme at all.
func (s Styles) IsZero() bool { return s.Sheet == nil }

// New makes a theme's styles. An empty name is dark or light, as the background is; high-contrast follows
// the background too. An unknown name is an error that lists the known ones.
func New(name string, darkBackground bool) (Styles, error) {
	var p palette
	switch {
	case name == None:
		return Styles{colourless()}, nil
	case name == HighContrast && darkBackground:
		p = brightPalette()
	case name == HighContrast:
		p = inkPalette()
	case name == Dark, name == "" && darkBackground:
		p, name = darkPalette(), Dark
	case name == Light, name == "":
		p, name = lightPalette(), Light
	default:
		return Styles{}, fmt.Errorf("theme %q is none of %s", name, strings.Join(Names(), ", "))
	}
	return Styles{coloured(name, p)}, nil
}

// WithASCII is s with signs and lines of ASCII, for terminals and fonts without others.
func (s Styles) WithASCII() Styles {
	c := *s.Sheet
	c.ASCII, c.Signs = true, asciiSigns()
	c.Series = slices.Clone(c.Series)
	return Styles{&c}
}

// Level is the style of a log level.
func (s Styles) Level(l sources.Level) Style {
	if int(l) >= len(s.Levels) {
		return s.Levels[sources.LevelUnknown]
	}
	return s.Levels[l]
}

func plainStyle() Style { return StyleOf(lipgloss.NewStyle()) }

func fg(c color.Color) Style {
	if c == nil {
		return plainStyle()
	}
	return StyleOf(lipgloss.NewStyle().Foreground(c))
}

func on(f, b color.Color) Style { return fg(f).Background(b) }

func coloured(name string, p palette) *Sheet {
	s := &Sheet{
		Name: name, Signs: unicodeSigns(),
		Text: fg(p.text), Muted: fg(p.muted), Faint: fg(p.faint), Stale: fg(p.faint), Accent: fg(p.accent),
		Title: fg(p.text).Bold(true), Brand: fg(p.accent).Bold(true),
		Selection: on(p.selFg, p.selBg), SelectionBlurred: on(p.blurFg, p.blurBg),
		Match: on(p.matchFg, p.matchBg), MatchCurrent: on(p.currentFg, p.currentBg).Bold(true),
		Border: fg(p.border), BorderFocused: fg(p.focus),
		PaneTitle: fg(p.muted), PaneTitleFocused: fg(p.accent).Bold(true), TableHeader: fg(p.muted).Bold(true),
		TabActive: fg(p.accent).Bold(true), HintKey: fg(p.accent), HintDesc: fg(p.muted), DemoBadge: on(p.badgeFg, p.badgeBg).Bold(true),
		Moment: on(p.currentFg, p.currentBg).Bold(true),
		OK:     fg(p.ok), Info: fg(p.info), Warn: fg(p.warn), Error: fg(p.err).Bold(true), Fatal: fg(p.fatal).Bold(true),
		Updating: fg(p.updating), Idle: fg(p.faint), Unknown: fg(p.unknown),
		ChartTitle: fg(p.text).Bold(true), Axis: fg(p.faint), Limit: fg(p.err), Cursor: fg(p.text).Bold(true), Spark: fg(p.spark),
		MarkDeploy: fg(p.updating), MarkAlert: fg(p.warn), MarkStart: fg(p.ok), MarkDeath: fg(p.err),
	}
	for _, c := range p.series {
		s.Series = append(s.Series, fg(c))
	}
	s.levels()
	return s
}

// colourless tells by bold, reverse and underline alone.
func colourless() *Sheet {
	t, bold, reverse := plainStyle(), plainStyle().Bold(true), plainStyle().Reverse(true)
	s := &Sheet{
		Name: None, Signs: unicodeSigns(),
		Text: t, Muted: t, Faint: t, Stale: t, Accent: bold, Title: bold, Brand: bold,
		Selection: reverse, SelectionBlurred: bold, Match: reverse, MatchCurrent: reverse.Bold(true),
		Border: t, BorderFocused: bold, PaneTitle: t, PaneTitleFocused: bold, TableHeader: bold,
		TabActive: bold.Underline(true), HintKey: bold, HintDesc: t, DemoBadge: reverse.Bold(true), Moment: reverse.Bold(true),
		OK: t, Info: t, Warn: bold, Error: bold, Fatal: reverse.Bold(true), Updating: t, Idle: t, Unknown: t,
		ChartTitle: bold, Axis: t, Limit: t, Cursor: bold, Spark: t,
		MarkDeploy: bold, MarkAlert: bold, MarkStart: t, MarkDeath: bold,
		Series: []Style{t, bold, t, bold, t, bold},
	}
	s.levels()
	return s
}

func (s *Sheet) levels() {
	s.Levels = [...]Style{
		sources.LevelUnknown: s.Text, sources.LevelTrace: s.Faint, sources.LevelDebug: s.Faint, sources.LevelInfo: s.OK,
		sources.LevelWarn: s.Warn, sources.LevelError: s.Error, sources.LevelFatal: s.Fatal,
	}
}
