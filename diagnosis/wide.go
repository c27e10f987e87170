package diagnosis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Wide is what the sources tell of all services and nodes at once. A nil map or list was not, or could not be, looked at.
type Wide struct {
	// ErrorsNow and ErrorsBefore are lines of level error and above a second, by service: of the last minute, and of the half hour
	// before the last five.
	ErrorsNow, ErrorsBefore map[string]float64
	// LinesNow and LinesBefore are lines of any level a second, by service: of the last minute, and of the half hour before the last half hour.
	LinesNow, LinesBefore map[string]float64
	// Throttled is which part of a service's scheduler periods of the last minute was throttled, by service, 0 to 1.
	Throttled map[string]float64
	// News are the new patterns of warnings and errors of the last minutes, by service.
	News map[string][]sources.Pattern
	// Disks are file systems, the fullest first; Certs are certificates, the first to end first.
	Disks []Disk
	Certs []Cert
	// OOMKills are kills by the kernel within Recent, by node; HealthFails health checks of engines that failed, by node.
	OOMKills, HealthFails map[string]float64
	// NearMemory are the services whose memory comes near its limit: the part of it, 0 to 1.
	NearMemory map[string]float64
	// Stores are databases and caches of which exporters tell something out of the ordinary.
	Stores []Store
	// RuleQueries are the queries of alerting rules by name, of which alerts do not tell by a link of theirs.
	RuleQueries map[string]string
	// Machines are what others tell of the nodes that are down, by name.
	Machines map[string]*Machine

	logs    string // the name of the source of lines
	explain func(sources.LogQuery) string
}

// errorsProof is the source of the rates of error lines, and the query that shows a service's.
func (w *Wide) errorsProof(service string) (source, query string) {
	if w.logs == "" || w.explain == nil {
		return orWord(w.logs, fleet.LokiName), ""
	}
	q := w.explain(sources.LogQuery{Services: []string{service}, Levels: []sources.Level{sources.LevelError, sources.LevelFatal}})
	if q == "" {
		return w.logs, ""
	}
	return w.logs, fmt.Sprintf("sum(rate(%s [%ds]))", q, int(errorsWindow.Seconds()))
}

// Disk is a node's file system.
type Disk struct {
	Node, Mount string
	Free        float64 // of its size, 0 to 1
	Query       string
	// Size is in bytes, Growth in bytes a second within a quarter of an hour; 0: not known.
	Size, Growth float64

	sel string // selects its series
}

// words are a file system's figures: how much of it is used, and how fast that grows.
func (d *Disk) words() string {
	text := fmt.Sprintf("%s on %s has %.1f%% free", d.Mount, d.Node, 100*d.Free)
	if d.Size > 0 {
		text += fmt.Sprintf(": %s of %s used", bytesWords(int64(d.Size*(1-d.Free))), bytesWords(int64(d.Size)))
	}
	switch {
	case d.Growth*60 >= 1<<20:
		text += ", and " + bytesWords(int64(60*d.Growth)) + " more a minute"
		if left := d.Size * d.Free; d.Size > 0 && left > 1<<20 {
			text += ": full in about " + about(time.Duration(left/d.Growth)*time.Second)
		}
	case d.Growth*3600 >= 1<<20:
		text += ", and " + bytesWords(int64(3600*d.Growth)) + " more an hour"
	}
	return text
}

// disksAsked bounds how many file systems' sizes are asked for: the fullest.
const disksAsked = 4

// askDisks asks for the size and the growth of the fullest of the disks.
func (x *inquiry) askDisks(ctx context.Context, disks []Disk) {
	slices.SortFunc(disks, func(a, b Disk) int {
		return cmp.Or(cmp.Compare(a.Free, b.Free), strings.Compare(a.Node, b.Node), strings.Compare(a.Mount, b.Mount))
	})
	var wg sync.WaitGroup
	for i := range disks[:min(len(disks), disksAsked)] {
		d := &disks[i]
		if d.Free >= diskLeast {
			break
		}
		for query, into := range map[string]*float64{"max(node_filesystem_size_bytes" + d.sel + ")": &d.Size, "max(-deriv(node_filesystem_avail_bytes" + d.sel + "[15m]))": &d.Growth} {
			wg.Go(func() {
				if a, err := x.d.Metrics.Instant(ctx, query, x.q.At); err == nil && len(a.Series) > 0 && !math.IsNaN(valueOf(a.Series[0])) {
					*into = valueOf(a.Series[0])
				}
			})
		}
	}
	wg.Wait()
}

// Cert is a certificate that a proxy serves. Service is whose metrics tell of it, "" where the scrape does not say.
type Cert struct {
	Name    string
	Service string
	Left    time.Duration
	Query   string
}

