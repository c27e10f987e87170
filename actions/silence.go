package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Bounds of what is asked for lightly.
const (
	// silenceLong is from when on a silence is worth a second thought: it outlives the watch.
	silenceLong = 24 * time.Hour
	// silenceMany is from how many alerts on one is.
	silenceMany = 5
	// silenceWithin is how long Alertmanager may take to show a silence that it has taken.
	silenceWithin = 10 * time.Second
)

// SilenceChange is a silence that a plan makes, or one that it ends.
type SilenceChange struct {
	// Silence is what is asked for; of one that is ended, as it is.
	Silence sources.Silence
	// End: it is ended, and not made.
	End bool
	// Alerts are those known now that it mutes or, where it ends, that ring again.
	Alerts []sources.Alert
}

// recordedSilence is the same as the journal keeps it.
type recordedSilence struct {
	ID       string            `json:"id,omitempty"` // of one that is ended
	End      bool              `json:"end,omitempty"`
	Author   string            `json:"author"`
	Comment  string            `json:"comment"`
	Starts   time.Time         `json:"starts,omitzero"`
	Ends     time.Time         `json:"ends"`
	Matchers []sources.Matcher `json:"matchers"`
}

func (s *SilenceChange) recorded() *recordedSilence {
	if s == nil {
		return nil
	}
	x := &s.Silence
	return &recordedSilence{x.ID, s.End, x.Author, x.Comment, x.Starts, x.Ends, x.Matchers}
}

func (r *recordedSilence) change() *SilenceChange {
	if r == nil {
		return nil
	}
	return &SilenceChange{End: r.End, Silence: sources.Silence{ID: r.ID, Author: r.Author, Comment: r.Comment, Starts: r.Starts, Ends: r.Ends, Matchers: r.Matchers}}
}

// Title is the change in a few words.
func (s *SilenceChange) Title() string {
	if s.End {
		return "end the silence of " + fleet.MatchersText(s.Silence.Matchers)
	}
	return "silence " + fleet.MatchersText(s.Silence.Matchers)
}

func (d *Deck) alerts() (sources.Alerts, error) {
	if d.Alerts == nil {
		return nil, &sources.Error{Source: fleet.AlertmanagerName, Kind: sources.NotConfigured, Op: "silence alerts", Err: errors.New("silences are Alertmanager's, Prometheus has none"), Next: "set --alertmanager, ALERTMANAGER_URL or alertmanager.address in the config"}
	}
	return d.Alerts, nil
}

// PlanSilence plans to mute the alerts that match, until s.Ends. The author is who acts. It tells which alerts of now it mutes, and is refused where it
// would mute whatever there is.
func (d *Deck) PlanSilence(ctx context.Context, s sources.Silence) (*Plan, error) {
	from, err := d.alerts()
	if err != nil {
		return nil, err
	}
	s.Author, s.Comment = d.Policy.Actor, strings.TrimSpace(s.Comment)
	p := &Plan{Action: Silence, Silence: &SilenceChange{Silence: s}, Reason: s.Comment, Harm: Light}
	mute, err := sources.NewMuter(s.Matchers)
	now := d.Now()
	switch {
	case err != nil:
		p.Refused = err.Error()
	case len(s.Matchers) == 0 || mute.Everything():
		p.Refused = "its matchers name nothing: it would mute every alert"
	case s.Comment == "":
		p.Refused = "a silence needs a comment: say why, for the others on call"
	case !s.Ends.After(now):
		p.Refused = "it would end before it begins"
	}
	if p.Refused != "" {
		return d.finish(p), nil
	}
	alerts, err := from.Alerts(ctx)
	if err != nil {
		return nil, err
	}
	silences, err := from.Silences(ctx)
	if err != nil {
		return nil, err
	}
	for i := range silences {
		if x := &silences[i]; x.State == "active" && sameMatchers(x.Matchers, s.Matchers) && !x.Ends.Before(s.Ends) {
			p.Nothing = fmt.Sprintf("%s has silenced the same until %s: %s", x.Author, x.Ends.Local().Format("Jan 2 15:04"), x.Comment)
			return d.finish(p), nil
		}
	}
	p.Silence.Alerts = d.matching(alerts, mute, func(a *sources.Alert) bool { return a.State == sources.Firing })
	d.silenceWarnings(p, now)
	return d.finish(p), nil
}

