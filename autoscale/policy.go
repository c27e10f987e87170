package autoscale

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// The labels of a policy (STAGES.md, "Labels that declare policy"). Those of more queries end in a name: qd.autoscale.query.p95, qd.autoscale.target.p95.
const (
	LabelEnable   = "qd.autoscale.enable"
	LabelMode     = "qd.autoscale.mode"
	LabelMin      = "qd.autoscale.min"
	LabelMax      = "qd.autoscale.max"
	LabelCPU      = "qd.autoscale.cpu"
	LabelMemory   = "qd.autoscale.memory"
	LabelQuery    = "qd.autoscale.query"
	LabelTarget   = "qd.autoscale.target"
	LabelSchedule = "qd.autoscale.schedule"
	LabelWarmUp   = "qd.autoscale.warm-up"

	prefix = "qd.autoscale."
)

// Bounds on what labels may say: labels are untrusted.
const (
	MostReplicas = 10_000 // as actions.MaxReplicas
	mostPercent  = 1000
	mostTarget   = 1e15
	mostQuery    = 2000 // bytes
	mostQueries  = 8
	mostName     = 32
	mostWarmUp   = time.Hour
	mostShown    = 60 // of a label's value in a sentence
)

// What holds where a policy says nothing. DefaultCPU is the HPA's (autoscaling/v2: "If not set, the default metric will be set to 80% average CPU utilization").
const (
	DefaultMin    = 1
	DefaultCPU    = 0.8
	DefaultWarmUp = time.Minute
)

// Mode is what is done with a decision.
type Mode string

// The modes of a policy.
const (
	Recommend Mode = "recommend"
	Enforce   Mode = "enforce"
)

// Kind is what a metric measures.
type Kind string

// The kinds of metrics. CPU and Memory are shares of what a task has reserved (or, without that, of its limit), averaged over the tasks that are measured.
const (
	CPU    Kind = "cpu"
	Memory Kind = "memory"
	Query  Kind = "query"
)

// Metric is one of those that a policy follows.
type Metric struct {
	Kind Kind
	// Name tells the queries of a policy apart; "" of CPU and memory, and of the query without a name.
	Name string
	// Query is PromQL.
	Query string
	// Target is a share of the reservation (0.6), or a query's value.
	Target float64
	// Each: the query's value is shared by the replicas before it is compared with the target, as requests and queues are; a latency is not.
	Each bool
}

// Title is what the metric is called: "CPU", "memory", "query", "query p95".
func (m *Metric) Title() string {
	switch {
	case m.Kind == CPU:
		return "CPU"
	case m.Name != "":
		return string(m.Kind) + " " + m.Name
	}
	return string(m.Kind)
}

// ID is the metric as its label names it: "cpu", "query.p95".
func (m *Metric) ID() string {
	if m.Name == "" {
		return string(m.Kind)
	}
	return string(m.Kind) + "." + m.Name
}

// Policy is what a service's labels ask for. It is a value.
type Policy struct {
	// Declared: there are labels of a policy at all. On: it is switched on.
	Declared, On bool
	// Mode is "" where the labels name none.
	Mode     Mode
	Min, Max int
	Metrics  []Metric
	Hours    []Hours
	// WarmUp is how long after a deploy nothing is decided by metrics.
	WarmUp time.Duration
	// Problems are what is wrong with the labels; with one that is Fatal nothing is scaled.
	Problems []Problem

	off bool // by a label that says so
}

// Problem is a label that is wrong or missing.
type Problem struct {
	Label string
	// Says is what is wrong, Set the label as it could be.
	Says, Set string
	Fatal     bool
}

// String is the problem and what to do, in a line.
func (p Problem) String() string {
	if p.Set == "" {
		return p.Label + " " + p.Says
	}
	return p.Label + " " + p.Says + ": set " + p.Label + "=" + p.Set
}

// Usable tells whether the policy can be followed.
func (p *Policy) Usable() bool {
	return p.On && !slices.ContainsFunc(p.Problems, func(x Problem) bool { return x.Fatal })
}

// SwitchedOff tells whether a label says that the service is not to be scaled.
func (p *Policy) SwitchedOff() bool { return p.off }

// Why is the first thing that makes it unusable; "": it is usable.
func (p *Policy) Why() string {
	switch {
	case !p.Declared:
		return "it has no policy: set " + LabelEnable + "=true and " + LabelMax + " on its deploy labels"
	case p.off:
		return "its policy is switched off (" + LabelEnable + ")"
	}
	for _, x := range p.Problems {
		if x.Fatal {
			return x.String()
		}
	}
	return ""
}

// Bounds are the smallest and the greatest number at a moment; by names the hours that raise the smallest, "" where none do.
func (p *Policy) Bounds(now time.Time) (lo, hi int, by string) {
	lo = p.Min
	for i := range p.Hours {
		if h := &p.Hours[i]; h.Min > lo && h.Covers(now) {
			lo, by = h.Min, h.Text
		}
	}
	return min(lo, p.Max), p.Max, by
}