// The questions about all at once. Traefik's and the exporters' names: SIGNALS.md.
const (
	disksQuery       = `min by (node, instance, mountpoint, device) (node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|overlay|squashfs|nsfs|fuse.*"} / node_filesystem_size_bytes) < 0.15`
	certsQuery       = `min by (cn, sans, serial, swarm_service) (traefik_tls_certs_not_after) - time() < 30 * 86400 or min by (instance) (probe_ssl_earliest_cert_expiry) - time() < 30 * 86400`
	oomQuery         = `sum by (node, instance) (increase(node_vmstat_oom_kill[10m])) > 0`
	healthFailsQuery = `sum by (node, instance) (increase(engine_daemon_health_checks_failed_total[10m])) > 0`
)

// The windows of the error rates (what stands out: fleet.ErrorsJumped), and the part of the periods that is much to be throttled.
const (
	errorsWindow   = time.Minute
	errorsBaseline = 30 * time.Minute
	throttledMuch  = 0.25
)

// errorsJumped tells whether a service's error lines are more than usual.
func (w *Wide) errorsJumped(service string) bool {
	if w == nil || w.ErrorsNow == nil || w.ErrorsBefore == nil {
		return false
	}
	now, before := w.ErrorsNow[service], w.ErrorsBefore[service]
	return fleet.ErrorsJumped(now, before)
}

func (w *Wide) suspects(service string) bool {
	return w.errorsJumped(service) || w.burst(service) || w != nil && (w.Throttled[service] > throttledMuch || len(w.News[service]) > 0)
}

func byService(lines []sources.Entry) map[string][]sources.Entry {
	out := map[string][]sources.Entry{}
	for _, e := range lines {
		if e.Stream != nil {
			out[e.Stream.Service] = append(out[e.Stream.Service], e)
		}
	}
	return out
}

// absentIsNone: that no such figure exists is an answer.
func absentIsNone(err error) error {
	if sources.KindOf(err) == sources.NotFound {
		return nil
	}
	return err
}

func (x *inquiry) failed(source, what string, err error) {
	x.log().Warn("investigate: a source could not be looked at", "source", source, "what", what, "error", err)
	if x.over != nil && x.over() { // the source's own words would be of its own, longer, patience
		x.look(source, couldNot, fmt.Sprintf("no answer to %q within the %.1f s that a look takes; the next look asks again", what, x.budget.Seconds()))
		return
	}
	x.look(source, couldNot, err.Error())
}

func means(points map[string][]sources.Point, since time.Time) map[string]float64 {
	if points == nil {
		return nil
	}
	out := make(map[string]float64, len(points))
	for service, p := range points {
		if m := mean(p, since); !math.IsNaN(m) {
			out[service] = m
		}
	}
	return out
}

func valueOf(s sources.Series) float64 {
	if len(s.Points) == 0 {
		return math.NaN()
	}
	return s.Points[len(s.Points)-1].V
}

// nodeOf names the node of a series: its label, else the host of its instance.
func nodeOf(labels map[string]string) string {
	if n := labels["node"]; n != "" {
		return n
	}
	host, _, _ := strings.Cut(labels["instance"], ":")
	return host
}

func byNode(list []sources.Series) map[string]float64 {
	out := map[string]float64{}
	for _, s := range list {
		if v := valueOf(s); !math.IsNaN(v) {
			out[nodeOf(s.Labels)] += v
		}
	}
	return out
}

func disksOf(list []sources.Series) []Disk {
	out := []Disk{}
	for _, s := range list {
		sel := fmt.Sprintf(`{instance=%s, mountpoint=%s}`, strconv.Quote(s.Labels["instance"]), strconv.Quote(s.Labels["mountpoint"]))
		out = append(out, Disk{Node: nodeOf(s.Labels), Mount: s.Labels["mountpoint"], Free: valueOf(s), sel: sel, Query: "node_filesystem_avail_bytes" + sel + " / node_filesystem_size_bytes"})
	}
	return out
}

func (w *Wide) takeCerts(list []sources.Series) {
	w.Certs = []Cert{}
	defer func() { slices.SortFunc(w.Certs, func(a, b Cert) int { return cmp.Compare(a.Left, b.Left) }) }()
	for _, s := range list {
		v := valueOf(s)
		if math.IsNaN(v) {
			continue
		}
		name := s.Labels["cn"]
		if name == "" {
			name = s.Labels["sans"]
		}
		if name == "" {
			name = s.Labels["instance"]
		}
		w.Certs = append(w.Certs, Cert{Name: name, Service: s.Labels["swarm_service"], Left: time.Duration(v * float64(time.Second)), Query: `(traefik_tls_certs_not_after - time()) / 86400`})
	}
}
