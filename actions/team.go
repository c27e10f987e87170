package actions

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Bounds of what is remembered of the team's runs.
const (
	teamMost = 200
	teamNews = 24 * time.Hour // older runs are not put on the timeline
	teamBack = time.Hour      // how far back the team's record is read at the start
	teamLate = time.Minute    // so late an entry may come and is still seen
	// teamAgain is how often the team's record in Loki is read.
	teamAgain = 5 * time.Second
)

// TeamRun is a run as the record tells it: ours, another console's on this machine, or a colleague's elsewhere.
type TeamRun struct {
	Run, Action, Target, Actor, Host string
	Began, Ended                     time.Time // Ended zero: it is under way, as far as is known
	Step                             string    // the one that was begun last
	Result, Reason, Why              string
}

// team is what is known of all runs, from the journal and from Loki.
type team struct {
	mu     sync.Mutex
	hashes map[string]bool
	order  []string // of hashes, the oldest first
	runs   []TeamRun
}

// Team are the runs that are known, the newest last: of this machine, and with FollowTeam of the others.
func (d *Deck) Team() []TeamRun {
	d.team.mu.Lock()
	defer d.team.mu.Unlock()
	return slices.Clone(d.team.runs)
}

// FollowTeam takes in what consoles write, on this machine from the journal and elsewhere from Loki ({app="quarterdeck"}), until ctx ends.
// logs may be nil. Begins and ends go to the fleet's history.
func (d *Deck) FollowTeam(ctx context.Context, logs sources.Logs) {
	if !d.untilReady(ctx) {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		err := d.Journal.Follow(ctx, 0, func(e journal.Entry) { d.hear(&e) })
		if ctx.Err() == nil && err != nil {
			d.log().Warn("the journal could not be followed", "error", err)
		}
	})
	if logs != nil {
		wg.Go(func() { d.followLoki(ctx, logs) })
	}
	wg.Wait()
}

// untilReady waits for the first listing, which says what swarm it is; false: ctx ended.
func (d *Deck) untilReady(ctx context.Context) bool {
	_, err := d.Ready(ctx)
	return err == nil
}

// followLoki asks every few seconds. A tail would be there sooner by that, and would take one of the ten that Loki gives a tenant from
// every console (limits_config.max_concurrent_tail_requests).
func (d *Deck) followLoki(ctx context.Context, logs sources.Logs) {
	q := sources.LogQuery{Expr: fmt.Sprintf(`{app=%q}`, AppLabel), Since: d.Now().Add(-teamBack), Forward: true, Limit: 5 * teamMost}
	failing := false
	for {
		q.Until = d.Now().Add(time.Minute) // clocks differ
		page, err := logs.Query(ctx, q)
		switch {
		case err == nil:
			failing = false
			for i := range page.Entries {
				var e journal.Entry
				if json.Unmarshal([]byte(page.Entries[i].Line), &e) == nil { // others may write under that label too
					d.hear(&e)
				}
			}
			q.Since = d.Now().Add(-teamLate)
		case ctx.Err() == nil && !failing:
			failing = true
			d.log().Warn("the team's record could not be read", "error", err)
		}
		if !pause(ctx, teamAgain) {
			return
		}
	}
}

// hear takes an entry in, once, whichever way it comes.
func (d *Deck) hear(e *journal.Entry) {
	if e.Run == "" || e.Hash == "" || e.Cluster != "" && e.Cluster != d.cluster() && d.cluster() != "" {
		return
	}
	if e.Action == Incident {
		if d.Heard != nil {
			d.Heard(e)
		}
		return
	}
	t := &d.team
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hashes[e.Hash] {
		return
	}
	if t.hashes == nil {
		t.hashes = map[string]bool{}
	}
	t.hashes[e.Hash] = true
	if t.order = append(t.order, e.Hash); len(t.order) > 10*teamMost {
		delete(t.hashes, t.order[0])
		t.order = t.order[1:]
	}
	i := slices.IndexFunc(t.runs, func(r TeamRun) bool { return r.Run == e.Run })
	if i < 0 {
		t.runs = append(t.runs, TeamRun{Run: e.Run, Action: e.Action, Target: e.Target, Actor: e.Actor, Host: e.Host, Began: e.Time})
		if len(t.runs) > teamMost {
			t.runs = t.runs[1:]
		}
		i = len(t.runs) - 1
	}
	r := &t.runs[i]
	news := d.Now().Sub(e.Time) < teamNews
	if h, ok := happeningOf(e, r.Began); ok {
		d.note(news, h)
	}
	switch e.Phase {
	case phaseBegin:
		r.Began, r.Why = e.Time, e.Reason
	case phaseStep:
		r.Step = e.Step
	case phaseEnd:
		r.Ended, r.Result, r.Reason = e.Time, e.Result, e.Reason
	}
}

