package incident

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/diagnosis"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Bounds of a report.
const (
	around     = 15 * time.Minute // shown before an incident's beginning
	afterwards = 5 * time.Minute  // and after its end
	// lookBack is how long before the beginning a change is looked for that may have brought it about.
	lookBack    = time.Hour
	maxRows     = 500
	maxServices = 8
)

// Asked is what a report is asked for: an incident, or services in a stretch of time.
type Asked struct {
	ID           string
	Services     []string
	Nodes        []string
	Since, Until time.Time // zero: the incident's own; without an incident the last hour
}

// gatherer collects what the parts of a report have to say of themselves. Safe for concurrent use.
type gatherer struct {
	*Desk
	r *Report
	x *Incident // nil: a stretch of time

	mu        sync.Mutex
	redacted  map[Redaction]int
	proposals []Proposal
	rows      []Row
	charts    map[string][]Chart
	lines     map[string]Lines
	entries   map[string][]sources.Entry // error lines by service
	found     map[string]diagnosis.Report
	spells    []spell            // alerts that fired, whoever they are of
	own       []spell            // those of what the report is of
	others    []spell            // those of other services, and of none
	earlier   []string           // alerts that fired before the window already
	side      map[string][]Chart // figures of other services, not drawn
	counts    map[string]counted // requests by service
	deaths    []deaths
	mine      []fleet.Happening // what the fleet saw of what the report is of
	rises     []*rise           // where figures went up
	rules     []sources.Rule    // Prometheus' alerting rules
	rulesRead bool
	severity  string // of the first alert of what the incident is of, else of others

	severityAlso bool
	starting     bool // it is looked for when an incident began that is about to be declared
}

// counted is what came of counting a service's requests.
type counted struct {
	sources.RequestCount
	err error
}

// Report gathers what is known, from all sources at once. What could not be looked at is among its gaps: an error means that there is nothing to
// be reported on.
func (k *Desk) Report(ctx context.Context, a Asked) (*Report, error) {
	g := newGatherer(k)
	if err := g.open(a); err != nil {
		return nil, err
	}
	g.readRuns(ctx)
	g.readChanges(ctx)
	g.frame(a)
	var wg sync.WaitGroup
	wg.Go(func() { g.readAlerts(ctx) })
	wg.Go(func() { g.readRules(ctx) })
	for _, s := range g.r.Services {
		wg.Go(func() { g.readMetrics(ctx, s, keyFigures...) })
		wg.Go(func() { g.readLogs(ctx, s) })
	}
	for _, s := range g.asked() {
		wg.Go(func() { g.investigate(ctx, s, reportWaits) })
	}
	wg.Go(g.verify)
	wg.Wait()
	g.begun()
	g.readUsers(ctx)
	g.finish()
	return g.r, nil
}

// Evidence proposes when the impact of what an incident is begun with may have begun, from what is known of the last hour; the change before it
// comes first. gaps are what could not be looked at.
func (k *Desk) Evidence(ctx context.Context, o Opening) (proposed []Proposal, gaps []Gap, err error) {
	g := newGatherer(k)
	now := k.Deck.Now()
	if err := g.open(Asked{Services: o.Services, Nodes: o.Nodes, Since: now.Add(-lookBack), Until: now}); err != nil {
		return nil, nil, err
	}
	g.r.Causes, g.starting = o.Causes, true
	g.readChanges(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { g.readAlerts(ctx) })
	for _, s := range g.r.Services {
		wg.Go(func() { g.readMetrics(ctx, s, "errors") })
		wg.Go(func() {
			if g.Logs != nil {
				g.readVolume(ctx, s)
			}
		})
	}
	wg.Wait()
	g.placeAlerts()
	g.readHistory()
	g.startOf()
	return g.r.Start.Proposed, g.r.Gaps, nil
}

func newGatherer(k *Desk) *gatherer {
	return &gatherer{Desk: k, redacted: map[Redaction]int{}, charts: map[string][]Chart{}, lines: map[string]Lines{}, entries: map[string][]sources.Entry{}, found: map[string]diagnosis.Report{},
		side: map[string][]Chart{}, counts: map[string]counted{}}
}

