package ui

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"quarterdeck/actions"
	"quarterdeck/incident"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// starting is the box that starts an incident, which must be on the screen.
func (r *rig) starting() *incidentStartBox {
	r.t.Helper()
	b, ok := r.overlay.(*incidentStartBox)
	if !ok {
		r.t.Fatalf("%T is on the screen:\n%s", r.overlay, r.screen())
	}
	return b
}

// filledIn waits until the box that starts an incident has all that is looked for.
func (r *rig) filledIn() {
	r.t.Helper()
	r.until("what is known is filled in", func() bool { b := r.starting(); return !b.looking && !b.moments.loading })
}

// started waits for the incident that was started, with its impact.
func (r *rig) started() *incident.Incident {
	r.t.Helper()
	r.until("the incident", func() bool { _, ok := r.overlay.(*incidentBox); return ok && len(r.ongoing()) == 1 })
	return r.ongoing()[0]
}

// other is a colleague's desk on the same journal.
func (r *rig) other() *incident.Desk {
	return &incident.Desk{Deck: &actions.Deck{Hands: r.hands, Fleet: r.hands.fleet, Journal: r.deck.Journal, Now: r.clock.now, Policy: actions.Policy{Actor: "ada@example.com", Host: "there", Context: "production"}}}
}

// TestStartIsFilledInLate: what comes later neither overwrites what is typed nor comes among it, and enter takes nothing that is still being looked for.
func TestStartIsFilledInLate(t *testing.T) {
	r := withDesk(t, 120, 40, nil)
	r.press("I")
	if s := r.screen(); !strings.Contains(s, "what is wrong:  looking") {
		t.Errorf("what is looked for does not say so:\n%s", s)
	}
	r.press("enter")
	if s := r.screen(); !strings.Contains(s, "still being looked for") || r.starting().busy {
		t.Errorf("enter on what is not there yet:\n%s", s)
	}
	r.press("n", "o", "space", "c", "a", "r", "d")
	r.filledIn()
	r.press("s")
	if got := r.starting().input.Value(); got != "no cards" {
		t.Errorf("typed before and after what came: %q", got)
	}
	r.slowly("enter")
	if x := r.started(); x.Title != "no cards" || x.Severity != "critical" || !x.Impact.Known() {
		t.Errorf("%q %q %+v", x.Title, x.Severity, x.Impact)
	}
}

// TestOfferedTitle: enter takes the title that is offered; it can be changed.
func TestOfferedTitle(t *testing.T) {
	r := withDesk(t, 120, 40, nil)
	r.press("I")
	r.filledIn()
	offer := r.starting().offer
	r.press("right", "!")
	if got := r.starting().input.Value(); offer == "" || got != offer+"!" {
		t.Errorf("%q of %q", got, offer)
	}
	r.press("ctrl+u")
	r.slowly("enter")
	if x := r.started(); x.Title != offer {
		t.Errorf("%q, offered was %q", x.Title, offer)
	}
}

// TestChosenMomentStays: a moment that somebody has chosen is not exchanged for one that comes, and one that has just come is not taken unseen.
func TestChosenMomentStays(t *testing.T) {
	r := withDesk(t, 120, 40, nil)
	r.press("I", "up")
	r.filledIn()
	if l := &r.starting().moments; l.index != 0 || len(l.rows) < 2 {
		t.Errorf("row %d of %d", l.index, len(l.rows))
	}
	r.press("esc", "I")
	r.filledIn()
	r.press("enter")
	r.mustHave("the moment has just come")
	if l := &r.starting().moments; l.index == 0 {
		t.Error("what came first is not chosen")
	}
	r.slowly("enter")
	if !r.started().Impact.Known() {
		t.Error("the moment that stood there was not taken")
	}
}

// TestNotWrittenIsStillThere: where a phase cannot be written, what was typed for it is not lost.
func TestNotWrittenIsStillThere(t *testing.T) {
	r := withDesk(t, 120, 40, nil)
	r.press("I")
	r.filledIn()
	r.overlay.paste("no cards")
	x, err := r.other().Start(incident.Opening{Title: "payments", Services: []string{"shop_payments"}})
	if err != nil {
		t.Fatal(err)
	}
	r.slowly("enter")
	r.shows("is open for shop_payments")
	r.press("esc")
	if got := r.starting().input.Value(); got != "no cards" {
		t.Errorf("the title is %q", got)
	}
	r.slowly("enter") // by now it is known here
	r.mustHave("is open of it: esc, then I shows it")
	r.press("esc", "I", "m")
	r.shows("What has helped?")
	r.overlay.paste("restarted by hand")
	if _, err := r.other().Do(x.ID, incident.Entry{Phase: incident.Resolve}); err != nil {
		t.Fatal(err)
	}
	r.press("enter")
	r.shows("is resolved")
	r.press("esc")
	if b, ok := r.overlay.(*askBox); !ok || b.input.Value() != "restarted by hand" {
		t.Errorf("%T:\n%s", r.overlay, r.screen())
	}
}

