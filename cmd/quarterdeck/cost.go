package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/capacity"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

func newCostCommand(s *surroundings) *cobra.Command {
	since := "0"
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "What each service, stack and node costs",
		Long: `Of each task what is the greater of what it has reserved and what it uses, times what that costs on its node: half of the node's price (label ` + capacity.PriceLabel + `) is for its
cores, half for its memory. What no task takes is the node's idle part. With --since, what services cost over that time by Prometheus: by day, the newest day against the median of the
seven before it with what has grown, and what reservations that fit the use (p95 and a fifth above it) would save; prices and reservations are then today's. -o csv has a line a service.

EXIT STATUS
  0 done; 2 usage; 3 the swarm, or with --since Prometheus, is unreachable or refuses`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCost(cmd.Context(), s, since) },
	}
	cmd.Flags().StringVar(&since, "since", "", "over this `time`: 24h, 8d, at most 90d")
	return cmd
}

type costJSON struct {
	Time     time.Time         `json:"time"`
	Hour     *float64          `json:"hour"`
	Idle     *float64          `json:"idle"`
	Services []serviceCostJSON `json:"services"`
	Stacks   []stackCostJSON   `json:"stacks"`
	Nodes    []nodeCostJSON    `json:"nodes"`
	Over     *overJSON         `json:"over,omitempty"`
}

type serviceCostJSON struct {
	Service        string     `json:"service"`
	Stack          string     `json:"stack"`
	Tasks          int        `json:"tasks"`
	Hour           *float64   `json:"hour"`
	CPU            *float64   `json:"cpu_hour"`
	Memory         *float64   `json:"memory_hour"`
	ReservedCores  float64    `json:"reserved_cores"`
	UsedCores      *float64   `json:"used_cores"`
	ReservedMemory float64    `json:"reserved_memory"`
	UsedMemory     *float64   `json:"used_memory"`
	Reason         string     `json:"reason,omitempty"`
	Over           *trendJSON `json:"over,omitempty"`
}

type stackCostJSON struct {
	Stack  string   `json:"stack"`
	Hour   *float64 `json:"hour"`
	Reason string   `json:"reason,omitempty"`
}

type nodeCostJSON struct {
	Node     string   `json:"node"`
	Hour     *float64 `json:"hour"`
	Taken    *float64 `json:"taken"`
	Idle     *float64 `json:"idle"`
	Oversold bool     `json:"oversold"`
	Reason   string   `json:"reason,omitempty"`
}

type overJSON struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	All    trendJSON `json:"all"`
	Reason string    `json:"reason,omitempty"`
}

type trendJSON struct {
	Total     *float64  `json:"total"`
	Mean      *float64  `json:"hour"`
	Days      []dayJSON `json:"days"`
	Rise      *float64  `json:"rise"`
	Cause     string    `json:"cause,omitempty"`
	FitCores  *float64  `json:"fit_cores"`
	FitMemory *float64  `json:"fit_memory"`
	Saves     *float64  `json:"saves_hour"`
}

type dayJSON struct {
	Until time.Time `json:"until"`
	Hour  *float64  `json:"hour"`
	Tasks *float64  `json:"tasks"`
	Hours int       `json:"hours"`
}

func runCost(ctx context.Context, s *surroundings, since string) error {
	now := time.Now()
	from, err := moment(since, now)
	if err != nil {
		return err
	}
	p, asJSON, err := s.open("table", "csv")
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
	bill := capacity.Cost(snap)
	out := costOf(&bill, now)
	if !from.IsZero() {
		metrics, err := p.needMetrics()
		if err != nil {
			return err
		}
		history, err := capacity.Read(once, metrics, now.Sub(from), now)
		if err != nil {
			return err
		}
		out.over(capacity.TrendsOf(snap, history))
	}
	switch {
	case asJSON:
		return json.NewEncoder(s.out).Encode(out)
	case s.flags.Output == "csv":
		return writeCostCSV(s.out, &out)
	}
	return writeCost(s.out, &out)
}

func costOf(b *capacity.Bill, now time.Time) costJSON {
	out := costJSON{Time: now.UTC(), Hour: known(b.Hour), Idle: known(b.Idle), Services: []serviceCostJSON{}, Stacks: []stackCostJSON{}, Nodes: []nodeCostJSON{}}
	for _, c := range b.Services {
		out.Services = append(out.Services, serviceCostJSON{c.Service, c.Stack, c.Tasks, known(c.Hour), known(c.CPU), known(c.Memory),
			c.ReservedCores, known(c.UsedCores), c.ReservedBytes, known(c.UsedBytes), c.Reason, nil})
	}
	for _, c := range b.Stacks {
		out.Stacks = append(out.Stacks, stackCostJSON{c.Stack, known(c.Hour), c.Reason})
	}
	for _, c := range b.Nodes {
		out.Nodes = append(out.Nodes, nodeCostJSON{c.Node, known(c.Hour), known(c.Taken), known(c.Idle), c.Oversold, c.Reason})
	}
	return out
}

