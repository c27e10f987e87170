package actions

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/markdown"
)

// HandoverOptions choose what is handed over.
type HandoverOptions struct {
	Since   time.Time
	Service string // "" : all
	Actor   string // "" : all
}

// Handover is the record for whoever takes over: what was done, with its diffs and verdicts, what is unfinished, and how the services are now.
type Handover struct {
	At      time.Time
	By      string
	Context string
	Since   time.Time
	Runs    []RunRecord
	Seen    []journal.Entry // specs that others changed meanwhile
	Fleet   *fleet.Snapshot
	Verdict journal.Report
	changes map[string][]FieldReport
}

// Handover reads the journal and the fleet.
func (d *Deck) Handover(_ context.Context, o HandoverOptions) (*Handover, error) {
	h := &Handover{At: d.Now(), By: d.Policy.Actor, Context: d.Policy.Context, Since: o.Since, Fleet: d.Fleet.Snapshot(), changes: map[string][]FieldReport{}}
	runs, err := d.Runs()
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if r.Began.Before(o.Since) && (r.Ended.IsZero() || r.Ended.Before(o.Since)) || o.Actor != "" && r.Actor != o.Actor || o.Service != "" && !slices.Contains(strings.Split(r.Target, ","), o.Service) {
			continue
		}
		h.Runs = append(h.Runs, r)
		for _, s := range d.ChangesOf(&r) {
			for _, f := range s.Fields {
				before, after := f.Text()
				h.changes[r.ID] = append(h.changes[r.ID], FieldReport{s.Service, f.Field, before, after})
			}
		}
	}
	if h.Seen, err = d.changedByOthers(o); err != nil {
		return nil, err
	}
	h.Verdict, err = journal.Verify(d.Journal.Dir())
	return h, err
}

// changedByOthers are the specs that were seen to have changed without a run of ours. What a service was when it was seen for the first time is no
// change, unless the engine still remembered what was before.
func (d *Deck) changedByOthers(o HandoverOptions) ([]journal.Entry, error) {
	var out []journal.Entry
	cluster := d.cluster()
	known := map[string]bool{} // by service id
	err := d.Journal.Read(func(e journal.Entry) bool {
		if e.Cluster != "" && e.Cluster != cluster {
			return true
		}
		before, after := refsOf(e.Before), refsOf(e.After)
		for _, r := range after {
			if e.Phase == phaseObserve && (known[r.ID] || len(before) > 0) && !orTime(r.Updated, e.Time).Before(o.Since) && (o.Service == "" || e.Target == o.Service) {
				out = append(out, e)
				break
			}
		}
		for _, r := range append(before, after...) {
			known[r.ID] = true
		}
		return true
	})
	slices.SortStableFunc(out, func(a, b journal.Entry) int { return changedAt(&a).Compare(changedAt(&b)) })
	return out, err
}

// changedAt is when what was seen had been changed.
func changedAt(e *journal.Entry) time.Time {
	for _, r := range refsOf(e.After) {
		return orTime(r.Updated, e.Time)
	}
	return e.Time
}