// happeningOf is what an entry tells the timeline; false: nothing.
func happeningOf(e *journal.Entry, began time.Time) (fleet.Happening, bool) {
	h := fleet.Happening{Time: e.Time, Service: firstOf(e.Target), Source: "journal", Run: e.Run, Actor: e.Actor, Action: e.Action, Target: e.Target}
	if e.Action == Silence || e.Action == Unsilence {
		h.Service = ""
		var v struct {
			Silence json.RawMessage `json:"silence"` // its id at the end, all of it at the beginning
		}
		_ = json.Unmarshal(e.Detail, &v)
		var made recordedSilence
		if json.Unmarshal(v.Silence, &h.Ref) != nil && json.Unmarshal(v.Silence, &made) == nil {
			h.Service = sources.ServiceOf(fleet.EqualLabels(made.Matchers), sources.AlertLabels)
		}
	}
	if node, ok := strings.CutPrefix(e.Target, nodeTarget("")); ok {
		h.Service, h.Node = "", node
	}
	switch e.Phase {
	case phaseBegin:
		h.Kind, h.Text = fleet.ActionBegun, noted(e, "begun", e.Reason)
	case phaseEnd:
		h.Kind, h.Text, h.Began = fleet.ActionEnded, noted(e, e.Result, e.Reason), began
		h.Bad = e.Result == ResultFailed || e.Result == ResultTakenBack
	default:
		return h, false
	}
	return h, true
}

func (d *Deck) note(news bool, h fleet.Happening) {
	if news {
		d.Fleet.Note(h)
	}
}

// noted is a run's begin or end in a line, who did it first.
func noted(e *journal.Entry, what, why string) string {
	who, _, _ := strings.Cut(e.Actor, "@") // of an address what is before the @ is enough
	text := fmt.Sprintf("%s: %s %s %s", who, e.Action, e.Target, what)
	if why != "" {
		text += ": " + why
	}
	return text
}

func firstOf(target string) string {
	name, _, _ := strings.Cut(target, ",")
	return name
}

// earlierMost bounds how many lines of the team's record are read of a stretch of time.
const earlierMost = 2000

// HasTeam tells whether the team's record can be read.
func (d *Deck) HasTeam() bool { return d.Sink != nil && d.Logs != nil }

// Earlier are the begins and ends of runs in a stretch of time: of this machine from its journal and, with Loki, of the others from the team's
// record. What could be read is given with an error, too.
func (d *Deck) Earlier(ctx context.Context, from, to time.Time) ([]fleet.Happening, error) {
	var out []fleet.Happening
	seen, began := map[string]bool{}, map[string]time.Time{}
	take := func(e *journal.Entry) {
		if e.Run == "" || e.Hash == "" || seen[e.Hash] || e.Cluster != "" && d.cluster() != "" && e.Cluster != d.cluster() {
			return
		}
		seen[e.Hash] = true
		if e.Phase == phaseBegin {
			began[e.Run] = e.Time
		}
		if h, ok := happeningOf(e, began[e.Run]); ok && !e.Time.Before(from) && !e.Time.After(to) {
			out = append(out, h)
		}
	}
	if d.Now().Sub(from) > teamNews { // what is younger has been heard of
		if err := d.Journal.Read(func(e journal.Entry) bool { take(&e); return true }); err != nil {
			return out, err
		}
	}
	if !d.HasTeam() {
		return out, nil
	}
	page, err := d.Logs.Query(ctx, sources.LogQuery{Expr: fmt.Sprintf(`{app=%q}`, AppLabel), Since: from, Until: to, Limit: earlierMost, Forward: true})
	if err != nil {
		return out, err
	}
	for i := range page.Entries {
		var e journal.Entry
		if json.Unmarshal([]byte(page.Entries[i].Line), &e) == nil {
			take(&e)
		}
	}
	return out, nil
}