// TestReasonLosesNoLetter: the reason can be typed at once, and is not asked for again where the plan is made anew.
func TestReasonLosesNoLetter(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("+")
	r.planned()
	r.slowly("e")
	r.press("m", "o", "r", "e", "space", "l", "o", "a", "d", "enter")
	r.mustHave("type it now")
	r.slowly("enter")
	box := r.planned()
	if got := box.confirm.reason.Value(); got != "more load" {
		t.Fatalf("the reason is %q", got)
	}
	r.press("+")
	r.until("two more", func() bool { b, ok := r.overlay.(*planBox); return ok && strings.Contains(b.plan.Title(), "3 → 5") })
	if got := r.planned().confirm.reason.Value(); got != "more load" {
		t.Errorf("of the next plan the reason is %q", got)
	}
	r.hands.meddle("shop_web", 7)
	r.slowly("y")
	r.until("the plan again", func() bool { b, ok := r.overlay.(*planBox); return ok && b.note != "" })
	if got := r.planned().confirm.reason.Value(); got != "more load" {
		t.Errorf("after somebody else's change the reason is %q", got)
	}
}

// TestReasonIsText: where a reason is demanded it is typed as soon as the box is there, by whoever knows it.
func TestReasonIsText(t *testing.T) {
	r := newRig(t, 120, 40, func(o *Options) { o.Deck.Policy.NeedReason = true })
	r.press("+")
	box := r.planned()
	r.press("l", "o", "a", "d", "space", "enter")
	if got := box.confirm.reason.Value(); got != "load " || box.confirm.stage != stageReason {
		t.Errorf("%q at stage %d", got, box.confirm.stage)
	}
	r.send(tea.PasteMsg{Content: "of noon"})
	r.slowly("enter", "y")
	r.running()
	if got := box.confirm.approval().Reason; got != "load of noon" {
		t.Errorf("the reason is %q", got)
	}
}

// TestOpenIncidentIsThereAtOnce: one that is open in this machine's journal stands on the first frame, before the swarm was listed.
func TestOpenIncidentIsThereAtOnce(t *testing.T) {
	first := withDesk(t, 120, 40, nil)
	x, err := first.o.Incidents.Start(incident.Opening{Title: "no cards", Services: []string{"shop_payments"}})
	if err != nil {
		t.Fatal(err)
	}
	deck := &actions.Deck{Fleet: fleet.New(first.clock.now, fleet.SwarmName), Journal: first.deck.Journal, Now: first.clock.now, Policy: first.deck.Policy}
	desk := &incident.Desk{Deck: deck}
	if err := desk.Load(); err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{Fleet: deck.Fleet, Deck: deck, Incidents: desk, Context: "production", Theme: "dark", Now: first.clock.now, Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	if s := ansi.Strip(m.Frame()); !strings.Contains(s, "INCIDENT shop_payments") {
		t.Errorf("the first frame:\n%s", s)
	}
	press(t, m, "I")
	if b, ok := m.overlay.(*incidentBox); !ok || b.id != x.ID {
		t.Errorf("I shows %T", m.overlay)
	}
}

// TestColleaguesAreAskedFirst: while it is not known whether a colleague has one open, none is started unknowingly; and one of the same that comes to be
// known meanwhile is told of.
func TestColleaguesAreAskedFirst(t *testing.T) {
	away := errors.New("connection refused")
	team := &silentTeam{}
	r := withDesk(t, 120, 40, func(o *Options) { o.Incidents.Team = team })
	r.mustHave("team's incidents")
	r.press("I")
	r.filledIn()
	r.mustHave("looking whether a colleague has one open")
	r.slowly("enter")
	r.mustHave("it is still being looked whether a colleague has one open")
	team.err = away
	if err := r.o.Incidents.LoadTeam(t.Context()); err == nil {
		t.Fatal("it is away")
	}
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	r.mustHave("whether a colleague has one open is not known: connection refused")
	r.slowly("enter")
	r.mustHave("enter again starts it all the same")
	if len(r.ongoing()) > 0 || r.starting().busy {
		t.Fatal("it was started without asking")
	}
	if _, err := r.other().Start(incident.Opening{Title: "ada's", Services: []string{"shop_payments"}}); err != nil {
		t.Fatal(err)
	}
	if err := r.o.Incidents.Load(); err != nil {
		t.Fatal(err)
	}
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	r.mustHave("open of it already: ada's, started 12:00")
	r.slowly("enter")
	r.mustHave("is open of it: esc, then I shows it")
	r.press("esc", "I", "N")
	r.filledIn()
	r.slowly("enter", "enter")
	r.until("a second one, as somebody wants it", func() bool { return len(r.ongoing()) == 2 })
}

// silentTeam is a record of the team that has nothing in it, or cannot be read.
type silentTeam struct {
	sources.Logs
	err error
}

func (s *silentTeam) Query(context.Context, sources.LogQuery) (sources.LogPage, error) {
	return sources.LogPage{}, s.err
}

// TestTypedMatcherStays: a matcher that is being typed is not lost to another one that is to be changed.
func TestTypedMatcherStays(t *testing.T) {
	m, _ := console(t, 120, 40, nil)
	b := &silenceBox{matchers: []silenceLine{{sources.Matcher{Name: "a", Value: "b"}, true}}, add: newInput(m.st, "add: "), typed: newInput(m.st, "for: "), why: newInput(m.st, "why: "), time: silenceUsual}
	m.overlay = b
	b.focus(1)
	press(t, m, "c", "=", "d", "up", "e")
	if got := b.add.Value(); got != "c=d" || len(b.matchers) != 1 || b.complain == "" {
		t.Errorf("%q, %d matchers, %q", got, len(b.matchers), b.complain)
	}
	press(t, m, "enter", "up", "up", "e")
	if got := b.add.Value(); got != "a=\"b\"" && got != "a=b" || len(b.matchers) != 1 {
		t.Errorf("%q, %d matchers", got, len(b.matchers))
	}
}
