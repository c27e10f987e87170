package loki

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
)

// Probe asks Loki for the least that tells whether it serves, and what it allows.
func (c *Client) Probe(ctx context.Context) sources.Probe {
	began := time.Now()
	p := sources.Probe{Name: name, Address: c.access.Shown(), State: sources.Live}

	labels, err := c.Labels(ctx, "", time.Time{}, time.Time{})
	if err != nil {
		// What /ready says is the better reason where Loki is only starting.
		if r := c.Ready(ctx); r != nil && sources.KindOf(err) == sources.Unreachable {
			err = r
		}
		p.State, p.Fix = sources.StateOf(err), sources.NextOf(err)
		p.Missing = append(p.Missing, "labels: "+err.Error())
		p.Took = time.Since(began)
		return p
	}
	p.Allows = append(p.Allows, "labels")
	if v, err := c.buildInfo(ctx); err == nil {
		p.Version = v
	}
	c.probeService(ctx, &p, labels)
	c.try(ctx, &p, "levels (detected_level)", c.probeLevels)
	c.try(ctx, &p, "tail", c.probeTail)
	c.try(ctx, &p, "volume", func(ctx context.Context) error {
		return c.probePath(ctx, "volume", "/loki/api/v1/index/volume", "targetLabels", c.labels.Service)
	})
	c.try(ctx, &p, "patterns", func(ctx context.Context) error {
		return c.probePath(ctx, "patterns", "/loki/api/v1/patterns")
	})
	p.Took = time.Since(began)
	return p
}

func (c *Client) try(ctx context.Context, p *sources.Probe, what string, f func(context.Context) error) {
	if err := f(ctx); err != nil {
		p.Missing = append(p.Missing, what+": "+err.Error())
		return
	}
	p.Allows = append(p.Allows, what)
}

// probeService checks that the label which is to name the service is there and names some.
func (c *Client) probeService(ctx context.Context, p *sources.Probe, labels []string) {
	if !slices.Contains(labels, c.labels.Service) {
		p.Missing = append(p.Missing, "label "+c.labels.Service)
		p.State = sources.Faulty
		p.Fix = fmt.Sprintf("no stream of the last hour has the label %s: set sources.loki.labels.service to the one that names the service; labels seen: %s",
			c.labels.Service, seenList(labels))
		return
	}
	values, err := c.Labels(ctx, c.labels.Service, time.Time{}, time.Time{})
	switch {
	case err != nil:
		p.Missing = append(p.Missing, "services by label "+c.labels.Service+": "+err.Error())
	case len(values) == 0:
		p.Missing = append(p.Missing, "services by label "+c.labels.Service+": no values in the last hour")
	default:
		p.Allows = append(p.Allows, fmt.Sprintf("services by label %s (%d)", c.labels.Service, len(values)))
	}
}

func seenList(labels []string) string {
	if len(labels) == 0 {
		return "none (does anything send logs here?)"
	}
	const most = 30
	if len(labels) > most {
		return strings.Join(labels[:most], ", ") + fmt.Sprintf(" and %d more", len(labels)-most)
	}
	return strings.Join(labels, ", ")
}

// probeLevels looks for one line of the last hour that has a level by Loki.
func (c *Client) probeLevels(ctx context.Context) error {
	if now := c.now(); !c.hasLevels(ctx, now.Add(-time.Hour), now) {
		return errors.New("no line of the last hour has it; levels are read from the lines (loki before 3.0, or discover_log_levels is off)")
	}
	return nil
}

// probeTail opens the tail and closes it at once.
func (c *Client) probeTail(ctx context.Context) error {
	t := newTail(c, logql{selector: "{" + c.labels.Service + `=~".+"}`})
	conn, err := t.dial(ctx, func() {})
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	// A tail over the limit is accepted and closed with 1011 at once; silence is consent.
	ctx, cancel := context.WithTimeout(ctx, c.pace.noTail)
	defer cancel()
	if _, _, err := conn.Read(ctx); err != nil && ctx.Err() == nil {
		return closeErr(err)
	}
	return nil
}

func (c *Client) probePath(ctx context.Context, what, path string, more ...string) error {
	now := c.now().UnixNano()
	q := url.Values{"query": {"{" + c.labels.Service + `=~".+"}`}, "start": {nano(now - int64(time.Minute))}, "end": {nano(now)}, "limit": {"1"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	body, err := c.get(ctx, "ask for "+what, path, q, 1)
	if err != nil {
		return err
	}
	drain(body)
	return nil
}
