package actions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/alertmanager"
	"quarterdeck/sources/fleet"
)

// ringing is an Alertmanager in memory: what fires in it is muted by its silences, as the real one does.
type ringing struct {
	mu       sync.Mutex
	firing   []sources.Alert
	silences []sources.Silence
	made     int
	fail     error
	// deaf: silences are taken and have no effect.
	deaf bool
}

func (r *ringing) set(f func()) { r.mu.Lock(); defer r.mu.Unlock(); f() }

// list is what fires, with what mutes it. The lock must be held.
func (r *ringing) list() []sources.Alert {
	out := slices.Clone(r.firing)
	for i := range out {
		out[i].SilencedBy = nil
		for _, s := range r.silences {
			m, err := sources.NewMuter(s.Matchers)
			if err == nil && s.State == "active" && !r.deaf && m.Mutes(out[i].Labels) {
				out[i].SilencedBy = append(out[i].SilencedBy, s.ID)
				out[i].State = sources.Suppressed
			}
		}
	}
	return out
}

// alertSource makes ringing a source; the method has the interface's own name.
type alertSource struct{ *ringing }

func (r alertSource) Alerts(context.Context) ([]sources.Alert, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list(), nil
}

func (r alertSource) Groups(context.Context) ([]sources.AlertGroup, error) { return nil, nil }
func (r alertSource) Probe(context.Context) sources.Probe                  { return sources.Probe{} }

func (r alertSource) Silences(context.Context) ([]sources.Silence, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.silences), nil
}

func (r alertSource) Silence(_ context.Context, s sources.Silence) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return "", r.fail
	}
	r.made++
	s.ID, s.State = fmt.Sprintf("%08d-0000-4000-8000-000000000000", r.made), "active"
	r.silences = append(r.silences, s)
	return s.ID, nil
}

func (r alertSource) Expire(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.silences {
		if r.silences[i].ID == id {
			r.silences[i].State, r.silences[i].Ends = "expired", time.Now()
			return nil
		}
	}
	return &sources.Error{Source: "alertmanager", Kind: sources.NotFound}
}

func firingAlert(name, service, severity string) sources.Alert {
	labels := map[string]string{"alertname": name, "swarm_service": service, "severity": severity}
	return sources.Alert{Fingerprint: name + service, Name: name, Service: service, Severity: severity, State: sources.Firing, Since: time.Now().Add(-time.Minute), Labels: labels}
}

// silencing is a deck with an Alertmanager in which some alerts fire.
func silencing(t *testing.T) (*rig, *ringing) {
	r := sharedDemo(t).deck(t)
	a := &ringing{firing: []sources.Alert{firingAlert("Slow", "shop_web", "warning"), firingAlert("Slow", "shop_api", "critical"), firingAlert("Down", "shop_api", "critical")}}
	r.Deck.Alerts = alertSource{a}
	return r, a
}

func by(pairs ...string) []sources.Matcher {
	var out []sources.Matcher
	for _, p := range pairs {
		m, err := sources.ParseMatcher(p)
		if err != nil {
			panic(err)
		}
		out = append(out, m)
	}
	return out
}

func mute(lasts time.Duration, comment string, pairs ...string) sources.Silence {
	return sources.Silence{Comment: comment, Ends: time.Now().Add(lasts), Matchers: by(pairs...)}
}