// ParsePolicy reads the labels of a service. Problems are in the policy: what is wrong takes its default, where there is one, and is named.
func ParsePolicy(s *sources.Service) Policy {
	p := Policy{}
	for name := range s.Labels {
		if strings.HasPrefix(name, prefix) {
			p.Declared = true
		}
	}
	if p.Declared {
		r := reader{p: &p, labels: s.Labels}
		r.read()
		r.resources(s)
	}
	return p
}

// ParseText reads a policy from "min=2,max=10,cpu=60": labels without their prefix. It is switched on unless the text says otherwise.
func ParseText(text string) (Policy, error) {
	labels, last := map[string]string{LabelEnable: "true"}, ""
	for _, part := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		label := prefix + strings.TrimSpace(name)
		switch {
		case ok && known(label):
			labels[label], last = value, label
		case last == "":
			return Policy{}, fmt.Errorf("%q: write NAME=VALUE with commas between, as in min=2,max=10,cpu=60", cut(part))
		default: // a comma of PromQL, or of cron
			labels[last] += "," + part
		}
	}
	p := Policy{Declared: true}
	r := reader{p: &p, labels: labels}
	r.read()
	for _, x := range p.Problems { // typed by a person: nothing is passed over
		return p, errors.New(strings.ReplaceAll(x.String(), prefix, ""))
	}
	return p, nil
}

// reader reads labels into a policy.
type reader struct {
	p      *Policy
	labels map[string]string
}

func (r *reader) get(label string) string { return strings.TrimSpace(r.labels[label]) }

func (r *reader) wrong(fatal bool, label, says, set string) {
	r.p.Problems = append(r.p.Problems, Problem{Label: label, Says: says, Set: set, Fatal: fatal})
}

func (r *reader) read() {
	p := r.p
	switch v := r.get(LabelEnable); v {
	case "true", "1":
		p.On = true
	case "false", "0":
		p.off = true
	case "":
		r.wrong(true, LabelEnable, "is missing, so its other labels do nothing", "true")
	default:
		r.wrong(true, LabelEnable, fmt.Sprintf("is %q, which is neither true nor false", cut(v)), "true")
	}
	switch v := Mode(r.get(LabelMode)); v {
	case Recommend, Enforce:
		p.Mode = v
	case "": // as whoever reads it was told
	default:
		p.Mode = Recommend
		r.wrong(false, LabelMode, fmt.Sprintf("is %q, which is neither recommend nor enforce, so it is only recommended", cut(string(v))), string(Recommend))
	}
	r.bounds()
	r.metrics()
	r.times()
	for _, name := range slices.Sorted(maps.Keys(r.labels)) {
		if strings.HasPrefix(name, prefix) && !known(name) {
			r.wrong(false, cut(name), "is no label of a policy, and nothing reads it", "")
		}
	}
}

var fixed = []string{LabelEnable, LabelMode, LabelMin, LabelMax, LabelCPU, LabelMemory, LabelQuery, LabelTarget, LabelSchedule, LabelWarmUp}

func known(name string) bool {
	return slices.Contains(fixed, name) || strings.HasPrefix(name, LabelQuery+".") || strings.HasPrefix(name, LabelTarget+".")
}

func (r *reader) bounds() {
	p := r.p
	p.Min, p.Max = DefaultMin, DefaultMin
	number := func(label, set string, into *int) {
		n, err := strconv.Atoi(r.get(label))
		if err != nil || n < 1 || n > MostReplicas {
			r.wrong(true, label, fmt.Sprintf("is %q, which is no number of replicas from 1 to %d", cut(r.get(label)), MostReplicas), set)
			return
		}
		*into = n
	}
	if r.get(LabelMin) != "" {
		number(LabelMin, "2", &p.Min)
	}
	if r.get(LabelMax) == "" {
		r.wrong(true, LabelMax, "is missing: nothing grows without a bound", strconv.Itoa(3*p.Min+1))
		p.Max = p.Min
		return
	}
	p.Max = p.Min
	number(LabelMax, strconv.Itoa(3*p.Min+1), &p.Max)
	if p.Max < p.Min {
		r.wrong(true, LabelMax, fmt.Sprintf("is %d, which is less than the minimum of %d", p.Max, p.Min), strconv.Itoa(3*p.Min+1))
		p.Max = p.Min
	}
}

