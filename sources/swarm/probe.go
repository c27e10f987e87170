package swarm

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// Probe asks for the least of everything that the console reads, and tells what is allowed. Whether changes are allowed
// cannot be told without making one, so it is not said.
func (c *Client) Probe(ctx context.Context) sources.Probe {
	start := time.Now()
	p := sources.Probe{Name: name, Address: c.Address(), State: sources.Live}
	defer func() { p.Took = time.Since(start) }()
	err := c.do(ctx, "connect", func(_ context.Context, api *client.Client) error {
		p.Version = "API " + api.ClientVersion()
		return nil
	})
	if err != nil {
		return c.failedProbe(p, start, err)
	}
	p.Allows = append(p.Allows, "ping")
	engine, err := c.engine(ctx)
	switch {
	case sources.KindOf(err) == sources.NotManager || err != nil && !refusedFor(err):
		return c.failedProbe(p, start, err)
	case engine.Version == "":
		p.Missing = append(p.Missing, "info")
	default:
		p.Allows = append(p.Allows, "info")
		p.Version = engine.Version + " (API " + engine.API + ")"
	}
	tries := []struct {
		what string
		try  func(context.Context) error
	}{
		{"services", func(ctx context.Context) error { _, err := c.services(ctx, nil, []string{"probe"}); return err }},
		{"tasks", func(ctx context.Context) error {
			_, _, err := c.tasksWhere(ctx, nil, client.Filters{}.Add("id", "probe"))
			return err
		}},
		{"nodes", func(ctx context.Context) error { _, err := c.nodes(ctx, nil); return err }},
		{"networks", func(ctx context.Context) error { _, err := c.networks(ctx, nil); return err }},
		{"secrets", func(ctx context.Context) error { _, err := c.secrets(ctx, nil); return err }},
		{"configs", func(ctx context.Context) error { _, err := c.configs(ctx, nil); return err }},
		{"events", c.tryEvents},
	}
	var worst error
	for _, t := range tries {
		err := t.try(ctx)
		if err == nil {
			p.Allows = append(p.Allows, t.what)
			continue
		}
		p.Missing = append(p.Missing, t.what)
		if t.what == "services" || !refusedFor(err) {
			worst = errors.Join(worst, err)
		}
	}
	if worst != nil {
		p.State, p.Fix = sources.StateOf(worst), sources.NextOf(worst)
	} else if len(p.Missing) > 0 {
		p.Fix = "what is before the engine does not allow GET on: " + strings.Join(p.Missing, ", ")
		if p.Missing[len(p.Missing)-1] == "events" {
			p.State = sources.Polling
		}
	}
	at := c.place()
	p.Address = at.at()
	if p.Fix == "" {
		p.Fix = at.moved(engine.Name)
	}
	p.Took = time.Since(start)
	return p
}

func (c *Client) failedProbe(p sources.Probe, start time.Time, err error) sources.Probe {
	p.State, p.Fix, p.Took = sources.StateOf(err), sources.NextOf(err), time.Since(start)
	var e *sources.Error
	if errors.As(err, &e) && e.Err != nil {
		p.Fix = e.Err.Error() + ": " + p.Fix
	}
	return p
}

// tryEvents asks for the events of no time at all.
func (c *Client) tryEvents(ctx context.Context) error {
	now := time.Now()
	return c.do(ctx, "watch events", func(ctx context.Context, api *client.Client) error {
		r := api.Events(ctx, client.EventsListOptions{Since: stamp(now), Until: stamp(now)})
		for {
			select {
			case <-r.Messages:
			case err := <-r.Err:
				if isEnd(err) {
					return nil
				}
				return err
			}
		}
	})
}
