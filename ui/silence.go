package ui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// silenceTimes are the lengths that are offered; any other can be typed.
var silenceTimes = []string{"30m", "1h", "2h", "4h", "8h", "24h", "3d"}

const silenceUsual = 2

// fleeting are labels whose values do not outlive a task: a silence of them would mute nothing once it is replaced.
var fleeting = []string{"instance", "container", "container_id", "id", "pod", "task", "task_id", "task_name", "slot", "name", "pid", "replica"}

// silenceLine is a matcher that can be switched off.
type silenceLine struct {
	matcher sources.Matcher
	on      bool
}

// Fields of the silence box below its matchers.
const (
	fieldAdd = iota
	fieldTime
	fieldWhy
	silenceFields
)

// silenceBox asks what is to be silenced, for how long and why.
type silenceBox struct {
	matchers []silenceLine
	at       int // the row: a matcher, then the fields
	add      textinput.Model
	time     int // into silenceTimes; -1: what is typed
	typed    textinput.Model
	why      textinput.Model
	complain string
}

// noSilences is why nothing can be silenced where Prometheus alone tells of alerts.
const noSilences = "silences are Alertmanager's, and none is configured (--alertmanager or ALERTMANAGER_URL): Prometheus has none"

// askSilence opens the box, with the matchers of what is under the cursor.
func (m *Model) askSilence() tea.Cmd {
	if m.o.Alerts == nil {
		return m.say(noSilences)
	}
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	b := &silenceBox{add: newInput(m.st, "add: "), typed: newInput(m.st, "for: "), why: newInput(m.st, "why: "), time: silenceUsual}
	if a := m.selectedAlert(); a != nil {
		b.matchers = matchersOf(a)
	} else if s := m.selectedSilence(); s != nil {
		for _, x := range s.Matchers {
			b.matchers = append(b.matchers, silenceLine{x, true})
		}
	}
	b.focus(len(b.matchers) + fieldWhy)
	if len(b.matchers) == 0 {
		b.focus(fieldAdd)
	}
	m.overlay = b
	return nil
}

// matchersOf are an alert's labels as matchers, its name first. Those that are gone with a task are off, where others are left.
func matchersOf(a *sources.Alert) []silenceLine {
	var out []silenceLine
	names := make([]string, 0, len(a.Labels))
	for k := range a.Labels {
		names = append(names, k)
	}
	rank := func(k string) int {
		switch {
		case k == "alertname":
			return 0
		case slices.Contains(sources.AlertLabels, k):
			return 1
		case slices.Contains(fleeting, k):
			return 3
		}
		return 2
	}
	slices.SortFunc(names, func(x, y string) int {
		if d := rank(x) - rank(y); d != 0 {
			return d
		}
		return strings.Compare(x, y)
	})
	lasting := 0
	for _, k := range names {
		on := rank(k) < 3
		if on && k != "alertname" && k != "severity" {
			lasting++
		}
		out = append(out, silenceLine{sources.Matcher{Name: k, Value: a.Labels[k]}, on})
	}
	if lasting == 0 { // its name alone would mute it everywhere
		for i := range out {
			out[i].on = true
		}
	}
	return out
}

func (b *silenceBox) title() string { return "silence" }

func (b *silenceBox) focus(at int) {
	b.at = min(max(at, 0), len(b.matchers)+silenceFields-1)
	for i, in := range []*textinput.Model{&b.add, &b.typed, &b.why} {
		if b.at == len(b.matchers)+i {
			in.Focus()
		} else {
			in.Blur()
		}
	}
}

// field is the field that has the focus, -1: a matcher has.
func (b *silenceBox) field() int {
	if b.at < len(b.matchers) {
		return -1
	}
	return b.at - len(b.matchers)
}

func (b *silenceBox) input() *textinput.Model {
	switch b.field() {
	case fieldAdd:
		return &b.add
	case fieldTime:
		return &b.typed
	case fieldWhy:
		return &b.why
	}
	return nil
}

func (b *silenceBox) paste(text string) {
	if in := b.input(); in != nil {
		pasteInto(in, text)
		b.changed()
	}
}

// changed takes in what was typed.
func (b *silenceBox) changed() {
	b.complain = ""
	if b.field() == fieldTime {
		b.time = -1
		if b.typed.Value() == "" {
			b.time = silenceUsual
		}
	}
}

// chosen are the matchers that are on.
func (b *silenceBox) chosen() []sources.Matcher {
	var out []sources.Matcher
	for _, l := range b.matchers {
		if l.on {
			out = append(out, l.matcher)
		}
	}
	return out
}

// lasts is the length that was chosen or typed: "90m", "3d", or a time of day.
func (b *silenceBox) lasts(m *Model) (time.Duration, error) {
	text := strings.TrimSpace(b.typed.Value())
	if b.time >= 0 {
		text = silenceTimes[b.time]
	}
	return parseLasting(text, m.o.Now(), m.o.Location)
}