func TestSilencePlan(t *testing.T) {
	t.Parallel()
	r, _ := silencing(t)
	for _, tc := range []struct {
		about   string
		s       sources.Silence
		mutes   string
		harm    actions.Harm
		warns   string
		refused string
	}{
		{"one alert", mute(time.Hour, "c", "alertname=Slow", "swarm_service=shop_web"), "Slow shop_web", actions.Light, "", ""},
		{"several services", mute(time.Hour, "c", "alertname=Slow"), "Slow shop_web, Slow shop_api", actions.Serious, "2 services", ""},
		{"a regexp is whole", mute(time.Hour, "c", "alertname=~Slo"), "", actions.Light, "only what comes", ""},
		{"a negative one beside a name", mute(time.Hour, "c", "swarm_service=shop_api", "alertname!=Slow"), "Down shop_api", actions.Light, "", ""},
		{"long", mute(72*time.Hour, "c", "alertname=Down"), "Down shop_api", actions.Serious, "longer than a watch", ""},
		{"everything", mute(time.Hour, "c", "alertname=~.+"), "", actions.Light, "", "every alert"},
		{"everything but one", mute(time.Hour, "c", "severity!=none"), "", actions.Light, "", "every alert"},
		{"everything by what is not there", mute(time.Hour, "c", `team=""`), "", actions.Light, "", "every alert"},
		{"no matcher", mute(time.Hour, "c"), "", actions.Light, "", "every alert"},
		{"no comment", mute(time.Hour, " ", "alertname=Slow"), "", actions.Light, "", "comment"},
		{"no time", mute(-time.Hour, "c", "alertname=Slow"), "", actions.Light, "", "before it begins"},
	} {
		p, err := r.PlanSilence(t.Context(), tc.s)
		if err != nil {
			t.Fatal(tc.about, err)
		}
		var mutes []string
		for _, a := range p.Silence.Alerts {
			mutes = append(mutes, a.Name+" "+a.Service)
		}
		if got := strings.Join(mutes, ", "); got != tc.mutes || p.Harm != tc.harm || !strings.Contains(strings.Join(p.Warnings, "; "), tc.warns) || (p.Refused == "") != (tc.refused == "") || !strings.Contains(p.Refused, tc.refused) {
			t.Errorf("%s: mutes %q, harm %d, warnings %q, refused %q", tc.about, got, p.Harm, p.Warnings, p.Refused)
		}
		if tc.refused == "" && p.Silence.Silence.Author != "tester" {
			t.Errorf("%s: the author is %q", tc.about, p.Silence.Silence.Author)
		}
	}
	r.Deck.Alerts = nil
	if _, err := r.PlanSilence(t.Context(), mute(time.Hour, "c", "a=b")); sources.KindOf(err) != sources.NotConfigured {
		t.Error(err)
	}
}

// What a silence is asked for goes by what it touches: quiet hours are for what runs; an alert of no service, or ending a silence, is asked for as ever.
func TestSilenceIsGuardedByWhatItTouches(t *testing.T) {
	t.Parallel()
	r, a := silencing(t)
	always, err := actions.ParseHours("00:00-24:00")
	if err != nil {
		t.Fatal(err)
	}
	r.Policy.Quiet, r.Policy.Protected = []actions.Hours{always}, []string{"shop_a*"}
	nobodys := firingAlert("Disk", "", "warning")
	delete(nobodys.Labels, "swarm_service")
	a.firing = append(a.firing, nobodys)
	a.silences = []sources.Silence{{ID: "s1", State: "active", Author: "x", Comment: "c", Ends: time.Now().Add(time.Hour), Matchers: by("swarm_service=shop_api", "alertname=Old")}}
	for _, c := range []struct {
		about string
		plan  *actions.Plan
		harm  actions.Harm
		word  string
	}{
		{"an alert of no service", r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "c", "alertname=Disk"))), actions.Light, "silence"},
		{"one of a service", r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "c", "alertname=Slow", "swarm_service=shop_web"))), actions.Light, "shop_web"},
		{"one of a protected service", r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "c", "alertname=Down"))), actions.Guarded, "shop_api"},
		{"what a protected service may yet say", r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "c", "swarm_service=shop_api", "alertname=Later"))), actions.Guarded, "shop_api"},
		{"of several services", r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "c", "alertname=Slow"))), actions.Guarded, "2 services"},
		{"the end of one", r.planned(r.PlanUnsilence(t.Context(), "s1")), actions.Serious, "unsilence"},
	} {
		if c.plan.Harm != c.harm || c.plan.Word() != c.word || strings.Contains(c.plan.Why, "quiet") || (c.plan.Why != "") != (c.harm == actions.Guarded) {
			t.Errorf("%s: harm %d, word %q, %q", c.about, c.plan.Harm, c.plan.Word(), c.plan.Why)
		}
	}
	_ = r.notStarted(r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "c", "alertname=Down"))), actions.Approval{Yes: true}, "is protected")
}

