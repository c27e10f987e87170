package prometheus

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

// whyEmpty says in one sentence why a figure of a service has no value in a window. It asks once more: who
// else has the metric.
func (c *Client) whyEmpty(ctx context.Context, f figure, q asked) string {
	label, service, w := q.label, q.service, q.w
	missing := fmt.Sprintf("no sample of %s for service %s %s", f.metric, service, during(w, time.Now()))
	query := fmt.Sprintf(`count by (%s) (count_over_time(%s{%s!=""}[%s]))`, label, f.metric, label, promDuration(lookBack(w)))
	v, _, _, err := c.api.Query(ctx, query, w.End, c.serverTimeout())
	if err != nil {
		return missing + "; whether others have it could not be asked: " + c.failed("look for the reason", err).Error()
	}
	vector, _ := v.(model.Vector)
	others, own := 0, false
	for _, s := range vector {
		if string(s.Metric[model.LabelName(label)]) == service {
			own = true
		} else {
			others++
		}
	}
	switch {
	case own && f.unset != "":
		return fmt.Sprintf("service %s: %s", service, f.unset)
	case own:
		return fmt.Sprintf("%s of service %s is there, with too few samples for a rate %s: wait for the next scrape", f.metric, service, during(w, time.Now()))
	case others == 0:
		return missing + ", and no other service has it: the exporter does not give it here"
	case f.unset != "":
		return fmt.Sprintf("%s; %s (%s)", missing, f.unset, counted(others, "other service")+have(others))
	}
	return fmt.Sprintf("%s; %s", missing, counted(others, "other service")+have(others))
}

func have(n int) string {
	if n == 1 {
		return " has it"
	}
	return " have it"
}

// lookBack is how far back from a window's end its samples can lie: its own length, five minutes at least
// (Prometheus' own look-back), an hour at most, so that the reason is not dearer than the question.
func lookBack(w sources.Window) time.Duration {
	return min(max(w.End.Sub(w.Start), 5*time.Minute), time.Hour)
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