// parseLasting reads a length of time from now on: 90m, 2h, 3d, or until a time of day (08:00).
func parseLasting(text string, now time.Time, loc *time.Location) (time.Duration, error) {
	wrong := fmt.Errorf("%q is no length of time: 90m, 2h, 3d, or 08:00 for until then", text)
	if t, err := time.ParseInLocation("15:04", text, loc); err == nil {
		here := now.In(loc)
		at := time.Date(here.Year(), here.Month(), here.Day(), t.Hour(), t.Minute(), 0, 0, loc)
		if !at.After(now) {
			at = time.Date(here.Year(), here.Month(), here.Day()+1, t.Hour(), t.Minute(), 0, 0, loc)
		}
		return at.Sub(now), nil
	}
	var d time.Duration
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days+"\n", "%d\n", &n); err != nil || n <= 0 || n > 365 {
			return 0, wrong
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Minute || d > 366*24*time.Hour {
		return 0, wrong
	}
	return d, nil
}

func (b *silenceBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c":
		return nil, true
	case "up", "shift+tab":
		b.focus(b.at - 1)
		return nil, false
	case "down", "tab":
		if b.at == len(b.matchers)+silenceFields-1 && k.String() == "tab" {
			b.focus(0)
		} else {
			b.focus(b.at + 1)
		}
		return nil, false
	case "enter":
		return b.enter(m), false
	}
	if b.field() == -1 {
		b.matcherKey(k.String())
		return nil, false
	}
	if b.field() == fieldTime && b.typed.Value() == "" && (k.String() == "left" || k.String() == "right") {
		step := 1
		if k.String() == "left" {
			step = -1
		}
		b.time = min(max(b.time+step, 0), len(silenceTimes)-1)
		return nil, false
	}
	in := b.input()
	before := in.Value()
	*in, _ = in.Update(k)
	if in.Value() != before {
		b.changed()
	}
	return nil, false
}

func (b *silenceBox) matcherKey(s string) {
	switch s {
	case "space", "x":
		b.matchers[b.at].on = !b.matchers[b.at].on
		b.complain = ""
	case "j":
		b.focus(b.at + 1)
	case "k":
		b.focus(b.at - 1)
	case "e":
		if strings.TrimSpace(b.add.Value()) != "" {
			b.complain = "another matcher is being typed: enter adds it first"
			return
		}
		text := b.matchers[b.at].matcher.String()
		b.matchers = slices.Delete(b.matchers, b.at, b.at+1)
		b.focus(len(b.matchers) + fieldAdd)
		b.add.SetValue(text)
		b.add.CursorEnd()
	}
}

// enter adds the matcher that was typed, or goes to the plan.
func (b *silenceBox) enter(m *Model) tea.Cmd {
	if text := strings.TrimSpace(b.add.Value()); text != "" {
		x, err := sources.ParseMatcher(text)
		if err != nil {
			b.complain = err.Error()
			b.focus(len(b.matchers) + fieldAdd)
			return nil
		}
		b.add.SetValue("")
		b.matchers = append(b.matchers, silenceLine{x, true})
		b.focus(len(b.matchers) + fieldAdd)
		return nil
	}
	d, err := b.lasts(m)
	switch why := strings.TrimSpace(b.why.Value()); {
	case err != nil:
		b.complain = err.Error()
		b.focus(len(b.matchers) + fieldTime)
		return nil
	case why == "":
		b.complain = "say why: the others on call see it"
		b.focus(len(b.matchers) + fieldWhy)
		return nil
	}
	s := sources.Silence{Matchers: b.chosen(), Comment: strings.TrimSpace(b.why.Value())}
	now := m.o.Now
	return m.requestPlan("silence "+fleet.MatchersText(s.Matchers), func(ctx context.Context, deck *actions.Deck) (*actions.Plan, error) {
		s.Ends = now().Add(d)
		return deck.PlanSilence(ctx, s)
	})
}

// askEndSilence plans to end the silence under the cursor, or the one that mutes the alert under it.
func (m *Model) askEndSilence() tea.Cmd {
	if m.o.Alerts == nil {
		return m.say(noSilences)
	}
	id := ""
	if s := m.selectedSilence(); s != nil {
		id = s.ID
	} else if a := m.selectedAlert(); a != nil && len(a.SilencedBy) > 0 {
		id = a.SilencedBy[0]
	}
	if id == "" {
		return m.say("no silence is under the cursor, nor an alert that is silenced")
	}
	what := "end silence " + id
	if s := m.silence(id); s != nil {
		what = "end the silence of " + fleet.MatchersText(s.Matchers)
	}
	return m.requestPlan(what, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanUnsilence(ctx, id) })
}