func (r *reader) metrics() {
	p := r.p
	for label, kind := range map[string]Kind{LabelCPU: CPU, LabelMemory: Memory} {
		text := r.get(label)
		if text == "" {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		if err != nil || !(v >= 1 && v <= mostPercent) { // NaN is none either
			r.wrong(true, label, fmt.Sprintf("is %q, which is no share of the reservation from 1 to %d percent", cut(text), mostPercent), "60")
			continue
		}
		p.Metrics = append(p.Metrics, Metric{Kind: kind, Target: v / 100})
	}
	slices.SortFunc(p.Metrics, func(a, b Metric) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	r.queries()
	if len(p.Metrics) == 0 && !slices.ContainsFunc(p.Problems, func(x Problem) bool { return x.Fatal }) {
		p.Metrics = []Metric{{Kind: CPU, Target: DefaultCPU}}
	}
}

func (r *reader) queries() {
	count := 0
	for _, label := range slices.Sorted(maps.Keys(r.labels)) {
		rest, isQuery := strings.CutPrefix(label, LabelQuery)
		if name, isTarget := strings.CutPrefix(label, LabelTarget); isTarget && (name == "" || name[0] == '.') && r.get(LabelQuery+name) == "" {
			r.wrong(true, cut(LabelQuery+name), "is missing, and there is a target for it", "sum(rate(http_requests_total[1m]))")
		}
		if !isQuery || rest != "" && rest[0] != '.' {
			continue
		}
		if count++; count > mostQueries {
			r.wrong(true, cut(label), fmt.Sprintf("is one too many: a policy has at most %d queries", mostQueries), "")
			return
		}
		r.query(label, strings.TrimPrefix(rest, "."), LabelTarget+rest)
	}
}

func (r *reader) query(label, name, target string) {
	text := r.get(label)
	switch {
	case !named(name) && label != LabelQuery:
		r.wrong(true, cut(label), fmt.Sprintf("has a name that is none: up to %d of a-z, 0-9, - and _", mostName), "")
		return
	case text == "":
		if r.get(target) == "" {
			r.wrong(true, label, "is empty", "sum(rate(http_requests_total[1m]))")
		}
		return
	case len(text) > mostQuery || strings.ContainsFunc(text, func(c rune) bool { return (c < ' ' || c == 0x7f) && c != '\n' && c != '\t' }):
		r.wrong(true, label, fmt.Sprintf("is no query: PromQL of up to %d bytes without control characters", mostQuery), "sum(rate(http_requests_total[1m]))")
		return
	}
	value := r.get(target)
	number, each := strings.CutSuffix(value, "/replica")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(v > 0 && v <= mostTarget) {
		says := fmt.Sprintf("is %q, which is no number above 0", cut(value))
		if value == "" {
			says = "is missing"
		}
		r.wrong(true, target, says, "100/replica")
		return
	}
	r.p.Metrics = append(r.p.Metrics, Metric{Kind: Query, Name: name, Query: text, Target: v, Each: each})
}

// named tells whether a query's name is one.
func named(name string) bool {
	return name != "" && len(name) <= mostName && !strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	})
}

func (r *reader) times() {
	p := r.p
	p.WarmUp = DefaultWarmUp
	if text := r.get(LabelWarmUp); text != "" {
		d, err := recovery.ParseSpan(text)
		if err != nil || d < 0 || d > mostWarmUp {
			r.wrong(false, LabelWarmUp, fmt.Sprintf("is %q, which is no span of time up to %s", cut(text), recovery.SpanText(mostWarmUp)), recovery.SpanText(DefaultWarmUp))
		} else {
			p.WarmUp = d
		}
	}
	if text := r.get(LabelSchedule); text != "" {
		hours, err := parseHours(text, p.Max)
		if err != nil {
			r.wrong(true, LabelSchedule, err.Error(), `"0 8 * * 1-5 for 10h min 4"`)
		}
		p.Hours = hours
	}
}

// resources holds the policy against what the service reserves.
func (r *reader) resources(s *sources.Service) {
	if !r.p.On {
		return
	}
	for i := range r.p.Metrics {
		m := &r.p.Metrics[i]
		if reserve := Reserved(s, m.Kind); m.Kind != Query && reserve == 0 {
			label := map[Kind]string{CPU: LabelCPU, Memory: LabelMemory}[m.Kind]
			set := map[Kind]string{CPU: `cpus: "0.5"`, Memory: "memory: 256M"}[m.Kind]
			r.wrong(true, label, "has no measure, because the service reserves no "+m.Title()+": set deploy.resources.reservations."+set, "")
		}
	}
}

// Reserved is what a task of a service has of a resource (cores, bytes): its reservation, or its limit where it has none, as Kubernetes takes a limit for a
// request. 0: neither.
func Reserved(s *sources.Service, kind Kind) float64 {
	r := &s.Resources
	pick := func(reserve, limit int64) float64 {
		if reserve > 0 {
			return float64(reserve)
		}
		return math.Max(float64(limit), 0)
	}
	if kind == CPU {
		return pick(r.ReserveNanoCPUs, r.LimitNanoCPUs) / 1e9
	}
	return pick(r.ReserveBytes, r.LimitBytes)
}

// cut is a label's value as a sentence quotes it.
func cut(s string) string {
	if len(s) <= mostShown {
		return s
	}
	return strings.ToValidUTF8(s[:mostShown], "") + "…"
}
