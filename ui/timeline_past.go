package ui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Bounds of what is read of earlier.
const (
	pastMost = 1000 // happenings
	// pastAgain is how often it is read again while the timeline shows what is now.
	pastAgain = time.Minute
	// diffsMost is of how many services the specs are compared at once, and diffsKept how many answers are remembered.
	diffsMost = 12
	diffsKept = 300
)

// pastEvents is what others tell of the shown time, from before the console was there: Prometheus of alerts, the team's record of actions,
// Grafana of marks.
type pastEvents struct {
	version    uint64 // rises with each answer
	generation uint64 // of the question
	asked      pastQuestion
	loading    bool
	list       []fleet.Happening
	from       time.Time // of the answer
	said       []string  // who could not be asked, and why
	cut        bool
}

// pastQuestion is what is asked for: while it is the same, nothing is asked again.
type pastQuestion struct {
	when   uint64
	bucket int64 // of live time
}

// pastMsg is sent when what others tell of the shown time was read.
type pastMsg struct {
	generation uint64
	from       time.Time
	list       []fleet.Happening
	said       []string
}

// wantPast asks for the shown time, while the timeline is on the screen.
func (m *Model) wantPast() tea.Cmd {
	p := &m.timeline.past
	q := pastQuestion{when: m.when.generation + uint64(m.when.span)<<32}
	if m.when.live() {
		q.bucket = m.now().UnixNano() / int64(pastAgain)
	}
	if m.view != viewTimeline || q == p.asked {
		return nil
	}
	p.asked = q
	if m.o.Rules == nil && m.o.Notes == nil && (m.o.Deck == nil || m.o.Logs == nil) {
		return nil
	}
	p.generation++
	p.loading = true
	generation := p.generation
	from, to := m.when.window(m.o.Now())
	read := pastReader{rules: m.o.Rules, notes: m.o.Notes, deck: m.o.Deck}
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		list, said := read.all(ctx, from, to)
		return pastMsg{generation, from, list, said}
	}
}

// applyPast takes an answer in, unless it is to an older question.
func (m *Model) applyPast(msg pastMsg) {
	p := &m.timeline.past
	if msg.generation != p.generation {
		return
	}
	p.loading, p.said, p.from = false, msg.said, msg.from
	p.cut = len(msg.list) > pastMost
	if p.cut {
		slices.SortStableFunc(msg.list, func(a, b fleet.Happening) int { return a.Time.Compare(b.Time) })
		msg.list = slices.Clone(msg.list[len(msg.list)-pastMost:])
	}
	p.list = msg.list
	p.version++
}

// words say in the title how the reading stands.
func (p *pastEvents) words(m *Model) string {
	switch {
	case p.loading && p.version == 0:
		return "asking for earlier" + m.st.Signs.Ellipsis
	case p.cut:
		return fmt.Sprintf("the last %d of this time", pastMost)
	case len(p.said) > 0:
		return "not all could be asked"
	}
	return ""
}

// before tells what is known of the time before the console was there, and what is not.
func (p *pastEvents) before(m *Model) string {
	known := []string{"the swarm's last update of each service and five tasks a slot"}
	unknown := []string{"nodes", "health", "sources", "tasks that Swarm has forgotten"}
	add := func(has bool, what string) {
		if has {
			known = append(known, what)
		} else {
			unknown = append(unknown, what)
		}
	}
	add(m.o.Rules != nil, "alerts (Prometheus)")
	add(m.o.Deck != nil, "actions (journal)")
	if m.o.Deck != nil {
		add(m.o.Deck.HasTeam(), "the team's actions (Loki)")
	}
	if m.o.Notes != nil {
		known = append(known, "marks (Grafana)")
	}
	text := "not known before: " + strings.Join(unknown, ", ") + " · known: " + strings.Join(known, ", ")
	if len(p.said) > 0 {
		text = strings.Join(p.said, " · ") + " · " + text
	}
	return text
}

// pastReader reads what others tell of a time.
type pastReader struct {
	rules sources.Rulebook
	notes sources.Annotations
	deck  *actions.Deck
}

// all asks everybody at once; said is who could not be asked.
func (r pastReader) all(ctx context.Context, from, to time.Time) (list []fleet.Happening, said []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	ask := func(who string, read func() ([]fleet.Happening, error)) {
		wg.Go(func() {
			got, err := read()
			mu.Lock()
			defer mu.Unlock()
			list = append(list, got...)
			if err != nil {
				text, _ := errorWords(err)
				said = append(said, who+" not known before: "+text)
			}
		})
	}
	if r.rules != nil {
		ask("alerts", func() ([]fleet.Happening, error) {
			w := sources.Window{Start: from, End: to}
			fired, err := r.rules.Fired(ctx, w)
			return firedHappenings(fired, to.Sub(from)), err
		})
	}
	if r.notes != nil {
		ask("marks", func() ([]fleet.Happening, error) {
			notes, err := r.notes.Annotations(ctx, from, to)
			return markHappenings(notes), err
		})
	}
	if r.deck != nil {
		ask("the team's actions", func() ([]fleet.Happening, error) { return r.deck.Earlier(ctx, from, to) })
	}
	wg.Wait()
	slices.Sort(said)
	return list, said
}

// firedWithin is how inexact the time of an alert is that was read from samples: Prometheus evaluates rules once a minute by default, and a long
// time is cut into 500 steps.
func firedWithin(span time.Duration) time.Duration { return max(span/500, 30*time.Second) }