func (c *costJSON) over(t capacity.Trends) {
	c.Over = &overJSON{Since: t.Start.UTC(), Until: t.End.UTC(), All: trendOf(&t.All), Reason: t.Reason}
	for i := range t.Services {
		for k := range c.Services {
			if c.Services[k].Service == t.Services[i].Service {
				x := trendOf(&t.Services[i])
				c.Services[k].Over = &x
			}
		}
	}
}

func trendOf(t *capacity.Trend) trendJSON {
	out := trendJSON{Total: known(t.Total), Mean: known(t.Mean), Days: []dayJSON{}, Rise: known(t.Rise), Cause: t.Cause, FitCores: known(t.FitCores), FitMemory: known(t.FitBytes), Saves: known(t.Saves)}
	for _, d := range t.Days {
		out.Days = append(out.Days, dayJSON{d.End.UTC(), known(d.Hour), known(d.Tasks), d.Points})
	}
	return out
}

// money is a price in the currency of the nodes' labels.
func money(v *float64) string {
	if v == nil {
		return "–"
	}
	switch {
	case *v != 0 && math.Abs(*v) < 0.01:
		return strconv.FormatFloat(*v, 'f', 5, 64)
	case math.Abs(*v) < 10:
		return strconv.FormatFloat(*v, 'f', 3, 64)
	}
	return strconv.FormatFloat(*v, 'f', 1, 64)
}

func writeCost(out io.Writer, c *costJSON) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprint(w, "SERVICE\tTASKS\tAN HOUR\tCPU\tMEMORY\tRESERVED\tUSED")
	if c.Over != nil {
		fmt.Fprint(w, "\tSINCE "+c.Over.Since.Format("Jan 2 15:04")+"\tRISE\tFITS ITS USE\tSAVES AN HOUR")
	}
	fmt.Fprintln(w, "\tREMARK")
	for i := range c.Services {
		x := &c.Services[i]
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s", plain.Line(x.Service), x.Tasks, money(x.Hour), money(x.CPU), money(x.Memory), pair(&x.ReservedCores, &x.ReservedMemory), pair(x.UsedCores, x.UsedMemory))
		remark := x.Reason
		if c.Over != nil {
			t := x.Over
			if t == nil {
				t = &trendJSON{}
			}
			fmt.Fprintf(w, "\t%s\t%s\t%s\t%s", money(t.Total), rise(t.Rise), pair(t.FitCores, t.FitMemory), money(t.Saves))
			if remark == "" {
				remark = t.Cause
			}
		}
		fmt.Fprintf(w, "\t%s\n", dash(remark))
	}
	fmt.Fprintln(w, "\nSTACK\tAN HOUR")
	for _, x := range c.Stacks {
		fmt.Fprintf(w, "%s\t%s\t%s\n", dash(x.Stack), money(x.Hour), plain.Line(x.Reason))
	}
	fmt.Fprintln(w, "\nNODE\tAN HOUR\tTAKEN\tIDLE")
	for _, x := range c.Nodes {
		remark := x.Reason
		if x.Oversold {
			remark = "its tasks take more than it has"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", plain.Line(x.Node), money(x.Hour), money(x.Taken), money(x.Idle), plain.Line(remark))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nall nodes: %s an hour, of which %s are idle\n", money(c.Hour), money(c.Idle))
	if o := c.Over; o != nil {
		fmt.Fprintf(out, "since %s: %s, a day against the week before it %s %s; reservations that fit would save %s an hour\n",
			o.Since.Format(time.RFC3339), money(o.All.Total), rise(o.All.Rise), plain.Line(o.All.Cause), money(o.All.Saves))
		if o.Reason != "" {
			fmt.Fprintln(out, "not in it: "+plain.Line(o.Reason))
		}
	}
	return nil
}

// pair is cores and memory.
func pair(cores, bytes *float64) string {
	c, b := "–", "–"
	if cores != nil {
		c = chart.Humanize(*cores, "cores")
	}
	if bytes != nil {
		b = chart.Humanize(*bytes, "bytes")
	}
	return c + ", " + b
}

func rise(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%+.0f%%", *v*100)
}

// writeCostCSV writes a line a service; what is not known is empty.
func writeCostCSV(out io.Writer, c *costJSON) error {
	w := csv.NewWriter(out)
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	head := []string{"service", "stack", "tasks", "hour", "cpu_hour", "memory_hour", "reserved_cores", "used_cores", "reserved_memory", "used_memory", "total", "rise", "fit_cores", "fit_memory", "saves_hour", "reason"}
	if err := w.Write(head); err != nil {
		return err
	}
	for i := range c.Services {
		x := &c.Services[i]
		t := x.Over
		if t == nil {
			t = &trendJSON{}
		}
		err := w.Write([]string{cell(x.Service), cell(x.Stack), strconv.Itoa(x.Tasks), number(x.Hour), number(x.CPU), number(x.Memory), number(&x.ReservedCores), number(x.UsedCores),
			number(&x.ReservedMemory), number(x.UsedMemory), number(t.Total), number(t.Rise), number(t.FitCores), number(t.FitMemory), number(t.Saves), cell(x.Reason)})
		if err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// cell is text that no spreadsheet takes for a formula (https://owasp.org/www-community/attacks/CSV_Injection).
func cell(s string) string {
	s = plain.Line(s)
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@') {
		return "'" + s
	}
	return s
}
