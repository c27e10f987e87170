package prometheus

import (
	"context"
	"strings"
	"time"

	"quarterdeck/sources"
)

// Probe reads the version and tries each ability once, with the least that tells.
func (c *Client) Probe(ctx context.Context) sources.Probe {
	began := time.Now()
	p := sources.Probe{Name: name, Address: c.shown, State: sources.Live}
	if _, err := c.Instant(ctx, "vector(1)", time.Time{}); err != nil {
		p.State, p.Missing, p.Fix = sources.StateOf(err), []string{"query"}, err.Error()
		p.Took = time.Since(began)
		return p
	}
	p.Allows = append(p.Allows, "query")
	if b, err := c.api.Buildinfo(ctx); err == nil {
		p.Version = b.Version
	}
	tried := []struct {
		ability string
		try     func() error
	}{
		{"targets", func() error { _, err := c.Targets(ctx); return err }},
		{"rules", func() error { _, err := c.Rules(ctx); return err }},
		{"container metrics", func() error { return c.probeContainers(ctx) }},
		{"node metrics", func() error { _, err := c.NodeUsage(ctx, "memory", time.Time{}); return err }},
		{"request metrics", func() error {
			label, _, _ := c.ServiceLabel(ctx)
			f, err := c.webMetrics(ctx, label)
			if err == nil && len(f) == 0 {
				err = c.noRequests(f, asked{})
			}
			return err
		}},
	}
	var fixes []string
	for _, t := range tried {
		err := t.try()
		if err == nil {
			p.Allows = append(p.Allows, t.ability)
			continue
		}
		p.Missing = append(p.Missing, t.ability)
		if next := sources.NextOf(err); next != "" {
			fixes = append(fixes, t.ability+": "+next)
		}
	}
	p.Fix = strings.Join(fixes, "; ")
	p.Took = time.Since(began)
	return p
}

func (c *Client) probeContainers(ctx context.Context) error {
	f, err := c.finding(ctx)
	switch {
	case err != nil:
		return err
	case f.stopped:
		return &sources.Error{Source: name, Op: "probe", Kind: sources.NotFound, Next: "they have stopped: look at the targets of job " + strings.Join(f.jobs, ", ")}
	case f.err != nil && c.serviceLabel == "":
		return f.err
	}
	return nil
}
