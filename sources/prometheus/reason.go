package prometheus

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

// anyContainer is given for each container by every exporter of cAdvisor's family: without it a service has none.
const anyContainer = "container_memory_working_set_bytes"

// whyEmpty says in one sentence why a figure of a service has no value in a window. It asks once more: who
// has the metric at the window's end, and who has containers at all.
func (c *Client) whyEmpty(ctx context.Context, f figure, q asked) string {
	missing := fmt.Sprintf("no sample of %s for service %s %s", f.metric, q.service, during(q.w, time.Now()))
	query := fmt.Sprintf(`count by (__name__, %s) ({__name__=~"%s|%s", %s!=""})`, q.label, f.metric, anyContainer, q.label)
	vector, err := c.ask(ctx, "look for the reason", query, q.w.End)
	if err != nil {
		return missing + "; whether others have it could not be asked: " + err.Error()
	}
	others, own, containers := 0, false, false
	for _, s := range vector {
		mine := string(s.Metric[model.LabelName(q.label)]) == q.service
		has := string(s.Metric[model.MetricNameLabel]) == f.metric
		containers = containers || mine
		own = own || mine && has
		if has && !mine {
			others++
		}
	}
	who := counted(others, "other service") + " have it"
	if others == 1 {
		who = "1 other service has it"
	}
	switch {
	case f.unset != "" && (own || containers && others > 0):
		return fmt.Sprintf("service %s: %s", q.service, f.unset)
	case own:
		return fmt.Sprintf("%s of service %s is there, with too few samples for a rate %s: wait for the next scrape", f.metric, q.service, during(q.w, time.Now()))
	case len(vector) == 0:
		return missing + ", nor any container's memory of any service: the exporters were not scraped then" + c.downWords(ctx, q.w, "look at their targets")
	case others == 0 && f.unset != "" && containers:
		return missing + ", and no other service has it: none has such a limit, or the exporter does not give it"
	case others == 0:
		return missing + ", and no other service has it: the exporter does not give it here"
	}
	return missing + "; " + who + c.downWords(ctx, q.w, "")
}

// downWords tell which targets of the container metrics are down, where the window is about now; else what there is to say instead.
func (c *Client) downWords(ctx context.Context, w sources.Window, otherwise string) string {
	if otherwise != "" {
		otherwise = ": " + otherwise
	}
	if time.Since(w.End) > max(2*w.Step, time.Minute) {
		return otherwise
	}
	f, err := c.finding(ctx)
	if err != nil {
		return otherwise
	}
	targets, err := c.scraped.get(ctx, func(ctx context.Context) ([]sources.Target, time.Duration, error) {
		t, err := c.Targets(ctx)
		return t, holdMissing, err
	})
	if err != nil {
		return otherwise
	}
	var all, down []sources.Target
	for _, t := range targets {
		if !slices.Contains(f.jobs, t.Job) {
			continue
		}
		all = append(all, t)
		if t.Health == string(v1.HealthBad) {
			down = append(down, t)
		}
	}
	switch {
	case len(all) == 0 && len(f.jobs) > 0:
		return fmt.Sprintf(": no target of job %s is left", strings.Join(f.jobs, ", "))
	case len(down) == 0:
		return otherwise
	}
	return fmt.Sprintf(": %d of %s of job %s down: %s (%s)", len(down), counted(len(all), "target"), down[0].Job, down[0].Instance, short(down[0].LastError))
}

// during says when a window is: "in the last 15 min", or from when to when.
func during(w sources.Window, now time.Time) string {
	span := w.End.Sub(w.Start)
	if ago := now.Sub(w.End); ago > max(2*w.Step, time.Minute) || ago < -time.Hour {
		return fmt.Sprintf("from %s to %s", w.Start.UTC().Format(time.RFC3339), w.End.UTC().Format(time.RFC3339))
	}
	switch {
	case span < time.Minute:
		return fmt.Sprintf("in the last %d s", int(span.Seconds()))
	case span < 2*time.Hour:
		return fmt.Sprintf("in the last %d min", int(math.Round(span.Minutes())))
	case span < 48*time.Hour:
		return fmt.Sprintf("in the last %d h", int(math.Round(span.Hours())))
	}
	return fmt.Sprintf("in the last %d days", int(math.Round(span.Hours()/24)))
}
