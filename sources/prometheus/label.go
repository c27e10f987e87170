package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

// How long a finding holds: what is there rarely changes; what was missing may just have been started.
const (
	holdFound   = 10 * time.Minute
	holdMissing = 20 * time.Second
)

// labelCandidate is a label that may name the Swarm service on container metrics.
type labelCandidate struct {
	label string
	// own: the name says that it is Swarm's. A label that is not own may as well name the exporter (dockerswarm_sd
	// puts the service of the scraped task on every series), which shows in that all series have one value.
	own bool
}

var labelCandidates = []labelCandidate{
	{"container_label_com_docker_swarm_service_name", true}, // cAdvisor and Alloy's prometheus.exporter.cadvisor
	{"com_docker_swarm_service_name", true},                 // agents that drop cAdvisor's prefix
	{"docker_swarm_service_name", true},                     // OpenTelemetry's docker_stats with a label map
	{"dockerswarm_service_name", true},                      // labelmap of __meta_dockerswarm_*
	{"swarm_service_name", true},                            // by hand
	{"swarm_service", true},                                 // by hand, as Loki's Docker driver calls it
	{"service_name", false},
	{"service", false},
}

// containerMetrics are those that every exporter of cAdvisor's family gives for each container once.
const containerMetrics = `{__name__=~"container_memory_working_set_bytes|container_last_seen"}`

// labelFinding is what the discovery found; err is set where no label names the services.
type labelFinding struct {
	label, how string
	jobs       []string // the scrape jobs that carry the container metrics
	services   []string // that the label names, sorted
	stopped    bool     // they gave none now, and did within the last hour
	err        *sources.Error
}

// ServiceLabel is the label that names the service in the container metrics. Where none does, the error is
// NotFound and tells 'the exporter gives no labels' from 'there are no container metrics at all'.
func (c *Client) ServiceLabel(ctx context.Context) (label, how string, err error) {
	if c.serviceLabel != "" {
		return c.serviceLabel, "set in the config", nil
	}
	f, err := c.finding(ctx)
	if err != nil {
		return "", "", err
	}
	if f.err != nil {
		fresh := *f.err // the remembered error is shared: errors get their Op from who asked
		return "", "", &fresh
	}
	return f.label, f.how, nil
}

func (c *Client) finding(ctx context.Context) (labelFinding, error) {
	return c.label.get(ctx, func(ctx context.Context) (labelFinding, time.Duration, error) {
		names := make([]string, 0, len(labelCandidates)+1)
		for _, cand := range labelCandidates {
			names = append(names, cand.label)
		}
		counts, stopped, err := c.countLately(ctx, "find the service label", "job, "+strings.Join(names, ", "), containerMetrics)
		if err != nil {
			return labelFinding{}, 0, err
		}
		f := chooseLabel(counts)
		f.stopped = stopped
		if stopped {
			f.how += "; they have stopped within the last hour"
		}
		hold := holdFound
		if f.err != nil || stopped {
			hold = holdMissing
		}
		return f, hold, nil
	})
}

// chooseLabel takes the candidate that tells the most services apart; of equals the first.
func chooseLabel(counts model.Vector) labelFinding {
	var f labelFinding
	series := 0
	jobs := map[string]bool{}
	values := map[string]map[string]bool{}
	for _, s := range counts {
		series += int(s.Value)
		jobs[string(s.Metric["job"])] = true
		for _, cand := range labelCandidates {
			if v := string(s.Metric[model.LabelName(cand.label)]); v != "" {
				if values[cand.label] == nil {
					values[cand.label] = map[string]bool{}
				}
				values[cand.label][v] = true
			}
		}
	}
	f.jobs = slices.Sorted(maps.Keys(jobs))
	best := 0
	for _, cand := range labelCandidates {
		n := len(values[cand.label])
		if n > best && (cand.own || n > 1) {
			best, f.label = n, cand.label
		}
	}
	if f.label != "" {
		f.services = slices.Sorted(maps.Keys(values[f.label]))
		f.how = fmt.Sprintf("found on %s of job %s: names %s", "the container metrics", strings.Join(f.jobs, ", "), counted(best, "service"))
		return f
	}
	f.err = &sources.Error{Source: name, Op: "find the service label", Kind: sources.NotFound}
	if series == 0 {
		f.err.Err = errors.New("no container metrics at all")
		f.err.Next = "run cAdvisor (or Alloy's cadvisor exporter) on each node and let Prometheus scrape it"
		return f
	}
	f.err.Err = fmt.Errorf("exporter unlabelled: %s of containers are there (job %s), and no label names their service", counted(series, "series"), strings.Join(f.jobs, ", "))
	f.err.Next = "let cAdvisor keep container labels (no --store_container_labels=false, or whitelist com.docker.swarm.service.name); on Docker 29's containerd store it needs cAdvisor 0.54 or later; or set the service label in the config"
	return f
}

// countLately counts what a selector finds by some labels. Where that is nothing now it looks an hour back: while
// the exporters are down, the charts of the time before are what is wanted most.
func (c *Client) countLately(ctx context.Context, op, by, selector string) (counts model.Vector, stopped bool, err error) {
	counts, err = c.ask(ctx, op, fmt.Sprintf("count by (%s) (%s)", by, selector), time.Time{})
	if err != nil || len(counts) > 0 {
		return counts, false, err
	}
	counts, err = c.ask(ctx, op, fmt.Sprintf("count by (%s) (last_over_time(%s[1h]))", by, selector), time.Time{})
	return counts, err == nil && len(counts) > 0, err
}

// counted is "1 service", "3 services"; "series" has no plural of its own.
func counted(n int, what string) string {
	if n == 1 || strings.HasSuffix(what, "s") {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// scrapeInterval is how often the containers are scraped: as set, else what the targets of their jobs say
// (__scrape_interval__, Prometheus 2.28), else DefaultScrape.
func (c *Client) scrapeInterval(ctx context.Context) time.Duration {
	if c.scrapeGiven > 0 {
		return c.scrapeGiven
	}
	d, err := c.scrape.get(ctx, func(ctx context.Context) (time.Duration, time.Duration, error) {
		var jobs []string
		if f, err := c.finding(ctx); err == nil {
			jobs = f.jobs
		}
		targets, err := c.api.Targets(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return 0, 0, ctx.Err()
			}
			return DefaultScrape, holdMissing, nil // no targets API, or none for us
		}
		count := map[time.Duration]int{}
		for _, t := range targets.Active {
			d, err := model.ParseDuration(t.DiscoveredLabels["__scrape_interval__"])
			if err == nil && d > 0 && (len(jobs) == 0 || slices.Contains(jobs, string(t.Labels["job"]))) {
				count[time.Duration(d)]++
			}
		}
		if len(count) == 0 {
			return DefaultScrape, holdMissing, nil
		}
		// The most usual; of equals the longest, which leaves no holes.
		return slices.MaxFunc(slices.Collect(maps.Keys(count)), func(a, b time.Duration) int {
			return cmp.Or(cmp.Compare(count[a], count[b]), cmp.Compare(a, b))
		}), holdFound, nil
	})
	if err != nil {
		return DefaultScrape
	}
	return d
}