// Markdown writes the handover.
func (h *Handover) Markdown(w io.Writer) error {
	var b strings.Builder
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
	fmt.Fprintf(&b, "# Handover: %s\n\n%s UTC, by %s.", markdown.Text(h.Context), stamp(h.At), markdown.Text(h.By))
	if !h.Since.IsZero() {
		fmt.Fprintf(&b, " Since %s UTC.", stamp(h.Since))
	}
	b.WriteString("\n\n## Now\n\n")
	h.writeNow(&b)
	b.WriteString("\n## What was done\n\n")
	if len(h.Verdict.Faults) == 0 && h.Verdict.Torn == 0 {
		fmt.Fprintf(&b, "The record: %d entries, the chain is whole (`quarterdeck journal verify`).\n", h.Verdict.Entries)
	} else {
		fmt.Fprintf(&b, "The record: %d entries, **%d faults**, torn bytes %d: run `quarterdeck journal verify`.\n", h.Verdict.Entries, len(h.Verdict.Faults), h.Verdict.Torn)
	}
	b.WriteString("\n")
	if len(h.Runs) == 0 {
		b.WriteString("Nothing.\n")
	}
	for i := range h.Runs {
		h.writeRun(&b, &h.Runs[i], stamp)
	}
	if len(h.Seen) > 0 {
		b.WriteString("\n## What others changed\n\n")
		var rows [][]string
		for _, e := range h.Seen {
			for _, r := range refsOf(e.After) {
				n := "-"
				if r.Replicas != nil {
					n = fmt.Sprint(*r.Replicas)
				}
				rows = append(rows, []string{stamp(orTime(r.Updated, e.Time)), markdown.Text(r.Service), markdown.Text(short(r.Image)), n})
			}
		}
		markdown.Table(&b, []string{"Time (UTC)", "Service", "Image", "Replicas"}, rows)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (h *Handover) writeNow(b *strings.Builder) {
	s := h.Fleet
	if !s.Ready() {
		b.WriteString("The swarm could not be read.\n")
		return
	}
	c := s.Counts
	fmt.Fprintf(b, "%d of %d nodes up. %d services: %d healthy, %d updating, %d degraded, %d down, %d idle, %d unknown.\n", c.NodesUp, c.Nodes, c.Services, c.Healthy, c.Updating, c.Degraded, c.Down, c.Idle, c.Unknown)
	for _, v := range s.Services {
		if v.Health != fleet.Healthy && v.Health != fleet.Idle {
			fmt.Fprintf(b, "- **%s** %s, %s: %s\n", markdown.Text(v.Name), v.Health, v.Run(), markdown.Text(v.Reason))
		}
	}
	for i := range s.Alerts {
		if a := &s.Alerts[i]; a.State == sources.Firing {
			fmt.Fprintf(b, "- alert **%s** %s %s: %s\n", markdown.Text(a.Name), markdown.Text(a.Severity), markdown.Text(a.Service), markdown.Text(a.Summary))
		}
	}
}

func (h *Handover) writeRun(b *strings.Builder, r *RunRecord, stamp func(time.Time) string) {
	result := r.Result
	if result == "" {
		result = "UNFINISHED"
	}
	fmt.Fprintf(b, "### %s %s: %s\n\n%s UTC by %s on %s, run %s", r.Action, markdown.Text(r.Target), result, stamp(r.Began), markdown.Text(r.Actor), markdown.Text(r.Host), markdown.Code(r.ID))
	if !r.Ended.IsZero() {
		fmt.Fprintf(b, ", %s long", r.Ended.Sub(r.Began).Round(time.Second))
	}
	b.WriteString(".")
	if r.Why != "" {
		fmt.Fprintf(b, " Reason: %s.", markdown.Text(r.Why))
	}
	if r.Reason != "" {
		fmt.Fprintf(b, " Came to: %s.", markdown.Text(r.Reason))
	}
	if r.Of != "" {
		fmt.Fprintf(b, " Takes run %s back.", markdown.Code(r.Of))
	}
	if r.UndoneBy != "" {
		fmt.Fprintf(b, " **Taken back** by run %s.", markdown.Code(r.UndoneBy))
	}
	b.WriteString("\n\n")
	if fields := h.changes[r.ID]; len(fields) > 0 {
		var rows [][]string
		for _, f := range fields {
			rows = append(rows, []string{markdown.Text(f.Service), markdown.Text(f.Field), markdown.Text(short(valueText(f.Before))), markdown.Text(short(valueText(f.After)))})
		}
		markdown.Table(b, []string{"Service", "Field", "Before", "After"}, rows)
		b.WriteString("\n")
	}
}

func valueText(v any) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(v)
}

// short is an image with no more of its digest than tells it apart.
func short(image string) string {
	if ref, digest, ok := strings.Cut(image, "@sha256:"); ok && len(digest) > 12 {
		return ref + "@" + digest[:12]
	}
	return image
}