// TestSilenceRun: made, proven, seen by the team, nothing to do the second time, taken back; and the other way round.
func TestSilenceRun(t *testing.T) {
	t.Parallel()
	r, a := silencing(t)
	r.following(nil)
	plan := r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "release 2", "alertname=Slow", "swarm_service=shop_web")))
	report, _ := r.run(plan, actions.ResultDone)
	if v := report.Verify; v == nil || !v.Converged || len(v.Checks) != 2 || !v.Checks[1].OK || v.Checks[1].Service != "shop_web" || v.Silence == "" || report.Undo == "" || len(report.Plan.Changes) != 1 || report.Plan.Changes[0].After != "silenced" {
		t.Errorf("%+v %+v", report, report.Verify)
	}
	r.until(t, "the timeline to have it", func() bool {
		for _, o := range fleet.Timeline(r.Fleet.Snapshot().History) {
			if o.Run == report.Run && o.Outcome == "done" && o.Service == "shop_web" && o.Actor == "tester" && o.Ref == report.Verify.Silence {
				return true
			}
		}
		return false
	})
	if p, err := r.PlanSilence(t.Context(), mute(time.Minute, "again", "swarm_service=shop_web", "alertname=Slow")); err != nil || !strings.Contains(p.Nothing, "tester has silenced the same") {
		t.Errorf("%+v %v", p, err)
	}
	back := r.undo("")
	if back.Of != report.Run || !back.Silence.End || len(back.Silence.Alerts) != 1 || back.Harm != actions.Serious {
		t.Fatalf("%+v", back)
	}
	undone, _ := r.run(back, actions.ResultDone)
	a.set(func() {
		if a.silences[0].State != "expired" {
			t.Errorf("%+v", a.silences)
		}
	})
	again := r.undo(undone.Run) // the undo of ending it makes it once more
	if again.Silence.End || again.Silence.Silence.Comment != "release 2" {
		t.Errorf("%+v", again.Silence)
	}
	if _, err := r.run(again, actions.ResultDone); err != nil {
		t.Error(err)
	}
	a.set(func() {
		if a.made != 2 {
			t.Errorf("%d were made", a.made)
		}
	})
}

func TestUnsilence(t *testing.T) {
	t.Parallel()
	r, a := silencing(t)
	report, _ := r.run(r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "c", "alertname=Down"))), actions.ResultDone)
	a.set(func() {
		other := a.silences[0]
		other.ID, other.Author = "99999999-0000-4000-8000-000000000000", "bob"
		a.silences = append(a.silences, other)
	})
	p := r.planned(r.PlanUnsilence(t.Context(), report.Verify.Silence))
	if len(p.Silence.Alerts) != 0 || p.Harm != actions.Light {
		t.Errorf("bob's silence mutes it as well: %+v", p.Silence.Alerts)
	}
	bobs := r.planned(r.PlanUnsilence(t.Context(), "9999"))
	if bobs.Harm != actions.Serious || !strings.Contains(strings.Join(bobs.Warnings, ""), "bob has made it") {
		t.Errorf("%+v", bobs)
	}
	if _, err := r.run(p, actions.ResultDone); err != nil {
		t.Error(err)
	}
	if p, err := r.PlanUnsilence(t.Context(), report.Verify.Silence); err != nil || !strings.Contains(p.Nothing, "ended already") {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := r.PlanUnsilence(t.Context(), "no-such"); sources.KindOf(err) != sources.NotFound || sources.NextOf(err) == "" {
		t.Error(err)
	}
	if _, err := r.PlanUnsilence(t.Context(), ""); err == nil {
		t.Error("no id names one")
	}
}

