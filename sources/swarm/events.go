package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// serviceOf is the label by which a container's event names its service.
const serviceOf = "com.docker.swarm.service.id"

// eventFilters ask for the swarm's own objects, and of the containers on the engine's own machine for what makes a task's
// state change: the orchestrator itself says nothing of tasks. exec_* stays out: each health check makes three.
func eventFilters() client.Filters {
	return client.Filters{}.
		Add("type", "service", "node", "network", "secret", "config", "container").
		Add("event", "create", "update", "remove", "destroy", "start", "die", "oom", "health_status")
}

// stamp is a moment as the engine's since and until take it, to the nanosecond.
func stamp(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

func isEnd(err error) bool { return err == nil || errors.Is(err, io.EOF) }

// stream is one open event stream.
type stream struct {
	*opened
	events <-chan events.Message
	failed <-chan error // one error, which ends it
}

// subscribe opens the stream and comes back once the engine has answered, so that what happens from now on is in it.
// since replays what the engine still remembers; zero: nothing.
func (c *Client) subscribe(ctx context.Context, since time.Time) (*stream, error) {
	o := client.EventsListOptions{Filters: eventFilters()}
	if !since.IsZero() {
		o.Since = stamp(since)
	}
	var r client.EventsResult
	s, err := c.open(ctx, "watch events", func(ctx context.Context, api *client.Client) error {
		r = api.Events(ctx, o) // returns when the answer's header is there; the transport bounds that wait
		select {
		case err := <-r.Err: // refused, or over before it began
			if isEnd(err) {
				err = io.ErrUnexpectedEOF
			}
			return err
		default:
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	return &stream{opened: s, events: r.Messages, failed: r.Err}, nil
}

// streamError says why a stream ended. It never is nil: a stream has no end of its own.
func (c *Client) streamError(ctx context.Context, s *stream, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err = s.why(err); isEnd(err) {
		err = io.ErrUnexpectedEOF
	}
	return s.from.failure("watch events", err)
}

// seenEvents remembers the last events, so that a replay does not tell them twice.
type seenEvents struct {
	keys map[string]bool
	ring []string
	next int
	last time.Time // of the newest event; by the engine's clock
}

// seenCap is more than an engine replays (moby keeps 256).
const seenCap = 1024

// add tells whether the event is new.
func (s *seenEvents) add(e *sources.Event) bool {
	key := fmt.Sprint(e.Time.UnixNano(), "\x00", e.Type, "\x00", e.Action, "\x00", e.ID)
	if s.keys[key] {
		return false
	}
	if s.keys == nil {
		s.keys = make(map[string]bool, seenCap)
	}
	if len(s.ring) < seenCap {
		s.ring = append(s.ring, key)
	} else {
		delete(s.keys, s.ring[s.next])
		s.ring[s.next] = key
		s.next = (s.next + 1) % seenCap
	}
	s.keys[key] = true
	if e.Time.After(s.last) {
		s.last = e.Time
	}
	return true
}
