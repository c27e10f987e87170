package ui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/diagnosis"
	"quarterdeck/ui/theme"
)

// found is a report with one of each: a sure cause, an effect of it, a weak one, a source that could not be looked at.
func found(hostile string) diagnosis.Report {
	at := noon.Add(-2 * time.Minute)
	proof := func(text, source, query string) diagnosis.Proof {
		return diagnosis.Proof{Text: text + hostile, Source: source, Query: query + hostile, At: at}
	}
	return diagnosis.Report{Service: "shop_payments", At: noon, Took: 420 * time.Millisecond, Done: true, Subjects: []string{"shop_payments"}, Left: []string{"batch_reports" + hostile},
		Causes: []diagnosis.Cause{
			{ID: "crash-loop", Title: "crashes again and again, exit 1" + hostile, Service: "shop_payments", Grade: diagnosis.Signature, Confidence: 0.9, Since: at,
				Why: "4 tasks of one slot have failed within 2 min, each after 6 s at most",
				Evidence: []diagnosis.Proof{proof("shop_payments.1 on node2 failed: task: non-zero exit (1) (3 such tasks)", "swarm", "docker service ps --no-trunc shop_payments"),
					proof("it said last: panic: config: PAYMENT_TIMEOUT: time: invalid duration", "loki", `{swarm_service="shop_payments"}`)},
				Against: []diagnosis.Proof{proof("the exit codes differ: it may be more than one thing", "swarm", "")},
				Effects: []string{"shop_web: its errors come from shop_payments"},
				Next:    []diagnosis.Step{{Text: "read the failed tasks' last lines" + hostile, Action: "logs", On: "shop_payments"}, {Text: "see its tasks", Action: "tasks", On: "shop_payments"}}},
			{ID: "node-down", Title: "node node2 is down", Node: "node2", Grade: diagnosis.Scope, Confidence: 0.55, Why: "the managers say so", Next: []diagnosis.Step{{Text: "see the node", Action: "nodes", On: "node2"}}},
			{ID: "errors-after-dependency", Title: "its errors come from shop_payments", Service: "shop_web", Confidence: 0.6, EffectOf: "shop_payments: crash-loop", Why: "it runs, its errors rose"},
		},
		Troubles: []diagnosis.Trouble{{Kind: diagnosis.TroubledService, Service: "shop_payments", Text: "down: 3 failed in 5m" + hostile, Since: at, Causes: []int{0}},
			{Kind: diagnosis.FiringAlert, Service: "shop_payments", Alert: "QueueGrows", Text: "its queue grows" + hostile, Since: at.Add(-time.Hour)}},
		Elsewhere: []diagnosis.Trouble{{Kind: diagnosis.TroubledService, Service: "shop_store", Text: "degraded: its disk is full" + hostile}},
		Looked: []diagnosis.Looked{{Source: "swarm", State: "looked", Detail: "services, tasks, nodes"}, {Source: "loki", State: "looked"},
			{Source: "prometheus", State: "could not look", Detail: "prometheus: query: unreachable: connection refused" + hostile}}}
}

// withDoctor gives the console a diagnosis on its fleet and nothing else.
func withDoctor(o *Options) {
	o.Doctor = &diagnosis.Doctor{Fleet: o.Fleet, Now: o.Now}
}

// ill selects the service that is down, with what is known of it.
func ill(t *testing.T, w, h int, r *diagnosis.Report, mend func(*Options)) *Model {
	t.Helper()
	m, _ := console(t, w, h, func(o *Options) {
		withDoctor(o)
		if mend != nil {
			mend(o)
		}
	})
	m.gotoService("shop_payments")
	m.arrange()
	if r != nil {
		m.causes.report, m.causes.known = *r, true
	}
	return m
}

