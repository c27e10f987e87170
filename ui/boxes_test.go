package ui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/actions"
	"quarterdeck/diagnosis"
	"quarterdeck/sources"
)

// A command of the box of causes stands whole on lines of its own from the screen's left edge on, without a frame beside it, and c copies it: of several
// one after the other. What the diagnosis says of how sure it is stands as it is.
func TestCommandsCanBeTaken(t *testing.T) {
	const short, long = "docker node inspect node2", "journalctl -k --since '-15 min' | grep -i 'killed process' | grep -v systemd | sort | uniq -c | sort -n | tail -n 20; last -n 5"
	for _, size := range sizes {
		r := found("")
		r.Causes[0].Why = "likely: exit 137 without a failed health check"
		r.Causes[0].Next = []diagnosis.Step{{Text: "on node2 see who was there: " + long, Command: long}, {Text: "see the node: " + short, Command: short}}
		m := ill(t, size[0], size[1], &r, nil)
		b := &causesBox{known: map[diagnosis.Question]diagnosis.Report{}}
		b.q.report, b.q.known = r, true
		b.q.question = diagnosis.Question{Service: "shop_payments"}
		m.overlay = b
		b.arrange(m.o.Now())
		var lines []string
		for l := range strings.SplitSeq(m.Frame(), "\n") {
			lines = append(lines, strings.TrimRight(ansi.Strip(l), " "))
		}
		screen := strings.Join(lines, "\n")
		whole := long
		if len(long) > size[0] {
			whole = long[:size[0]] + "\n" + long[size[0]:]
		}
		if !strings.Contains(screen, "\n"+strings.ReplaceAll(whole, " \n", "\n")+"\n") || !strings.Contains(screen, "\n"+short+"\n") {
			t.Errorf("%v: a command is not whole:\n%s", size, screen)
		}
		if !strings.Contains(screen, "90% likely: exit 137") || strings.Contains(screen, "sure:") {
			t.Errorf("%v: how sure it is:\n%s", size, screen)
		}
		for _, want := range []string{"copied 1 of 2: journalctl", "copied 2 of 2: " + short, "copied 1 of 2"} {
			press(t, m, "c")
			if !strings.HasPrefix(m.toast.text, want) {
				t.Errorf("%v: %q, want %q", size, m.toast.text, want)
			}
		}
		press(t, m, "C")
		if m.toast.text != "copied as Markdown" {
			t.Errorf("%v: C says %q", size, m.toast.text)
		}
	}
}

// What was scaled to 0 is offered what it had; what is typed stands in its place.
func TestScaleOffersWhatItWas(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	v := r.snap.Service("shop_web")
	v.Desired, v.DesiredBefore = 0, 2
	r.askScale([]string{"shop_web"})
	b := r.overlay.(*scaleBox) //nolint:forcetypeassert // it was opened
	if b.input.Value() != "2" || !strings.Contains(b.present(r.Model), "was 2") {
		t.Errorf("%q, %q", b.input.Value(), b.present(r.Model))
	}
	press(t, r.Model, "5")
	if b.input.Value() != "5" {
		t.Errorf("typed 5, it has %q", b.input.Value())
	}
	v.Desired, v.DesiredBefore = 4, 2
	r.askScale([]string{"shop_web"})
	if b := r.overlay.(*scaleBox); b.input.Value() != "" { //nolint:forcetypeassert // it was opened
		t.Errorf("it runs, and %q is offered", b.input.Value())
	}
}

// Of a run that has ended nothing waits any more.
func TestNothingWaitsAfterTheEnd(t *testing.T) {
	o := &actions.Rollout{State: actions.RolloutWaiting}
	for result, want := range map[string]string{"": "waiting", actions.ResultFailed: "not done", actions.ResultInterrupted: "not done"} {
		if got := rolloutWord(&actions.Progress{Result: result}, o); got != want {
			t.Errorf("%q: %q, want %q", result, got, want)
		}
	}
	o.Began = noon
	if got := rolloutWord(&actions.Progress{Result: actions.ResultFailed}, o); got != "not verified" {
		t.Errorf("it was changed: %q", got)
	}
}

// A cause leads to its chart: it stands first on the page, with a sign, for that service alone.
func TestACauseLeadsToItsChart(t *testing.T) {
	m, _ := console(t, 120, 40, nil)
	p := &m.metrics
	p.service = "shop_web"
	for _, g := range graphs {
		p.readings = append(p.readings, sources.Reading{Name: g.names[0], Answer: sources.MetricsAnswer{Series: []sources.Series{{}}}})
	}
	p.lead = leadCharts{"shop_web", causePairs["cpu-throttled"]}
	shown, _ := p.measured("shop_web")
	led := p.leading(m, "shop_web", shown)
	if len(led) != len(graphs) || led[0].title != m.st.Signs.Cursor+" throttled" || led[1].title != "CPU" || led[2].title != "memory" {
		t.Errorf("%+v", led)
	}
	if other := p.leading(m, "shop_api", shown); other[0].title != "CPU" {
		t.Errorf("another service's: %+v", other[0])
	}
}

// Who goes back from a cause does not type what the console knows: the cause stands as the reason. Where everybody must say why, it is a person's word.
func TestTheCauseIsTheReason(t *testing.T) {
	for need, want := range map[bool]string{false: "it began with a deploy (bad-deploy, 85 % sure)", true: ""} {
		r := newRig(t, 120, 40, func(o *Options) { o.Deck.Policy.NeedReason = need })
		r.deploy(newImage, r.deck)
		c := &diagnosis.Cause{ID: "bad-deploy", Title: "it began with a deploy", Service: "shop_web", Confidence: 0.85}
		r.press("b")
		r.shows("history of shop_web · 2 states")
		r.overlay.(*historyBox).why = whyOf(c, "shop_web") //nolint:forcetypeassert // it is shown
		r.press("enter")
		if got := r.planned().confirm.reason.Value(); got != want {
			t.Errorf("a reason is demanded %v: %q, want %q", need, got, want)
		}
		if whyOf(c, "shop_api") != "" || whyOf(nil, "shop_web") != "" {
			t.Error("a cause of another service is no reason")
		}
	}
}