// matching are the alerts that matchers mute: of those given, and of those that are pending as far as is known.
func (d *Deck) matching(alerts []sources.Alert, mute *sources.Muter, want func(*sources.Alert) bool) []sources.Alert {
	var out []sources.Alert
	take := func(a *sources.Alert) {
		if mute.Mutes(a.Labels) {
			out = append(out, *a)
		}
	}
	for i := range alerts {
		if want(&alerts[i]) {
			take(&alerts[i])
		}
	}
	snap := d.Fleet.Snapshot()
	for i := range snap.Alerts {
		if snap.Alerts[i].State == sources.Pending {
			take(&snap.Alerts[i])
		}
	}
	return out
}

func (d *Deck) silenceWarnings(p *Plan, now time.Time) {
	s := p.Silence
	services, critical := map[string]bool{}, 0
	for i := range s.Alerts {
		services[s.Alerts[i].Service] = true
		if s.Alerts[i].Severity == "critical" {
			critical++
		}
	}
	if len(s.Alerts) == 0 {
		p.warn("no alert of now matches: it mutes only what comes")
	}
	if n := len(services); n > 1 {
		p.warn("it mutes alerts of %d services", n)
		p.raise(Serious, "")
	}
	if len(s.Alerts) >= silenceMany {
		p.raise(Serious, "")
	}
	if critical > 0 && len(s.Alerts) > 1 {
		p.warn("%d of them are critical", critical)
	}
	if d := s.Silence.Ends.Sub(now); d > silenceLong {
		p.warn("it lasts %s: longer than a watch", strings.TrimSuffix(d.Round(time.Minute).String(), "0s"))
		p.raise(Serious, "")
	}
}

// PlanUnsilence plans to end a silence, named by its id or the beginning of it.
func (d *Deck) PlanUnsilence(ctx context.Context, id string) (*Plan, error) {
	from, err := d.alerts()
	if err != nil {
		return nil, err
	}
	silences, err := from.Silences(ctx)
	if err != nil {
		return nil, err
	}
	var found *sources.Silence
	for i := range silences {
		s := &silences[i]
		if s.ID != id && (id == "" || !strings.HasPrefix(s.ID, id)) {
			continue
		}
		if found != nil && s.ID != id {
			return nil, &Refusal{fmt.Sprintf("%q is the beginning of more than one silence's id", id)}
		}
		found = s
	}
	if found == nil {
		return nil, &sources.Error{Source: fleet.AlertmanagerName, Kind: sources.NotFound, Op: "find silence " + id, Err: errors.New("there is none"), Next: "see `quarterdeck alerts silences` for those there are"}
	}
	p := &Plan{Action: Unsilence, Silence: &SilenceChange{Silence: *found, End: true}, Harm: Light}
	if found.State == "expired" {
		p.Nothing = "it has ended already, at " + found.Ends.Local().Format("Jan 2 15:04:05")
		return d.finish(p), nil
	}
	alerts, err := from.Alerts(ctx)
	if err != nil {
		return nil, err
	}
	for i := range alerts { // those that another silence mutes as well stay quiet
		if slices.Equal(alerts[i].SilencedBy, []string{found.ID}) && len(alerts[i].InhibitedBy) == 0 {
			p.Silence.Alerts = append(p.Silence.Alerts, alerts[i])
		}
	}
	if found.Author != d.Policy.Actor {
		p.warn("%s has made it: %s", found.Author, found.Comment)
		p.raise(Serious, "")
	}
	return d.finish(p), nil
}

