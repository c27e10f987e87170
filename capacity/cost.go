package capacity

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// PriceLabel is the node label with what an hour of the node costs, in a currency of the team's (STAGES.md).
const PriceLabel = "qd.price.hour"

// mostPrice bounds what an hour of a node may cost: more is a slip.
const mostPrice = 10_000

// Price is what an hour of a node costs; why says why that is not known.
func Price(n *fleet.Node) (hour float64, why string) {
	v, ok := n.Labels[PriceLabel]
	if !ok {
		return math.NaN(), "it has no label " + PriceLabel
	}
	p, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(p) || p < 0 || p > mostPrice {
		return math.NaN(), fmt.Sprintf("its label %s=%.20q is no price from 0 to %d", PriceLabel, v, mostPrice)
	}
	return p, ""
}

// ServiceCost is what a service costs an hour. Figures that could not be had are NaN and Reason says why.
type ServiceCost struct {
	Service, Stack string
	Tasks          int
	// Hour is the sum of CPU and Memory, in the currency of the prices.
	Hour, CPU, Memory float64
	// Reserved and used by all its tasks; what is the greater is paid for.
	ReservedCores, UsedCores, ReservedBytes, UsedBytes float64
	Reason                                             string
}

// NodeCost is what a node costs an hour, and how much of that no task asks for.
type NodeCost struct {
	Node              string
	Hour, Taken, Idle float64
	// Oversold: its tasks together take more than it has, so that what they cost is more than its price.
	Oversold bool
	Reason   string
}

// StackCost is the sum of a stack's services; "" holds those of none.
type StackCost struct {
	Stack  string
	Hour   float64
	Reason string
}

// Bill is what a swarm costs an hour, as it stands.
type Bill struct {
	Services []ServiceCost // the dearest first
	Nodes    []NodeCost
	Stacks   []StackCost
	// Hour is the sum of the nodes' prices, Idle what nobody has taken of it; NaN where a node has no price.
	Hour, Idle float64
}

// rate is what a unit of a node's resources costs an hour.
type rate struct{ core, byte float64 }

// rates are those of each node: half of its price is for its cores, half for its memory (OPERATIONS.md, Cost).
func rates(s *fleet.Snapshot) map[string]rate {
	out := make(map[string]rate, len(s.Nodes))
	for i := range s.Nodes {
		n := &s.Nodes[i]
		r := rate{math.NaN(), math.NaN()}
		if p, why := Price(n); why == "" && n.NanoCPUs > 0 && n.MemoryBytes > 0 {
			r = rate{p / 2 / (float64(n.NanoCPUs) / 1e9), p / 2 / float64(n.MemoryBytes)}
		}
		out[n.ID] = r
	}
	return out
}

// Cost is the bill of now: of each task what is the greater of what it has reserved and what it uses, times what that costs on its node. What a service uses is known
// as a whole and reckoned to its tasks in equal parts.
func Cost(s *fleet.Snapshot) Bill {
	return bill(s, func(v *fleet.Service) (cores, bytes float64) { return v.CPUNow, v.MemoryNow })
}

// spentLately is how far back a figure of what is used may lie and counts as that of now.
const spentLately = 5 * time.Minute

// Spent is the bill of now of a picture without what is used: Prometheus is asked for that, two questions.
func Spent(ctx context.Context, s *fleet.Snapshot, m sources.Metrics, now time.Time) (Bill, error) {
	used := map[string]map[string][]sources.Point{}
	for _, figure := range []string{"cpu", "memory"} {
		got, err := m.UsageAll(ctx, figure, sources.Window{Start: now.Add(-spentLately), End: now, Step: time.Minute})
		if err != nil {
			return Bill{}, err
		}
		used[figure] = got
	}
	newest := func(points []sources.Point) float64 {
		if len(points) == 0 {
			return math.NaN()
		}
		return points[len(points)-1].V
	}
	return bill(s, func(v *fleet.Service) (cores, bytes float64) {
		return newest(used["cpu"][v.Name]), newest(used["memory"][v.Name])
	}), nil
}

