package theme

import (
	"strings"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

// Signs are one cell wide each, and in the fonts that terminals come with.
type Signs struct {
	OK, Updating, Degraded, Down, Idle, Unknown     string // health
	Look                                            string // out of the ordinary
	Critical, Warning, Info, Silenced, Pending      string // alerts
	Live, Polling, Connecting, Reconnecting, Paused string // sources
	Gap, Dropped, Stale, Denied, Faulty, Absent     string
	Deploy, Alert, Start, Death, Action, Node       string // marks of moments
	Resolved                                        string // an alert that is over
	Backup                                          string // a snapshot, or a restore of one
	Check                                           string // a check of the stages
	Dot, Mark, Cursor, Ellipsis                     string
	Up, DownArrow, Left, Right                      string
	Rule, Bar, TopLeft, TopRight                    string // lines
	BottomLeft, BottomRight, Dash                   string
}

func unicodeSigns() Signs {
	return Signs{
		OK: "●", Updating: "↻", Degraded: "▲", Down: "✗", Idle: "○", Unknown: "?", Look: "!",
		Critical: "■", Warning: "▲", Info: "●", Silenced: "○", Pending: "◐",
		Live: "●", Polling: "◐", Connecting: "○", Reconnecting: "↻", Paused: "‖", Gap: "◇", Dropped: "▼", Stale: "◌", Denied: "✗", Faulty: "▲", Absent: "–",
		Deploy: "◆", Alert: "▲", Start: "△", Death: "✗", Action: "▸", Node: "▣", Resolved: "▼", Backup: "□", Check: "✓", Dot: "·", Mark: "▪", Cursor: "▌", Ellipsis: "…",
		Up: "↑", DownArrow: "↓", Left: "←", Right: "→",
		Rule: "─", Bar: "│", TopLeft: "┌", TopRight: "┐", BottomLeft: "└", BottomRight: "┘", Dash: "╌",
	}
}

func asciiSigns() Signs {
	return Signs{
		OK: "*", Updating: "~", Degraded: "!", Down: "x", Idle: "o", Unknown: "?", Look: "+",
		Critical: "#", Warning: "!", Info: "i", Silenced: "o", Pending: "~",
		Live: "*", Polling: "%", Connecting: "o", Reconnecting: "~", Paused: "=", Gap: "/", Dropped: "v", Stale: "@", Denied: "x", Faulty: "!", Absent: "-",
		Deploy: "D", Alert: "!", Start: "^", Death: "x", Action: ">", Node: "N", Resolved: "v", Backup: "B", Check: "c", Dot: ".", Mark: "*", Cursor: ">", Ellipsis: ".",
		Up: "^", DownArrow: "v", Left: "<", Right: ">",
		Rule: "-", Bar: "|", TopLeft: "+", TopRight: "+", BottomLeft: "+", BottomRight: "+", Dash: "-",
	}
}

// Health is how a service's health is shown: healthy, updating, degraded, down, idle or unknown.
// What is none of them is shown as it stands, as unknown.
func (s Styles) Health(state string) (sign, word string, style Style) {
	switch state {
	case "healthy":
		return s.Signs.OK, state, s.OK
	case "updating":
		return s.Signs.Updating, state, s.Updating
	case "degraded":
		return s.Signs.Degraded, state, s.Warn
	case "down":
		return s.Signs.Down, state, s.Error
	case "idle":
		return s.Signs.Idle, state, s.Idle
	}
	return s.Signs.Unknown, wordOr(state), s.Unknown
}

// Severity is how an alert's severity label is shown. The label is a team's own word: what is not
// known is shown as it stands, as a warning.
func (s Styles) Severity(severity string) (sign, word string, style Style) {
	switch strings.ToLower(severity) {
	case "critical", "page", "emergency", "fatal", "disaster", "high", "error":
		return s.Signs.Critical, plain.LineN(severity, 24), s.Error
	case "info", "information", "none", "low", "notice":
		return s.Signs.Info, plain.LineN(severity, 24), s.Info
	}
	return s.Signs.Warning, wordOr(severity), s.Warn
}

// Alert is how an alert's state is shown: one that fires takes its severity's sign and colour.
func (s Styles) Alert(state, severity string) (sign, word string, style Style) {
	switch sources.AlertState(state) {
	case sources.Firing:
		sign, _, style = s.Severity(severity)
		return sign, state, style
	case sources.Pending:
		return s.Signs.Pending, state, s.Updating
	case sources.Suppressed:
		return s.Signs.Silenced, state, s.Muted
	}
	return s.Signs.Unknown, wordOr(state), s.Unknown
}

// Source is how a source's state is shown. The states' words are shown as they stand.
func (s Styles) Source(state string) (sign, word string, style Style) {
	g := s.Signs
	switch sources.State(state) {
	case sources.Live:
		return g.Live, state, s.OK
	case sources.Polling:
		return g.Polling, state, s.OK
	case sources.Connecting:
		return g.Connecting, state, s.Muted
	case sources.Reconnecting:
		return g.Reconnecting, state, s.Error
	case sources.HasGap:
		return g.Gap, state, s.Warn
	case sources.Dropped:
		return g.Dropped, state, s.Warn
	case sources.Stale:
		return g.Stale, state, s.Warn
	case sources.NoAuth, sources.Denied:
		return g.Denied, state, s.Error
	case sources.Faulty:
		return g.Faulty, state, s.Error
	case sources.Absent:
		return g.Absent, state, s.Faint
	case "PAUSED":
		return g.Paused, state, s.Info
	}
	return g.Unknown, wordOr(state), s.Unknown
}

func wordOr(state string) string {
	if w := plain.LineN(state, 24); w != "" {
		return w
	}
	return "unknown"
}