// TestGoldenCauses holds the cause beside its service, and the box, at each size.
func TestGoldenCauses(t *testing.T) {
	r := found("")
	none := diagnosis.Report{Service: "shop_payments", At: noon, Done: true, Looked: r.Looked, Elsewhere: r.Elsewhere}
	open := none
	open.Troubles = r.Troubles[1:]
	for _, size := range sizes {
		frame := func(name string, m *Model) {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
		frame("beside", ill(t, size[0], size[1], &r, nil))
		frame("looking", ill(t, size[0], size[1], nil, nil))
		frame("none", ill(t, size[0], size[1], &none, nil))
		box := func(r *diagnosis.Report, mend func(*Options)) *Model {
			m := ill(t, size[0], size[1], r, mend)
			m.openCauses()
			b := m.overlay.(*causesBox)
			b.q.report, b.q.known, b.q.running = *r, true, false
			m.arrange()
			return m
		}
		frame("box", box(&r, nil))
		frame("box-none", box(&none, nil))
		frame("box-open", box(&open, nil))
		second := box(&r, nil)
		press(t, second, "j")
		frame("box-second", second)
		for _, name := range theme.Names() {
			frame("box-theme-"+name, box(&r, func(o *Options) { o.Theme = name }))
		}
	}
}

// TestHostileCausesAreHarmless: titles, lines, queries and reasons are others' text.
func TestHostileCausesAreHarmless(t *testing.T) {
	evil := "\x1b[2J\x1b]52;c;AAAA\x07\u202e\u200b\x9b31m\r\n\x00\xff日本" + strings.Repeat("x", 1<<14)
	r := found(evil)
	for _, size := range append(sizes, [2]int{40, 10}, [2]int{61, 13}) {
		m := ill(t, size[0], size[1], &r, nil)
		checkFrame(t, m)
		m.openCauses()
		m.overlay.(*causesBox).q.report, m.overlay.(*causesBox).q.known = r, true
		m.arrange()
		for _, k := range []string{"", "pgdown", "j", "G", "k", "pgup"} {
			if k != "" {
				press(t, m, k)
			}
			checkFrame(t, m)
			if s := m.Frame(); strings.Contains(s, "\x1b]") || strings.Contains(s, "\x1b[2J") || strings.ContainsAny(s, "\x07\u202e") {
				t.Fatalf("at %v a sequence is let through after %q", size, k)
			}
		}
	}
}

// answers runs a command and all that follow from it, as the program does.
func answers(m *Model, cmd tea.Cmd) {
	for cmd != nil {
		msg, ok := cmd().(causesMsg)
		if !ok {
			return
		}
		cmd = m.handleCauses(msg)
	}
}

// TestInvestigationComesByItself: the service that is down is looked into when it is selected; the loop is named, from the swarm alone.
func TestInvestigationComesByItself(t *testing.T) {
	m := ill(t, 160, 48, nil, nil)
	if m.causes.generation == 0 || !strings.Contains(m.Frame(), "looking for the cause") {
		t.Fatalf("nothing is asked:\n%s", m.Frame())
	}
	answers(m, m.handleCauses(causesDueMsg{m.causes.generation}))
	if c := m.causes.top(); c == nil || c.ID != "crash-loop" || m.causes.running || !m.causes.report.Done {
		t.Fatalf("%+v", m.causes)
	}
	if f := m.Frame(); !strings.Contains(f, "crashes again and again") {
		t.Fatal(f)
	}
	if m.wantCauses() != nil {
		t.Error("asked again at once")
	}
	m.o.Now = func() time.Time { return noon.Add(askAgain) }
	if m.wantCauses() == nil {
		t.Error("never asked again")
	}
	m.gotoService("shop_web")
	m.arrange()
	if m.causes.running || m.ailing() != nil || strings.Contains(m.Frame(), "why:") {
		t.Error("a service that is well is explained")
	}
}

// TestStaleCausesAreDropped: an answer to an older question is not taken in, nor one about another service.
func TestStaleCausesAreDropped(t *testing.T) {
	m := ill(t, 160, 48, nil, nil)
	old := m.causes.start(m, diagnosis.Question{Service: "shop_payments"})
	m.causes.start(m, diagnosis.Question{Service: "shop_store"})
	answers(m, old)
	if m.causes.known {
		t.Errorf("%+v", m.causes.report)
	}
}

// TestBoxKeysLeadOn: each next action of the box leads where it says, on the service of the cause.
func TestBoxKeysLeadOn(t *testing.T) {
	for key, want := range map[string]view{"l": viewLogs, "m": viewMetrics, "t": viewTasks, "9": viewNodes} {
		r := found("")
		m := ill(t, 160, 48, &r, nil)
		m.openCauses()
		m.overlay.(*causesBox).q.report, m.overlay.(*causesBox).q.known = r, true
		press(t, m, key)
		if m.overlay != nil || m.view != want {
			t.Errorf("%s leads to view %d, overlay %v", key, m.view, m.overlay)
		}
		if want != viewNodes && m.subject() != "shop_payments" {
			t.Errorf("%s leads to %q", key, m.subject())
		}
		if (want == viewLogs || want == viewMetrics) && !m.when.at.Equal(r.Causes[0].Since) {
			t.Errorf("%s leads to %s", key, m.when.at)
		}
	}
}

// TestBoxTellsErrors: a service that has gone, and no diagnosis at all.
func TestBoxTellsErrors(t *testing.T) {
	m := ill(t, 120, 40, nil, nil)
	m.openCauses()
	b := m.overlay.(*causesBox)
	b.q.apply(m, causesMsg{of: &b.q, generation: b.q.generation, err: errors.New("gone: no service has this name")})
	if f := m.Frame(); !strings.Contains(f, "no service has this name") {
		t.Error(f)
	}
	press(t, m, "esc")
	m.o.Doctor = nil
	press(t, m, "i")
	if m.overlay != nil {
		t.Error("a box without a diagnosis")
	}
}

// boxOf opens the box on a report.
func boxOf(t *testing.T, w, h int, r diagnosis.Report) (*Model, *causesBox) {
	t.Helper()
	m := ill(t, w, h, &r, nil)
	press(t, m, "i")
	b, ok := m.overlay.(*causesBox)
	if !ok {
		t.Fatal("i opens no box")
	}
	tell(m, b, r)
	return m, b
}

// tell lets an answer come.
func tell(m *Model, b *causesBox, r diagnosis.Report) {
	m.Update(causesMsg{of: &b.q, generation: b.q.generation, report: r})
}

// TestTheFirstRowIsSelected: while the answer streams in and the rows change places, the cursor is on the likeliest, until somebody moves it; then the
// rows keep their places while it moves, and take the new order when it has rested.
func TestTheFirstRowIsSelected(t *testing.T) {
	now := noon
	r := found("")
	turned := r
	turned.Causes = []diagnosis.Cause{r.Causes[1], r.Causes[0], r.Causes[2]}
	turned.Troubles = nil
	m, b := boxOf(t, 120, 40, turned)
	m.o.Now = func() time.Time { return now }
	if c := b.cause(); c == nil || c.ID != "node-down" || b.list.index != 0 {
		t.Fatalf("%+v at %d", c, b.list.index)
	}
	tell(m, b, r)
	if c := b.cause(); c == nil || c.ID != "crash-loop" || b.list.index != 0 {
		t.Fatalf("it did not stay on the first row: %+v at %d", c, b.list.index)
	}
	press(t, m, "j")
	tell(m, b, turned)
	if c := b.cause(); c == nil || c.ID != "node-down" || b.list.index != 1 || !b.kept {
		t.Errorf("a row moved under the cursor: %+v at %d, kept %v", c, b.list.index, b.kept)
	}
	if f := m.Frame(); !strings.Contains(f, "order is of") {
		t.Errorf("an old order is not said to be one:\n%s", f)
	}
	now = now.Add(restTime)
	m.arrange()
	if c := b.cause(); c == nil || c.ID != "node-down" || b.list.index != 0 || b.kept {
		t.Errorf("it has rested: %+v at %d, kept %v", c, b.list.index, b.kept)
	}
}

// TestWaysOutOfTheBox: i asks about what is selected and says so; tab goes to all and back; esc closes what i opened, and comes back from where enter
// led on to alone.
func TestWaysOutOfTheBox(t *testing.T) {
	r := found("")
	m, b := boxOf(t, 160, 48, r)
	was := m.view
	if got := b.title(); got != "why: shop_payments · the selected service" {
		t.Errorf("title %q", got)
	}
	press(t, m, "tab")
	if b.q.question.Service != "" || !strings.Contains(m.Frame(), "why: all that is not well") {
		t.Fatalf("tab leads to %q", b.q.question.Service)
	}
	press(t, m, "tab")
	if b.q.question.Service != "shop_payments" || len(b.list.ids) == 0 {
		t.Errorf("tab leads back to %q, with %d rows that are known already", b.q.question.Service, len(b.list.ids))
	}
	press(t, m, "tab", "esc")
	if m.overlay != nil || m.view != was {
		t.Errorf("esc leaves %T in view %d", m.overlay, m.view)
	}
	r.Causes[0].Next = []diagnosis.Step{{Text: "look at shop_store", Action: "investigate", On: "shop_store"}}
	m, b = boxOf(t, 160, 48, r)
	press(t, m, "enter")
	if b.q.question.Service != "shop_store" {
		t.Fatalf("enter leads on to %q", b.q.question.Service)
	}
	press(t, m, "esc")
	if m.overlay != b || b.q.question.Service != "shop_payments" {
		t.Errorf("esc leads back to %q in %T", b.q.question.Service, m.overlay)
	}
	press(t, m, "?", "x")
	if m.overlay != b {
		t.Errorf("the help leaves %T", m.overlay)
	}
	press(t, m, "esc")
	m.gotoService("shop_web") // it is well: i is about it all the same
	press(t, m, "i")
	if m.overlay.(*causesBox).q.question.Service != "shop_web" {
		t.Error("i is not about what is selected")
	}
	press(t, m, "esc", "9", "i")
	if got := m.overlay.title(); got != "why: all that is not well · here no service is selected" {
		t.Errorf("from the nodes: %q", got)
	}
}

// TestNothingHereSomethingThere: a box that has nothing for its service tells what is not well elsewhere, and the key that leads there comes first.
func TestNothingHereSomethingThere(t *testing.T) {
	r := found("")
	r.Causes, r.Troubles, r.Service = nil, nil, "shop_web"
	m, b := boxOf(t, 80, 24, r)
	if hints := b.hints(76); len(hints) < 2 || hints[0] != "tab" || hints[1] != "all: 1 service in trouble" {
		t.Errorf("the hints are %q", hints)
	}
	f := m.Frame()
	for _, want := range []string{"nothing for shop_web; elsewhere 1 service in trouble", "shop_store: degraded: its disk is full"} {
		if !strings.Contains(f, want) {
			t.Errorf("%q is not in\n%s", want, f)
		}
	}
	if strings.Contains(f, "do what is next") || strings.Contains(f, "redeploy  tab") {
		t.Errorf("keys that help with nothing:\n%s", f)
	}
	if lines := strings.Split(f, "\n"); strings.Contains(lines[len(lines)-1], "redeploy") {
		t.Errorf("the last line tells of keys that mean nothing now: %s", lines[len(lines)-1])
	}
	press(t, m, "enter")
	if b.q.question.Service != "" {
		t.Error("enter does not lead to what is not well")
	}
}

// TestAnAlertWithoutACause is listed, and the sentence comes before the rule's name where there is room for one alone.
func TestAnAlertWithoutACause(t *testing.T) {
	m, b := boxOf(t, 80, 24, found(""))
	f := m.Frame()
	for _, want := range []string{"alert QueueGrows fires: its queue grows", "its errors come from shop_payments", "without a cause: 1 alert firing"} {
		if !strings.Contains(f, want) {
			t.Errorf("%q is not in\n%s", want, f)
		}
	}
	press(t, m, "j", "j")
	if f = m.Frame(); !strings.Contains(f, "no cause found yet: looked at swarm, loki; could not look at prometheus") {
		t.Error(f)
	}
	if r, _ := b.selected(); r.trouble == nil {
		t.Errorf("%+v", r)
	}
	press(t, m, "enter")
	if m.overlay != nil || m.view != viewAlerts {
		t.Errorf("enter leads to view %d", m.view)
	}
}

// TestTheBoxLooksAgain by itself while it is open, where the fleet has changed, and no sooner; an answer that is not whole does not take rows away.
func TestTheBoxLooksAgain(t *testing.T) {
	now := noon
	m, b := boxOf(t, 120, 40, found(""))
	m.o.Now = func() time.Time { return now }
	generation := b.q.generation
	seq := *m.snap
	seq.Seq++
	m.snap = &seq
	m.arrange()
	if b.q.generation != generation {
		t.Fatal("asked again at once")
	}
	now = now.Add(boxAgain)
	m.arrange()
	if b.q.generation == generation || !b.q.running {
		t.Fatal("not asked again")
	}
	part := found("")
	part.Done, part.Causes, part.Troubles = false, part.Causes[:1], nil
	tell(m, b, part)
	if len(b.list.ids) != 4 {
		t.Errorf("%d rows are left while it is asked again", len(b.list.ids))
	}
	tell(m, b, found(""))
	generation, now = b.q.generation, now.Add(boxAgain)
	m.arrange()
	if b.q.generation != generation {
		t.Error("asked again though the fleet has not changed")
	}
	press(t, m, "ctrl+r")
	if b.q.generation == generation {
		t.Error("ctrl+r does not ask again")
	}
}

// TestHelpTellsOfMore: help that is longer than the screen says so, and with which key it goes on; at its end it does not.
func TestHelpTellsOfMore(t *testing.T) {
	m, _ := console(t, 80, 24, nil)
	press(t, m, "?")
	if f := m.Frame(); !strings.Contains(f, "more lines: pgdn") {
		t.Error(f)
	}
	press(t, m, "G")
	if f := m.Frame(); strings.Contains(f, "more line") || !strings.Contains(f, areaTitles[areaRule]) && !strings.Contains(f, areaTitles[areaCompare]) {
		t.Error(f)
	}
}

// TestNextIsNeverEmpty: beside a service for which no cause is known yet stands what could not look, or where to look oneself.
func TestNextIsNeverEmpty(t *testing.T) {
	for want, looked := range map[string][]diagnosis.Looked{
		"next: could not look: loki, prometheus; i says why": {{Source: "swarm", State: diagnosis.WasLooked}, {Source: "loki", State: diagnosis.CouldNotLook}, {Source: "prometheus", State: diagnosis.CouldNotLook}},
		"next: l its logs, d what changed":                   {{Source: "swarm", State: diagnosis.WasLooked}},
	} {
		r := found("")
		r.Causes, r.Troubles, r.Looked = nil, nil, looked
		m := ill(t, 160, 48, &r, nil)
		if frame := ansi.Strip(m.Frame()); !strings.Contains(frame, want) {
			t.Errorf("%q is not on the screen:\n%s", want, frame)
		}
	}
	if frame := ansi.Strip(ill(t, 160, 48, nil, nil).Frame()); strings.Contains(frame, "next:") || !strings.Contains(frame, "looking for the cause") {
		t.Errorf("while it is being looked, next is named:\n%s", frame)
	}
}

// TestAskedSoonerInVain: while no cause is known it is asked again soon, then ever later; a cause rests for as long as one that stays.
func TestAskedSoonerInVain(t *testing.T) {
	m := ill(t, 160, 48, nil, nil)
	q, now := &m.causes, noon
	m.o.Now = func() time.Time { return now }
	var rests []time.Duration
	for range 5 {
		q.generation++
		q.running = true
		q.apply(m, causesMsg{of: q, generation: q.generation, report: diagnosis.Report{Service: "shop_payments", Done: true}})
		rest := q.rest()
		if rests = append(rests, rest); m.wantCauses() != nil {
			t.Fatal("asked again at once")
		}
		if now = now.Add(rest); m.wantCauses() == nil {
			t.Fatalf("not asked again after %s", rest)
		}
	}
	if rests[0] > 10*time.Second || rests[1] <= rests[0] || rests[4] != askAgain {
		t.Errorf("it rests %s", rests)
	}
	q.vain = 0
	r := found("")
	q.apply(m, causesMsg{of: q, generation: q.generation, report: r})
	if q.rest() != askAgain {
		t.Errorf("with a cause it rests %s", q.rest())
	}
}
