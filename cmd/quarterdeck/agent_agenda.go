package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"quarterdeck/actions"
	"quarterdeck/agent"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// agendaJSON is what an agent would do.
type agendaJSON struct {
	Time  time.Time `json:"time"`
	Lease struct {
		Name   string `json:"name"`
		Holder string `json:"holder"` // "": nobody
	} `json:"lease"`
	Due      []dueJSON     `json:"due"`
	Services []agendumJSON `json:"services"`
}

type dueJSON struct {
	Task     string     `json:"task"`
	Service  string     `json:"service"`
	Due      *time.Time `json:"due"` // null: it never was
	Attempts int        `json:"attempts"`
	Again    *time.Time `json:"again"` // null: at once
	GivenUp  bool       `json:"given_up"`
	Reason   string     `json:"reason,omitempty"` // why the last attempt failed
}

type agendumJSON struct {
	Service string     `json:"service"`
	Usable  bool       `json:"usable"`
	Reason  string     `json:"reason,omitempty"` // why it is not
	Last    *time.Time `json:"last"`
	Next    *time.Time `json:"next"`
}

// showAgenda says what is due, and does nothing.
func showAgenda(ctx context.Context, s *surroundings, o *agentOptions) error {
	asJSON, err := s.json("table")
	if err != nil {
		return err
	}
	p, a, end, err := s.openAgent(ctx, o, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	look, err := a.Outlook(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(agendaOf(look))
	}
	return writeAgenda(s.out, look)
}

func utcOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func agendaOf(look *agent.Outlook) agendaJSON {
	out := agendaJSON{Time: look.Time.UTC(), Due: []dueJSON{}, Services: []agendumJSON{}}
	out.Lease.Name, out.Lease.Holder = actions.AgentLease, look.Holder
	for i := range look.Due {
		t := &look.Due[i]
		d := dueJSON{Task: string(t.Kind), Service: t.Service, Due: utcOrNil(t.Due), Attempts: t.Tries, GivenUp: t.GivenUp()}
		if last := look.Last(t); last != nil {
			d.Reason = last.Reason
		}
		if t.Tries > 0 && !d.GivenUp {
			d.Again = utcOrNil(t.From)
		}
		out.Due = append(out.Due, d)
	}
	for i := range look.Status.Services {
		x := &look.Status.Services[i]
		y := agendumJSON{Service: x.Service, Usable: x.Policy.Usable(), Reason: x.Policy.Why(), Next: utcOrNil(x.Due)}
		if x.Newest != nil {
			y.Last = utcOrNil(x.Newest.Taken)
		}
		out.Services = append(out.Services, y)
	}
	return out
}

func writeAgenda(out io.Writer, look *agent.Outlook) error {
	doc := agendaOf(look)
	if doc.Lease.Holder == "" {
		fmt.Fprintln(out, "no agent works: nobody holds", doc.Lease.Name)
	} else {
		fmt.Fprintf(out, "%s is held by %s\n", doc.Lease.Name, plain.Line(doc.Lease.Holder))
	}
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintf(w, "\nDUE NOW\tSERVICE\tDUE\tATTEMPTS\tSTATE\n")
	for i := range doc.Due {
		d := &doc.Due[i]
		state := "to be done"
		switch {
		case d.GivenUp:
			state = "given up: " + d.Reason
		case d.Again != nil:
			state = "again at " + d.Again.Format(time.RFC3339) + ": " + d.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", d.Task, plain.Line(d.Service), timeOrDash(d.Due), d.Attempts, plain.Line(state))
	}
	if len(doc.Due) == 0 {
		fmt.Fprintln(w, "nothing")
	}
	fmt.Fprintf(w, "\nNEXT\tIN\tSERVICE\tLAST\n")
	for i := range doc.Services {
		x := &doc.Services[i]
		in := "–"
		if x.Next != nil {
			in = "now"
			if d := x.Next.Sub(doc.Time); d > 0 {
				in = chart.Age(d)
			}
		}
		if !x.Usable {
			in = "never: " + plain.Line(x.Reason)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", timeOrDash(x.Next), in, plain.Line(x.Service), timeOrDash(x.Last))
	}
	return w.Flush()
}

func timeOrDash(t *time.Time) string {
	if t == nil {
		return "–"
	}
	return t.Format(time.RFC3339)
}
