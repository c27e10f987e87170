package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/capacity"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

func newCapacityCommand(s *surroundings) *cobra.Command {
	lose, more := "", ""
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "What the nodes hold, and what fits where",
		Long: `Shows of each node what it has, what its tasks have reserved, may use at most and use, and whether all that runs on it would find a place elsewhere, by the scheduler's own
rules: availability, constraints, preferences, platforms, reservations, the most for a node, host ports. --lose NODE tells what would become of each service without it, which is also
what draining it would do. --more SERVICE tells how many more of a service the nodes hold. Nothing is changed.

EXIT STATUS
  0 all would find a place without any one node; 1 not all; 2 usage; 3 the swarm is unreachable or refuses`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCapacity(cmd.Context(), s, lose, more) },
	}
	cmd.Flags().StringVar(&lose, "lose", "", "tell what becomes of what runs on this `node`")
	cmd.Flags().StringVar(&more, "more", "", "tell how many more tasks of this `service` find a place")
	return cmd
}

type capacityJSON struct {
	Time  time.Time      `json:"time"`
	Nodes []nodeRoomJSON `json:"nodes"`
	Lose  *lossJSON      `json:"lose,omitempty"`
	More  *moreJSON      `json:"more,omitempty"`
}

type nodeRoomJSON struct {
	Name   string    `json:"name"`
	Places bool      `json:"places"`
	Tasks  int       `json:"tasks"`
	CPU    shareJSON `json:"cpu"`
	Memory shareJSON `json:"memory"`
	Loss   lossJSON  `json:"loss"`
}

type shareJSON struct {
	Total     float64  `json:"total"`
	Reserved  float64  `json:"reserved"`
	Limits    float64  `json:"limits"`
	Unlimited int      `json:"unlimited"`
	Used      *float64 `json:"used"`
}

type lossJSON struct {
	Node   string     `json:"node"`
	Tasks  int        `json:"tasks"`
	Placed int        `json:"placed"`
	Global int        `json:"global"`
	Fits   bool       `json:"fits"`
	Quorum string     `json:"quorum,omitempty"`
	Moves  []moveJSON `json:"moves"`
}

type moveJSON struct {
	Service string         `json:"service"`
	Tasks   int            `json:"tasks"`
	Placed  int            `json:"placed"`
	On      map[string]int `json:"on"`
	Volumes []string       `json:"volumes"`
	Reason  string         `json:"reason,omitempty"`
}

type moreJSON struct {
	Service string `json:"service"`
	More    int    `json:"more"`
	AtLeast bool   `json:"at_least"`
	Reason  string `json:"reason,omitempty"`
}

func runCapacity(ctx context.Context, s *surroundings, lose, more string) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	once, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	if err := p.fleet.Once(once, p.feeds()); err != nil {
		return err
	}
	snap := p.fleet.Snapshot()
	out := capacityJSON{Time: time.Now().UTC(), Nodes: []nodeRoomJSON{}}
	fits := true
	for _, n := range capacity.Nodes(snap) {
		l := capacity.Lose(snap, n.ID)
		fits = fits && l.Fits()
		out.Nodes = append(out.Nodes, nodeRoomJSON{n.Name, n.Places, n.Tasks, shareOf(n.CPU), shareOf(n.Memory), lossOf(&l)})
	}
	if lose != "" {
		n, err := nodeNamed(snap, lose)
		if err != nil {
			return err
		}
		l := capacity.Lose(snap, n.ID)
		x := lossOf(&l)
		out.Lose, fits = &x, l.Fits()
	}
	if more != "" {
		v := snap.Service(more)
		if v == nil {
			return &sources.Error{Source: fleet.SwarmName, Kind: sources.BadQuestion, Op: "find service " + plain.Line(more), Next: "see `quarterdeck status` for the names there are", Err: errors.New("there is no such service")}
		}
		n, why := capacity.More(snap, v)
		out.More = &moreJSON{v.Name, n, n == capacity.MostMore, why}
	}
	if asJSON {
		err = json.NewEncoder(s.out).Encode(out)
	} else {
		err = writeCapacity(s.out, &out)
	}
	if err == nil && !fits {
		err = &exitStatus{code: exitDegraded}
	}
	return err
}