func firedHappenings(fired []sources.Alert, span time.Duration) []fleet.Happening {
	var out []fleet.Happening
	for i := range fired {
		a := &fired[i]
		h := fleet.Happening{Service: a.Service, Text: a.Name, Source: fleet.PrometheusName, Ref: a.Fingerprint, Within: firedWithin(span)}
		if !a.Since.IsZero() {
			b := h
			b.Kind, b.Time, b.Bad = fleet.AlertFiring, a.Since, true
			out = append(out, b)
		}
		if !a.Ends.IsZero() {
			h.Kind, h.Time, h.Began = fleet.AlertResolved, a.Ends, a.Since
			out = append(out, h)
		}
	}
	return out
}

// markHappenings are the marks on dashboards. Those that we make of our own runs are told of by the journal, and join its rows.
func markHappenings(notes []sources.Annotation) []fleet.Happening {
	out := make([]fleet.Happening, 0, len(notes))
	for i := range notes {
		n := &notes[i]
		out = append(out, fleet.Happening{Time: n.From, Kind: fleet.Annotated, Text: oneLine(n.Text), Target: strings.Join(n.Tags, ","), Source: "grafana"})
	}
	return out
}

// deployDiffs are what deploys have changed, in a few words, by the row's id.
type deployDiffs struct {
	short map[string]string
	asked map[string]bool // by row and by the service's version
}

// diffsMsg is sent when deploys were compared with what was before them.
type diffsMsg struct{ short map[string]string }

// wantDiffs compares the specs of the rollouts that are listed, in a command.
func (m *Model) wantDiffs() tea.Cmd {
	t := &m.timeline
	if m.view != viewTimeline || m.o.Deck == nil {
		return nil
	}
	if t.diffs.asked == nil || len(t.diffs.asked) > diffsKept {
		t.diffs = deployDiffs{short: map[string]string{}, asked: map[string]bool{}}
	}
	wanted := map[string][]*fleet.Occurrence{}
	for i := len(t.rows) - 1; i >= 0; i-- {
		o := &t.rows[i]
		v := m.snap.Service(o.Service)
		if v == nil || o.Kind == fleet.Created || o.Kind == fleet.Removed || sortOf(o.Kind) != 0 {
			continue
		}
		k := fmt.Sprint(o.ID, "\x00", v.Version, "\x00", o.Outcome != "")
		if t.diffs.asked[k] || wanted[o.Service] == nil && len(wanted) == diffsMost {
			continue
		}
		t.diffs.asked[k] = true
		wanted[o.Service] = append(wanted[o.Service], o)
	}
	if len(wanted) == 0 {
		return nil
	}
	deck := m.o.Deck
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		out := map[string]string{}
		for service, rows := range wanted {
			_, states, err := deck.States(ctx, service)
			if err != nil {
				continue // the row keeps what the swarm says of it
			}
			for _, o := range rows {
				if text := shortDiff(deck, states, o); text != "" {
					out[o.ID] = text
				}
			}
		}
		return diffsMsg{out}
	}
}

func (m *Model) applyDiffs(msg diffsMsg) {
	for id, text := range msg.short {
		if m.timeline.diffs.short != nil {
			m.timeline.diffs.short[id] = text
		}
	}
}

// shortDiff is what a rollout has changed, masked; "": its specs are not known.
func shortDiff(deck *actions.Deck, states []actions.State, o *fleet.Occurrence) string {
	h := fleet.Happening{Time: o.Time, Kind: o.Kind, Run: o.Run}
	i := nearestChange(states, momentOf(&h))
	if i < 0 || i+1 >= len(states) || (o.Run == "" || states[i].Run != o.Run) && states[i].Since.Sub(o.Time).Abs() > farAway {
		return ""
	}
	before, after := states[i+1].Spec, states[i].Spec
	if o.Kind == fleet.RolledBack && o.Run == "" && states[i].Now { // what is wanted now is what it went back to, and the other what was tried
		before, after = after, before
	}
	fields, err := deck.Between(before, after)
	if err != nil || len(fields) == 0 {
		return ""
	}
	return fieldsInShort(fields)
}

// shortFields is how many fields a short difference names.
const shortFields = 2

// fieldsInShort are changed fields in a line: "image 1.4 → 1.5, env TIMEOUT 5s → 2s, +1".
func fieldsInShort(fields []sources.FieldChange) string {
	var parts []string
	for i := range fields {
		if i == shortFields {
			parts = append(parts, fmt.Sprintf("+%d", len(fields)-i))
			break
		}
		f := &fields[i]
		before, after := f.Text()
		before, after = shortDigest(before), shortDigest(after)
		if f.Field == "image" {
			before, after = shortImages(before, after)
		}
		if name, ok := strings.CutPrefix(f.Field, "env "); ok {
			before, after = strings.TrimPrefix(before, name+"="), strings.TrimPrefix(after, name+"=")
		}
		parts = append(parts, f.Field+" "+before+" → "+after)
	}
	return strings.Join(parts, ", ")
}

// shortImages are two images without what both have: the tags where the name is one, and digests where only those differ.
func shortImages(a, b string) (string, string) {
	split := func(s string) (name, tag, digest string) {
		s, digest, _ = strings.Cut(s, "@")
		if i := strings.LastIndex(s, ":"); i > strings.LastIndex(s, "/") {
			return s[:i], s[i+1:], digest
		}
		return s, "", digest
	}
	nameA, tagA, digestA := split(a)
	nameB, tagB, digestB := split(b)
	switch {
	case nameA != nameB:
		return shortImage(strings.TrimSuffix(a, "@"+digestA)), shortImage(strings.TrimSuffix(b, "@"+digestB))
	case tagA != tagB:
		return tagA, tagB
	}
	return tagA + "@" + digestA, "@" + digestB
}
