package diagnosis

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Machine is what others than the swarm tell of a node that the swarm calls down: an engine that hangs or has ended leaves its machine and its
// containers as they are.
type Machine struct {
	// Since is from when on an answer counts: when the node went down.
	Since time.Time
	// Answering and Silent are what Prometheus scrapes of it, but for its engine: "job at instance", as of scrapes since then. Waiting are those
	// that were not scraped since.
	Answering, Silent, Waiting []string
	Query                      string
	// Unasked is why Prometheus could not be asked; "" where it was.
	Unasked string
	// Engine is what its engine's own metrics say, and EngineSays the scraper's words for why not.
	Engine     engineState
	EngineSays string
	// Boxes are the containers that cAdvisor has seen there since then, by service; BoxesQuery shows them.
	Boxes      map[string][]box
	BoxesQuery string
	// Line is the newest line since then of a task that was there; its Stream is nil where there is none.
	Line sources.Entry
}

// engineState is what an engine's own metrics tell of it.
type engineState int

const (
	engineUnknown engineState = iota // it is not scraped, or not since
	engineSilent
	engineAnswers
)

// box is a task's container, by what its name says.
type box struct {
	slot int // 0: of a global service
	task string
}

// machineOf selects what is about a node: by its label, else by the host of its instance.
func machineOf(n *fleet.Node) []string {
	hosts := regexp.QuoteMeta(n.Name)
	if n.Addr != "" {
		hosts += "|" + regexp.QuoteMeta(n.Addr)
	}
	return []string{"node=" + strconv.Quote(n.Name), "instance=~" + strconv.Quote("("+hosts+")(:[0-9]+)?")}
}

// either asks a question of each selector, with %s where that stands.
func either(selectors []string, format string) string {
	parts := make([]string, len(selectors))
	for i, s := range selectors {
		parts[i] = strings.ReplaceAll(format, "%s", s)
	}
	return strings.Join(parts, " or ")
}

// machines asks about the nodes that are down, one after another's name; nil: all are up.
func (x *inquiry) machines(ctx context.Context) map[string]*Machine {
	var out map[string]*Machine
	var wg sync.WaitGroup
	for i := range x.snap.Nodes {
		n := &x.snap.Nodes[i]
		if n.Up() || !x.concerns(n) {
			continue
		}
		m := &Machine{Since: x.downSince(n)}
		if m.Since.IsZero() {
			m.Since = n.Updated
		}
		if out == nil {
			out = map[string]*Machine{}
		}
		out[n.Name] = m
		if x.d.Metrics != nil {
			wg.Go(func() { x.askTargets(ctx, n, m) })
			wg.Go(func() { x.askBoxes(ctx, n, m) })
		}
		if x.d.Logs != nil {
			wg.Go(func() { x.askLine(ctx, n, m) })
		}
	}
	wg.Wait()
	return out
}

// downSince is when a node went down, as the fleet's history has it; zero: it was so before this process looked.
func (x *inquiry) downSince(n *fleet.Node) time.Time {
	for i := len(x.snap.History) - 1; i >= 0; i-- {
		if h := &x.snap.History[i]; h.Kind == fleet.NodeChanged && h.Node == n.Name && h.Bad {
			return h.Time
		}
	}
	return time.Time{}
}

// askTargets asks what Prometheus scrapes of a machine, and which of that answers. A scrape of before the node went down proves nothing, so each
// sample comes with its own time.
func (x *inquiry) askTargets(ctx context.Context, n *fleet.Node, m *Machine) {
	at := machineOf(n)
	m.Query = either(at, "up{%s}")
	up, err := x.d.Metrics.Instant(ctx, m.Query, x.q.At)
	when, errWhen := x.d.Metrics.Instant(ctx, either(at, "timestamp(up{%s})"), x.q.At)
	engines, errEngines := x.d.Metrics.Instant(ctx, either(at, "last_over_time(engine_daemon_engine_info{%s}[1h])"), x.q.At)
	for _, err := range []error{err, errWhen, errEngines} {
		if err != nil {
			x.failed(fleet.PrometheusName, "the exporters of "+n.Name, err)
			m.Unasked = err.Error()
			return
		}
	}
	scraped, engine := map[string]float64{}, map[string]bool{}
	for _, s := range when.Series {
		scraped[targetName(s.Labels)] = valueOf(s)
	}
	for _, s := range engines.Series {
		engine[targetName(s.Labels)] = true
	}
	for _, s := range up.Series {
		name, answers := targetName(s.Labels), valueOf(s) == 1
		fresh := scraped[name] > float64(m.Since.UnixMilli())/1e3
		switch {
		case engine[name] && fresh && answers:
			m.Engine = engineAnswers
		case engine[name] && fresh:
			m.Engine = engineSilent
			m.EngineSays = x.scrapeError(ctx, s.Labels)
		case engine[name]:
		case !fresh:
			m.Waiting = append(m.Waiting, name)
		case answers:
			m.Answering = append(m.Answering, name)
		default:
			m.Silent = append(m.Silent, name)
		}
	}
	for _, list := range [][]string{m.Answering, m.Silent, m.Waiting} {
		slices.Sort(list)
	}
}