// bill reckons with what used tells of a service.
func bill(s *fleet.Snapshot, used func(*fleet.Service) (cores, bytes float64)) Bill {
	b := Bill{}
	by := rates(s)
	taken := map[string]float64{}
	oversold := map[string][2]float64{}
	for _, v := range s.Services {
		c := ServiceCost{Service: v.Name, Stack: v.Stack}
		c.UsedCores, c.UsedBytes = used(v)
		var on []string
		for i := range v.Tasks {
			if t := &v.Tasks[i]; t.NodeID != "" && alive(t) {
				on = append(on, t.NodeID)
			}
		}
		c.Tasks = len(on)
		c.ReservedCores, c.ReservedBytes = float64(c.Tasks)*float64(v.Resources.ReserveNanoCPUs)/1e9, float64(c.Tasks)*float64(v.Resources.ReserveBytes)
		if c.Tasks > 0 {
			cores, bytes := most(c.ReservedCores, c.UsedCores)/float64(c.Tasks), most(c.ReservedBytes, c.UsedBytes)/float64(c.Tasks)
			for _, id := range on {
				r := by[id]
				c.CPU += cores * r.core
				c.Memory += bytes * r.byte
				taken[id] += cores*r.core + bytes*r.byte
				o := oversold[id]
				oversold[id] = [2]float64{o[0] + cores, o[1] + bytes}
			}
			c.Reason = c.why(s, on)
		}
		c.Hour = c.CPU + c.Memory
		b.Services = append(b.Services, c)
	}
	slices.SortStableFunc(b.Services, func(x, y ServiceCost) int { return dearest(x.Hour, y.Hour) })
	b.nodes(s, taken, oversold)
	b.stacks()
	return b
}

// most is the greater of what is reserved and what is used; what is not known is not reckoned with, and NaN where nothing is known.
func most(reserved, used float64) float64 {
	if math.IsNaN(used) {
		if reserved == 0 {
			return math.NaN()
		}
		return reserved
	}
	return max(reserved, used)
}

// why says which part of a cost is not known, or is the reservation for want of the use.
func (c *ServiceCost) why(s *fleet.Snapshot, on []string) string {
	for _, id := range on {
		n := s.Node(id)
		if n == nil {
			return "its node is not known"
		}
		if _, why := Price(n); why != "" {
			return n.Name + ": " + why
		}
	}
	switch {
	case math.IsNaN(c.UsedCores) && c.ReservedCores == 0, math.IsNaN(c.UsedBytes) && c.ReservedBytes == 0:
		return "what it uses is not known, and it reserves nothing"
	case math.IsNaN(c.UsedCores) || math.IsNaN(c.UsedBytes):
		return "by what it reserves: what it uses is not known"
	}
	return ""
}

func (b *Bill) nodes(s *fleet.Snapshot, taken map[string]float64, sold map[string][2]float64) {
	for i := range s.Nodes {
		n := &s.Nodes[i]
		c := NodeCost{Node: n.Name, Taken: taken[n.ID]}
		c.Hour, c.Reason = Price(n)
		c.Idle = max(c.Hour-c.Taken, 0)
		if math.IsNaN(c.Taken) {
			c.Idle = math.NaN()
			if c.Reason == "" {
				c.Reason = "what a service on it uses is not known"
			}
		}
		c.Oversold = sold[n.ID][0] > float64(n.NanoCPUs)/1e9 || sold[n.ID][1] > float64(n.MemoryBytes)
		b.Hour += c.Hour
		b.Idle += c.Idle
		b.Nodes = append(b.Nodes, c)
	}
}

func (b *Bill) stacks() {
	at := map[string]int{}
	for _, c := range b.Services {
		i, ok := at[c.Stack]
		if !ok {
			i = len(b.Stacks)
			at[c.Stack] = i
			b.Stacks = append(b.Stacks, StackCost{Stack: c.Stack})
		}
		b.Stacks[i].Hour += c.Hour
		if math.IsNaN(c.Hour) && b.Stacks[i].Reason == "" {
			b.Stacks[i].Reason = c.Service + ": " + c.Reason
		}
	}
	slices.SortStableFunc(b.Stacks, func(x, y StackCost) int { return dearest(x.Hour, y.Hour) })
}

// dearest orders the greater first, and what is not known last.
func dearest(x, y float64) int {
	if math.IsNaN(x) || math.IsNaN(y) {
		return cmp.Compare(boolInt(math.IsNaN(x)), boolInt(math.IsNaN(y)))
	}
	return cmp.Compare(y, x)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