// open finds the incident, the services, and the stretch of time as asked for.
func (g *gatherer) open(a Asked) error {
	now := g.Deck.Now().UTC()
	r := &Report{Made: now, By: g.Deck.Policy.Actor, Context: g.Deck.Policy.Context, Since: a.Since.UTC(), Until: a.Until.UTC(), Services: slices.Clone(a.Services), Nodes: slices.Clone(a.Nodes)}
	g.r = r
	if a.ID != "" {
		x, err := g.Find(a.ID)
		if err != nil {
			return err
		}
		g.x = &x
		if len(r.Services) == 0 {
			r.Services, r.Nodes = slices.Clone(x.Services), slices.Clone(x.Nodes)
		}
	}
	if a.Until.IsZero() {
		r.Until = now
		if g.x != nil && g.x.Resolved.Known() {
			r.Until = earlier(now, g.x.Resolved.At.Add(afterwards))
		}
	}
	if a.Since.IsZero() {
		r.Since = r.Until.Add(-time.Hour)
		if g.x != nil {
			r.Since = g.begin().Add(-around)
		}
	}
	if !r.Since.Before(r.Until) {
		return bad("the report's time ends before it begins", "give --since before --until")
	}
	if len(r.Services) > maxServices {
		g.gap("report", count(len(r.Services)-maxServices, "more service"), fmt.Sprintf("a report is about at most %d", maxServices))
		r.Services = r.Services[:maxServices]
	}
	snap := g.Deck.Fleet.Snapshot()
	for _, s := range r.Services {
		if snap.Ready() && snap.Service(s) == nil {
			g.gap(fleet.SwarmName, "service "+s, "the swarm has no service of this name now")
		}
	}
	g.sourceGaps(snap)
	return nil
}

const notConfigured = "it is not configured"

// sourceGaps tells of sources that are away or not there.
func (g *gatherer) sourceGaps(snap *fleet.Snapshot) {
	if !snap.Ready() {
		g.gap(fleet.SwarmName, "services, tasks, nodes", orElse(snap.Source(fleet.SwarmName).Detail, "it was not read"))
	}
	for name, s := range map[string]bool{fleet.PrometheusName: g.Metrics != nil, fleet.AlertmanagerName: g.Alerts != nil, fleet.LokiName: g.Team != nil} {
		if !s {
			what := map[string]string{fleet.PrometheusName: "metrics, and alerts that are over", fleet.AlertmanagerName: g.withoutAlertmanager(), fleet.LokiName: "the team's record, and logs of tasks that are gone"}[name]
			g.gap(name, what, notConfigured)
		}
	}
	if s := snap.Source(fleet.AlertmanagerName); g.Alerts != nil && !s.OK() && s.State != sources.Connecting {
		g.gap(fleet.AlertmanagerName, "alerts that fire", orElse(s.Detail, string(s.State)))
	}
}

// withoutAlertmanager is what is not known without it: Prometheus' rules tell what fires.
func (g *gatherer) withoutAlertmanager() string {
	if g.Metrics != nil {
		return "silences"
	}
	return "alerts that fire"
}

// begin is the earliest of what is known of an incident's beginning.
func (g *gatherer) begin() time.Time {
	t := g.x.Started.At
	for _, m := range []Moment{g.x.Impact, g.x.Detected} {
		if m.Known() && m.At.Before(t) {
			t = m.At
		}
	}
	return t
}

// frame widens an incident's time to the change before it, where that is near.
func (g *gatherer) frame(a Asked) {
	if g.x == nil || !a.Since.IsZero() {
		return
	}
	for i := range g.r.Deploys {
		if d := &g.r.Deploys[i]; d.At.Before(g.begin()) && d.At.Add(-afterwards).Before(g.r.Since) {
			g.r.Since = d.At.Add(-afterwards)
		}
	}
	g.r.Deploys = slices.DeleteFunc(g.r.Deploys, func(d Deploy) bool { return !between(d.At, g.r.Since, g.r.Until) })
}

// from is where changes and runs are looked for: for an incident, some time before its beginning.
func (g *gatherer) from() time.Time {
	if g.x != nil {
		return earlier(g.r.Since, g.begin().Add(-lookBack))
	}
	return g.r.Since
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (g *gatherer) about(service string) bool {
	return len(g.r.Services) == 0 || slices.Contains(g.r.Services, service)
}

func (g *gatherer) gap(source, what, reason string) {
	reason = g.redact("gaps", reason)
	g.mu.Lock()
	defer g.mu.Unlock()
	x := Gap{Source: source, What: what, Reason: reason}
	if !slices.Contains(g.r.Gaps, x) {
		g.r.Gaps = append(g.r.Gaps, x)
	}
}

func (g *gatherer) row(rows ...Row) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, x := range rows {
		if between(x.Time, g.r.Since, g.r.Until) {
			x.Time = x.Time.UTC()
			g.rows = append(g.rows, x)
		}
	}
}

