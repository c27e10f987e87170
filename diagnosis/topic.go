package diagnosis

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// What an alert is about, and what a cause can be behind. A service is near its memory limit and its certificate ends: the one does not explain the
// alert on the other, however sure it is and however well the times fit.

// topic is what a figure is about.
type topic string

const (
	aboutMemory      topic = "memory"
	aboutCPU         topic = "cpu"
	aboutUp          topic = "up" // whether something runs or answers
	aboutRestarts    topic = "restarts"
	aboutCertificate topic = "certificates"
	aboutErrors      topic = "errors"
	aboutLatency     topic = "latency"
	aboutDisk        topic = "disks"
	aboutLogs        topic = "log volume"
)

// topicWords are what tells of a topic in the names of metrics (of cAdvisor, the node and blackbox exporters, Traefik and the usual client
// libraries: SIGNALS.md), in the selectors beside them, and in the names that people give to alerts.
var topicWords = []struct {
	topic topic
	word  *regexp.Regexp
}{
	{aboutMemory, regexp.MustCompile(`(?i)memory|oom|_mem_|\bmem\b|heap|swap`)},
	{aboutCPU, regexp.MustCompile(`(?i)cpu|throttl|\bload(1|5|15)\b|node_load`)},
	{aboutRestarts, regexp.MustCompile(`(?i)restart|start_time_seconds|crash`)},
	{aboutCertificate, regexp.MustCompile(`(?i)certs?_|_certs?\b|certificate|cert_expiry|\b(certs?|tls|ssl)\b|letsencrypt|\bacme\b`)},
	{aboutDisk, regexp.MustCompile(`(?i)filesystem|disk|inode|volume_|\bvolumes?\b|storage_full`)},
	{aboutLogs, regexp.MustCompile(`(?i)log_?lines|log_?(burst|volume|bytes)|loki_|promtail_`)},
	{aboutLatency, regexp.MustCompile(`(?i)duration|latenc|histogram_quantile|response_time|\bslow|quantile=`)},
	{aboutErrors, regexp.MustCompile(`(?i)error|fail(ed|ure|ing)?s?\b|exception|=~?"[^"]*5(xx|\.\.|\d\d|\[)|\b5xx\b`)},
	{aboutUp, regexp.MustCompile(`(?i)\bup\b|absent|last_seen|probe_success|\bdown\b|replicas|tasks_(running|desired)|unavailable|unreachable|missing|health`)},
}

// topicsOf are the topics that a text speaks of.
func topicsOf(text string) []topic {
	var out []topic
	for _, t := range topicWords {
		if t.word.MatchString(text) {
			out = append(out, t.topic)
		}
	}
	return out
}

// camel is where a word begins in a name that is written together: HighErrorRate, TLSExpiry.
var camel = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z]+)([A-Z][a-z])`)

// aboutAlert are the topics of an alert: those of its rule's query, else those of its name, else those of what it says. None: it is not known.
func aboutAlert(a *sources.Alert, query string) []topic {
	if query == "" {
		query = linkedQuery(a.Generator)
	}
	if t := topicsOf(query); len(t) > 0 {
		return t
	}
	if t := topicsOf(camel.ReplaceAllString(strings.ReplaceAll(a.Name, "_", " "), "$1$3 $2$4")); len(t) > 0 {
		return t
	}
	return topicsOf(a.Summary)
}

// linkedQuery is the query in a generator's link (http://…/graph?g0.expr=…), as Prometheus writes it; "": there is none.
func linkedQuery(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Query().Get("g0.expr")
}

// notRunning are the topics of what a service that does not run as it should brings about, with itself and with those that need it.
var notRunning = []topic{aboutUp, aboutRestarts, aboutErrors, aboutLatency}

// explainable are the topics that a kind of cause can be behind. What is not in the list can be behind any.
var explainable = map[string][]topic{
	"oom-killed":               {aboutMemory, aboutUp, aboutRestarts, aboutErrors, aboutLatency},
	"memory-near-limit":        {aboutMemory},
	"killed":                   notRunning,
	"crash-loop":               notRunning,
	"exits-cleanly":            notRunning,
	"healthcheck-failing":      notRunning,
	"image-missing":            notRunning,
	"start-failed":             notRunning,
	"bind-missing":             notRunning,
	"secret-or-config-missing": notRunning,
	"addresses-exhausted":      notRunning,
	"constraint-unsatisfied":   notRunning,
	"insufficient-resources":   notRunning,
	"port-conflict":            notRunning,
	"label-changed":            notRunning,
	"node-down":                notRunning,
	"desired-zero":             notRunning,
	"errors-after-dependency":  notRunning,
	"dependency-failing":       {aboutUp, aboutRestarts, aboutErrors, aboutLatency, aboutCPU},
	"bad-deploy":               {aboutUp, aboutRestarts, aboutErrors, aboutLatency, aboutCPU, aboutMemory, aboutLogs},
	"disk-full":                {aboutDisk, aboutUp, aboutRestarts, aboutErrors, aboutLatency, aboutLogs},
	"certificate-expiring":     {aboutCertificate, aboutErrors},
	"cpu-throttled":            {aboutCPU, aboutLatency, aboutErrors},
	"log-burst":                {aboutLogs, aboutDisk},
	storeConnections:           {aboutUp, aboutErrors, aboutLatency},
	storeStatement:             {aboutLatency, aboutErrors},
	storeEvictions:             {aboutLatency, aboutMemory},
}

// fits tells whether a kind of cause can be behind what an alert is about; perhaps: what the alert is about is not known.
func (c *Cause) fits(about []topic) (yes, perhaps bool) {
	if len(about) == 0 {
		return false, true
	}
	can, listed := explainable[c.ID]
	return !listed || slices.ContainsFunc(about, func(t topic) bool { return slices.Contains(can, t) }), false
}

// askRules asks for the queries of the rules behind alerts that do not name them by a link: those that are pending, and those that a proxy has relayed.
func (x *inquiry) askRules(ctx context.Context) map[string]string {
	unnamed := slices.ContainsFunc(x.snap.Alerts, func(a sources.Alert) bool { return linkedQuery(a.Generator) == "" })
	if !unnamed || x.d.Metrics == nil {
		return nil
	}
	rules, err := x.d.Metrics.Rules(ctx)
	if err != nil { // a server without a ruler is none of its faults: the alerts' names are left
		if k := sources.KindOf(err); k != sources.NotFound && k != sources.Forbidden {
			x.failed(fleet.PrometheusName, "the alerts' rules", err)
		}
		return nil
	}
	out := map[string]string{}
	for i := range rules {
		if r := &rules[i]; r.Alerting && out[r.Name] == "" {
			out[r.Name] = r.Query
		}
	}
	return out
}