func targetName(labels map[string]string) string {
	return labels["job"] + " at " + labels["instance"]
}

// scrapeError is why a target does not answer, in the scraper's words; "": it does not say, or a moment of the past was asked about.
func (x *inquiry) scrapeError(ctx context.Context, labels map[string]string) string {
	if x.began.Sub(x.q.At) > time.Minute {
		return ""
	}
	list, err := x.d.Metrics.Targets(ctx)
	if err != nil {
		return "" // Thanos and its like have none
	}
	for i := range list {
		if t := &list[i]; t.Job == labels["job"] && t.Instance == labels["instance"] {
			return t.LastError
		}
	}
	return ""
}

// askBoxes asks which containers cAdvisor has seen on a machine since its node went down.
func (x *inquiry) askBoxes(ctx context.Context, n *fleet.Node, m *Machine) {
	m.BoxesQuery = either(machineOf(n), `container_last_seen{%s, name=~".+[.].+"}`)
	a, err := x.d.Metrics.Instant(ctx, m.BoxesQuery, x.q.At)
	if err != nil {
		x.failed(fleet.PrometheusName, "the containers of "+n.Name, err)
		return
	}
	m.Boxes = map[string][]box{}
	for _, s := range a.Series {
		if v := valueOf(s); math.IsNaN(v) || v <= float64(m.Since.Unix()) {
			continue
		}
		if service, b, ok := boxOf(s.Labels["name"]); ok && x.snap.Service(service) != nil {
			m.Boxes[service] = append(m.Boxes[service], b)
		}
	}
}

// boxOf reads the name that the engine gives a task's container: service.slot.task, or service.node.task of a global one.
func boxOf(name string) (service string, b box, ok bool) {
	rest, task, ok := cutLast(strings.TrimPrefix(name, "/"))
	if !ok {
		return "", box{}, false
	}
	service, place, ok := cutLast(rest)
	slot, err := strconv.Atoi(place)
	if err != nil {
		slot = 0
	}
	return service, box{slot: slot, task: task}, ok
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '.')
	if i <= 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// tasksAsked bounds the tasks of a lost node whose lines are asked for.
const tasksAsked = 20

// askLine asks for the newest line of the tasks that were on a node, of after it went down.
func (x *inquiry) askLine(ctx context.Context, n *fleet.Node, m *Machine) {
	q := sources.LogQuery{Since: m.Since.Add(clockSlack), Until: x.q.At, Limit: 1}
	for _, v := range x.snap.Services {
		for i := range v.Tasks {
			if t := &v.Tasks[i]; t.NodeID == n.ID && !t.Created.After(m.Since) && len(q.Tasks) < tasksAsked {
				q.Tasks = append(q.Tasks, t.ID)
			}
		}
	}
	if len(q.Tasks) == 0 || m.Since.IsZero() || !q.Since.Before(q.Until) {
		return
	}
	page, err := x.d.Logs.Query(ctx, q)
	if err != nil {
		x.failed(x.d.Logs.Name(), "the lines of tasks on "+n.Name, err)
		return
	}
	for _, e := range page.Entries {
		if e.Stream != nil {
			m.Line = e
		}
	}
}

// alive tells whether the machine, or something on it, is known to go on.
func (m *Machine) alive() bool {
	return m != nil && (len(m.Answering) > 0 || len(m.Boxes) > 0 || m.Line.Stream != nil || m.Engine == engineAnswers)
}

// twice are the services of whose slots one is seen on the lost node and runs elsewhere as well, by name.
func (x *inquiry) twice(n *fleet.Node, m *Machine) []string {
	var out []string
	for name, boxes := range m.Boxes {
		v := x.snap.Service(name)
		if v != nil && slices.ContainsFunc(boxes, func(b box) bool { return b.slot > 0 && x.runsElsewhere(v, b, n) }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (x *inquiry) runsElsewhere(v *fleet.Service, b box, n *fleet.Node) bool {
	return slices.ContainsFunc(v.Tasks, func(t sources.Task) bool {
		if t.Slot != b.slot || t.ID == b.task || t.State != sources.TaskRunning || t.NodeID == n.ID {
			return false
		}
		on := x.snap.Node(t.NodeID)
		return on != nil && on.Up()
	})
}

// writers are those of some services that have a volume or a folder to write to, with what that is.
func (x *inquiry) writers(names []string) []string {
	var out []string
	for _, name := range names {
		for _, mount := range x.snap.Service(name).Mounts {
			if !mount.ReadOnly && mount.Type != "tmpfs" && mount.Source != "" && mount.Source != "/var/run/docker.sock" {
				out = append(out, fmt.Sprintf("%s (%s %s)", name, mount.Type, mount.Source))
				break
			}
		}
	}
	return out
}