func (g *gatherer) propose(p Proposal) {
	p.At = p.At.UTC()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.proposals = append(g.proposals, p)
}

// redact takes credentials out of a text and counts them.
func (g *gatherer) redact(where, text string) string {
	if len(text) > maxLine { // what is looked through is bounded
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	text, found := sources.Redact(text)
	if len(found) > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, f := range found {
			g.redacted[Redaction{Kind: f.Kind, Where: where}]++
		}
	}
	return text
}

// maxLine bounds a text in a report, in bytes.
const maxLine = 4 << 10

// readRuns takes in what was done, here and by the team.
func (g *gatherer) readRuns(ctx context.Context) {
	runs, err := g.Deck.RunsBetween(ctx, g.Team, g.from(), g.r.Until)
	if err != nil {
		g.gap("journal", "runs of colleagues", err.Error())
	}
	for i := range runs {
		r := &runs[i]
		if !slices.ContainsFunc(r.Services(), g.about) {
			continue
		}
		m := g.mitigation(r)
		service := first(r.Target)
		query := "quarterdeck journal --run " + r.ID
		g.row(Row{Time: r.Began, Source: "journal", Kind: r.Action, Service: service, Actor: r.Actor, Text: joined(r.Action+" "+r.Target+" begun", m.Why), Query: query, Confidence: Recorded, run: r.ID})
		if m.Ended != nil {
			g.row(Row{Time: *m.Ended, Source: "journal", Kind: r.Action, Service: service, Actor: r.Actor, Text: joined(r.Action+" "+r.Target+": "+m.Result, m.Reason), Query: query, Confidence: Recorded,
				Bad: r.Result == actions.ResultFailed || r.Result == actions.ResultTakenBack, run: r.ID})
		}
		if g.x == nil || between(r.Began, g.x.Started.At, g.x.Resolved.At) {
			g.r.Fixes = append(g.r.Fixes, m)
		}
	}
}

func (g *gatherer) mitigation(r *actions.RunRecord) Mitigation {
	m := Mitigation{Run: r.ID, Action: r.Action, Target: r.Target, Actor: r.Actor, Began: r.Began.UTC(), Result: r.Result, Reason: g.redact("runs", r.Reason), Why: g.redact("runs", r.Why), Changes: []Field{}}
	if !r.Ended.IsZero() {
		ended := r.Ended.UTC()
		m.Ended = &ended
	}
	if v := r.Verdict(); v != nil {
		m.Converged = &v.Converged
	}
	for _, s := range g.Deck.ChangesOf(r) {
		m.Changes = append(m.Changes, g.fields(s.Service, s.Fields)...)
	}
	return m
}

// fields are changes of a spec, without what is masked in it.
func (g *gatherer) fields(service string, list []sources.FieldChange) []Field {
	out := []Field{}
	for _, c := range list {
		before, after := c.Text()
		where := "spec of " + service + ", " + c.Field
		out = append(out, Field{Service: service, Field: c.Field, Before: g.unmask(where, shortDigest(before)), After: g.unmask(where, shortDigest(after))})
	}
	return out
}

// shortDigest leaves of an image's digest what tells it apart.
func shortDigest(s string) string {
	if ref, digest, ok := strings.Cut(s, "@sha256:"); ok && len(digest) > 12 {
		return ref + "@" + digest[:12]
	}
	return s
}

// unmask puts a plain mark in the place of a mask of the journal's, which tells values apart and is nobody's business outside.
func (g *gatherer) unmask(where, value string) string {
	masked := maskOf.ReplaceAllStringFunc(value, func(string) string {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.redacted[Redaction{Kind: sources.RedactedVariable, Where: where}]++
		return "[redacted]"
	})
	return g.redact(where, masked)
}

// verify looks whether the record itself is whole.
func (g *gatherer) verify() {
	v, err := journal.Verify(g.Deck.Journal.Dir())
	text := entries(v.Entries) + " in this machine's journal, the chain is whole"
	switch {
	case err != nil:
		text = "this machine's journal could not be verified"
		g.gap("journal", "the chain", err.Error())
	case !v.OK():
		text = fmt.Sprintf("%s in this machine's journal, %s: see quarterdeck journal verify", entries(v.Entries), count(len(v.Faults)+v.More, "fault"))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.r.Chain = text
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// why is a failure in words, with what can be done.
func why(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not answer in time"
	}
	return err.Error()
}

func joined(text, more string) string {
	if more == "" {
		return text
	}
	return text + ": " + more
}

func clockOf(t time.Time) string { return t.UTC().Format("15:04:05") }