func shareOf(x capacity.Share) shareJSON {
	return shareJSON{x.Total, x.Reserved, x.Limits, x.Unlimited, known(x.Used)}
}

func lossOf(l *capacity.Loss) lossJSON {
	out := lossJSON{Node: l.Node, Tasks: l.Tasks, Placed: l.Placed, Global: l.Global, Fits: l.Fits(), Quorum: l.Quorum, Moves: []moveJSON{}}
	for _, m := range l.Moves {
		if m.On == nil {
			m.On = map[string]int{}
		}
		out.Moves = append(out.Moves, moveJSON{m.Service, m.Tasks, m.Placed, m.On, orEmpty(m.Volumes), m.Why})
	}
	return out
}

// nodeNamed finds a node by its name or id.
func nodeNamed(s *fleet.Snapshot, name string) (*fleet.Node, error) {
	var names []string
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Name == name || n.ID == name {
			return n, nil
		}
		names = append(names, plain.Line(s.Nodes[i].Name))
	}
	return nil, &exitStatus{exitUsage, fmt.Errorf("no node is called %q: there are %s", plain.Line(name), strings.Join(names, ", "))}
}

func writeCapacity(out io.Writer, c *capacityJSON) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	switch {
	case c.Lose != nil:
		writeLoss(w, c.Lose)
	case c.More == nil:
		fmt.Fprintln(w, "NODE\tTASKS\tCORES\tRESERVED\tLIMITS\tUSED\tMEMORY\tRESERVED\tLIMITS\tUSED\tIF IT IS LOST")
		for i := range c.Nodes {
			n := &c.Nodes[i]
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", plain.Line(n.Name), n.Tasks, shareCells(n.CPU, "cores")+"\t"+shareCells(n.Memory, "bytes"), lossWords(&n.Loss))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if m := c.More; m != nil {
		words := fmt.Sprintf("%s: %d more find a place", plain.Line(m.Service), m.More)
		if m.AtLeast {
			words = fmt.Sprintf("%s: %d more find a place, and maybe more", plain.Line(m.Service), m.More)
		}
		if m.Reason != "" {
			words += "; " + plain.Line(m.Reason)
		}
		_, err := fmt.Fprintln(out, words)
		return err
	}
	return nil
}

func shareCells(x shareJSON, unit string) string {
	limits := chart.Humanize(x.Limits, unit)
	if x.Unlimited > 0 {
		limits = fmt.Sprintf("none for %d", x.Unlimited)
	}
	used := "–"
	if x.Used != nil {
		used = chart.Humanize(*x.Used, unit)
	}
	return strings.Join([]string{chart.Humanize(x.Total, unit), chart.Humanize(x.Reserved, unit), limits, used}, "\t")
}

// lossWords say in a line what becomes of a swarm without a node.
func lossWords(l *lossJSON) string {
	var parts []string
	switch {
	case l.Tasks == 0:
		parts = append(parts, "nothing has to move")
	case l.Placed == l.Tasks:
		parts = append(parts, fmt.Sprintf("all %d find a place", l.Tasks))
	default:
		parts = append(parts, fmt.Sprintf("%d of %d find none", l.Tasks-l.Placed, l.Tasks))
	}
	if l.Quorum != "" {
		parts = append(parts, l.Quorum)
	}
	return strings.Join(parts, "; ")
}

func writeLoss(w io.Writer, l *lossJSON) {
	fmt.Fprintf(w, "without %s: %s", plain.Line(l.Node), lossWords(l))
	if l.Global > 0 {
		fmt.Fprintf(w, "; tasks of global services that end with it: %d", l.Global)
	}
	fmt.Fprintln(w, "\nSERVICE\tTASKS\tGO TO\tSTAY BEHIND\tWHY NOT ALL")
	for _, m := range l.Moves {
		var to []string
		for _, n := range slices.Sorted(maps.Keys(m.On)) {
			to = append(to, fmt.Sprintf("%s %d", plain.Line(n), m.On[n]))
		}
		behind := "–"
		if len(m.Volumes) > 0 {
			behind = "volume " + plain.Line(strings.Join(m.Volumes, ", "))
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", plain.Line(m.Service), m.Tasks, dash(strings.Join(to, ", ")), behind, dash(m.Reason))
	}
}