// TestSilenceFails: what Alertmanager refuses, and what has no effect, is no success.
func TestSilenceFails(t *testing.T) {
	t.Parallel()
	r, a := silencing(t)
	plan := func() *actions.Plan {
		return r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "c", "alertname=Down")))
	}
	a.set(func() { a.fail = errors.New("no space") })
	if report, _ := r.run(plan(), actions.ResultFailed); !strings.Contains(report.Reason, "no space") || report.Undo != "" {
		t.Errorf("%+v", report)
	}
	a.set(func() { a.fail, a.deaf = nil, true })
	if report, _ := r.run(plan(), actions.ResultFailed); !strings.Contains(report.Reason, "it rings") || report.Undo == "" {
		t.Errorf("%+v", report)
	}
	r.Policy.ReadOnly = true
	if _, err := r.Start(t.Context(), plan(), actions.Approval{Yes: true}, nil); !errors.Is(err, actions.ErrReadOnly) {
		t.Error(err)
	}
	if _, err := r.Start(t.Context(), plan(), actions.Approval{}, nil); err == nil {
		t.Error("nobody has said yes")
	}
}

// TestSilenceInterrupted: a process that died right after Alertmanager had taken the silence does not make a second one, and no service is
// blocked by the run meanwhile.
func TestSilenceInterrupted(t *testing.T) {
	t.Parallel()
	r, a := silencing(t)
	report, _ := r.run(r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "c", "swarm_service=shop_web"))), actions.ResultDone)
	dir := t.TempDir()
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range r.entries(report.Run) { // as far as the step's beginning
		if _, err := j.Append(e); err != nil {
			t.Fatal(err)
		}
		if e.Phase == "step" {
			break
		}
	}
	d := r.deckIn(t, dir)
	d.Deck.Alerts = r.Deck.Alerts
	open, err := d.Unfinished()
	if err != nil || len(open) != 1 {
		t.Fatal(open, err)
	}
	st, err := d.Stand(t.Context(), open[0])
	if err != nil || st.NoFinish != "" || st.Of != 2 {
		t.Fatalf("%+v %v", st, err)
	}
	d.planned(d.PlanScale(t.Context(), []actions.ScaleTarget{{Service: "shop_web", By: 1}}))
	run, err := d.Resume(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report, _ := d.ended(run, actions.ResultDone); report.Verify == nil || report.Verify.Silence == "" {
		t.Errorf("%+v", report)
	}
	a.set(func() {
		if a.made != 1 {
			t.Errorf("%d were made", a.made)
		}
	})
}

// testSilence is a silence on an Alertmanager that is no fake: of a name that nothing has, so that it mutes nothing.
func testSilence(t *testing.T, p *platform, address string) {
	c, err := alertmanager.New(alertmanager.Options{Access: sources.Access{Address: address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r := p.deck(t)
	r.Deck.Alerts = c
	name := named(t)
	report, _ := r.run(r.planned(r.PlanSilence(t.Context(), mute(time.Hour, "a test", "alertname="+name, `job!~"a|b"`))), actions.ResultDone)
	end := r.planned(r.PlanUnsilence(t.Context(), report.Verify.Silence[:18]))
	if len(end.Silence.Silence.Matchers) != 2 || end.Silence.Silence.Comment != "a test" {
		t.Errorf("%+v", end.Silence)
	}
	if _, err := r.run(end, actions.ResultDone); err != nil {
		t.Error(err)
	}
	var detail map[string]any
	if e := r.entries(report.Run); json.Unmarshal(e[0].Detail, &detail) != nil || detail["silence"] == nil || e[0].Target != "alertname="+name+` job!~a|b` {
		t.Errorf("%s %v", e[0].Target, detail)
	}
}

func TestSilenceOnTheDemo(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	testSilence(t, p, p.demo.AlertmanagerURL())
}