// silence is the step that makes or ends it. One that is there already, because an earlier try was cut off after it, is not made again.
func (r *Running) silence(ctx context.Context) error {
	from, err := r.d.alerts()
	if err != nil {
		return err
	}
	c := r.plan.Silence
	if c.End {
		if err := from.Expire(ctx, c.Silence.ID); err != nil {
			return err
		}
		r.silenceID = c.Silence.ID
		return nil
	}
	if r.resumed {
		silences, err := from.Silences(ctx)
		if err != nil {
			return err
		}
		for i := range silences {
			if x := &silences[i]; x.State != "expired" && x.Author == c.Silence.Author && x.Comment == c.Silence.Comment && sameMatchers(x.Matchers, c.Silence.Matchers) && x.Ends.Sub(c.Silence.Ends).Abs() < time.Second {
				r.silenceID = x.ID
				return nil
			}
		}
	}
	r.silenceID, err = from.Silence(ctx, c.Silence)
	return err
}

// silenced is the proof: Alertmanager shows the silence as it shall be, and mutes the alerts or lets them ring.
func (r *Running) silenced(ctx context.Context) error {
	from, err := r.d.alerts()
	if err != nil {
		return err
	}
	if r.silenceID == "" {
		r.silenceID = r.plan.Silence.Silence.ID
	}
	until := time.Now().Add(silenceWithin)
	for {
		checks, ok, err := r.lookAtSilence(ctx, from)
		if err == nil {
			r.mu.Lock()
			r.checks = checks
			r.mu.Unlock()
		}
		switch {
		case err == nil && ok:
			return nil
		case err != nil && time.Now().After(until):
			return err
		case time.Now().After(until):
			return errors.New(firstBad(checks))
		}
		if !pause(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func firstBad(checks []CheckReport) string {
	for _, c := range checks {
		if !c.OK {
			return strings.TrimSpace(c.Service + " " + c.Name + ": " + c.Detail)
		}
	}
	return ""
}

func (r *Running) lookAtSilence(ctx context.Context, from sources.Alerts) (checks []CheckReport, ok bool, err error) {
	c := r.plan.Silence
	silences, err := from.Silences(ctx)
	if err != nil {
		return nil, false, err
	}
	state := "not there"
	for i := range silences {
		if silences[i].ID == r.silenceID {
			state = silences[i].State
		}
	}
	want := "active"
	if c.End {
		want = "expired"
	}
	checks = append(checks, CheckReport{Name: "silence", OK: state == want || c.End && state == "not there", Detail: r.silenceID + " is " + state})
	alerts, err := from.Alerts(ctx)
	if err != nil {
		return checks, false, err
	}
	for i := range alerts {
		a := &alerts[i]
		if !slices.ContainsFunc(c.Alerts, func(x sources.Alert) bool { return x.Fingerprint == a.Fingerprint && x.State != sources.Pending }) {
			continue
		}
		muted := slices.Contains(a.SilencedBy, r.silenceID)
		detail := "it rings"
		if muted {
			detail = "it is muted"
		}
		checks = append(checks, CheckReport{Service: a.Service, Name: "alert " + a.Name, OK: muted != c.End, Detail: detail})
	}
	return checks, firstBad(checks) == "", nil
}

func sameMatchers(a, b []sources.Matcher) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(m sources.Matcher) bool { return !slices.Contains(b, m) })
}

// stepSilence is what the step's entry says of it.
type stepSilence struct {
	Silence string `json:"silence"`
}

// silenceID is the silence that a run has made or ended, "" where it has not come to it.
func (r *RunRecord) silenceID() string {
	for i := range r.Steps {
		var x stepSilence
		if e := &r.Steps[i]; e.Phase == phaseStep && e.State == stateDone && json.Unmarshal(e.Detail, &x) == nil && x.Silence != "" {
			return x.Silence
		}
	}
	return ""
}
