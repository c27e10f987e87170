package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// row makes the row of a draft.
func (d *draft) row() Occurrence {
	first := d.parts[0]
	slices.SortStableFunc(d.parts, canonical)
	o := Occurrence{ID: d.id, Kind: first.Kind, Time: first.Time, Service: first.Service, Node: first.Node, Text: first.Text, Bad: first.Bad, Run: first.Run,
		Actor: first.Actor, Ref: first.Ref, Parts: d.parts, Count: 1, Last: first.Time, Within: first.Within}
	for i := range d.parts {
		x := d.parts[i]
		if !slices.Contains(o.Sources, x.Source) {
			o.Sources = append(o.Sources, x.Source)
		}
		o.Run, o.Actor, o.Ref = orElse(o.Run, x.Run), orElse(o.Actor, x.Actor), orElse(o.Ref, x.Ref)
		if o.Service == "" {
			o.Service = x.Service
		}
	}
	slices.Sort(o.Sources)
	switch first.Kind {
	case DeployStarted, DeployDone, DeployPaused, RolledBack, Scaled:
		d.rollout(&o)
	case ActionBegun, ActionEnded:
		d.run(&o)
	case AlertFiring, AlertResolved:
		d.alert(&o)
	case TaskDied, TaskStarted:
		d.folded(&o)
	}
	return o
}

// rollout completes the row of a service's change.
func (d *draft) rollout(o *Occurrence) {
	for i := range d.parts {
		switch x := d.parts[i]; x.Kind {
		case DeployStarted, Scaled:
			if x.Source == SwarmName {
				o.Text = x.Text
			}
		case DeployDone, DeployPaused, RolledBack:
			o.Bad, o.End = x.Bad, x.Time
			if x.Kind == RolledBack {
				o.Kind = RolledBack
			}
			if o.Kind == x.Kind && o.Text == x.Text { // it says so itself
				continue
			}
			o.Outcome = x.Kind
			if x.Bad {
				o.Outcome += ": " + x.Text
			}
		case ActionEnded:
			if o.Outcome == "" || o.End.IsZero() {
				o.Outcome, o.End = verdictOf(x), x.Time
			}
			o.Bad = o.Bad || x.Bad
		}
	}
	if !o.End.IsZero() && o.End.Before(o.Time) {
		o.End = o.Time
	}
}

func (d *draft) run(o *Occurrence) {
	for i := range d.parts {
		x := d.parts[i]
		if x.Kind == ActionEnded {
			o.End, o.Outcome, o.Bad = x.Time, verdictOf(x), x.Bad
			if o.Kind == ActionEnded && !x.Began.IsZero() && x.Began.Before(o.Time) {
				o.Time = x.Began
			}
		}
	}
	o.Kind = ActionBegun
	first := d.parts[0]
	who, rest, ok := strings.Cut(first.Text, first.Action+" "+first.Target+" ")
	if !ok || first.Action == "" {
		return
	}
	o.Text = who + first.Action + " " + first.Target
	if why := strings.TrimPrefix(rest, "begun"); first.Kind == ActionBegun && why != "" {
		o.Text += why
	}
}

// verdictOf is what came of a run, without what it was.
func verdictOf(x *Happening) string {
	if _, result, ok := strings.Cut(x.Text, x.Action+" "+x.Target+" "); ok && x.Action != "" {
		return result
	}
	return x.Text
}

// alert takes the words of who says most.
func (d *draft) alert(o *Occurrence) {
	after := "" // how long it fired, of one that is over
	for i := range d.parts {
		x := d.parts[i]
		if len(x.Text) > len(o.Text) {
			o.Text = x.Text
		}
		if x.Within < o.Within || o.Within == 0 && x.Within == 0 && x.Source == AlertmanagerName {
			o.Time, o.Within = x.Time, x.Within
		}
		if !x.Began.IsZero() {
			after = ", after " + x.Time.Sub(x.Began).Round(time.Second).String()
		}
	}
	o.Text += after
}

// folded tells how many there were.
func (d *draft) folded(o *Occurrence) {
	seen := map[string]bool{}
	o.Count = 0
	for i := range d.parts {
		x := d.parts[i]
		if x.Ref == "" || !seen[x.Ref] {
			o.Count++
		}
		seen[x.Ref] = true
		if x.Time.After(o.Last) {
			o.Last = x.Time
		}
		if x.Node != o.Node {
			o.Node = ""
		}
	}
	if o.Count > 1 {
		o.End = o.Last
		if o.Kind == TaskStarted {
			o.Text = fmt.Sprintf("%d tasks", o.Count)
		} else {
			o.Text = deathClass(o.Text)
		}
	}
}
