package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"quarterdeck/sources"
)

// manner is how a call is made.
type manner int

const (
	reading   manner = iota // may be made again on the next manager
	asking                  // may be made again only if it was not sent: its answer does not depend on the manager
	changing                // the same, and it changes something
	streaming               // may be made again, and is bounded only until it has begun to be answered
)

// repeatable tells whether a call may be made twice.
func (m manner) repeatable() bool { return m == reading || m == streaming }

// attempt is one call on one seat, as it came out.
type attempt struct {
	err  error
	note *note
	sent bool               // the engine may have got the request
	end  context.CancelFunc // of a stream that has begun
	from *place
}

// run makes a call on the seat in use, and where that fails and may be tried elsewhere, on the next.
func (c *Client) run(ctx context.Context, op string, how manner, call func(context.Context, *client.Client) error) attempt {
	for try := 1; ; try++ {
		p := c.place()
		a := p.try(ctx, op, how, call)
		if a.err == nil || ctx.Err() != nil {
			return a
		}
		moved := c.moveOn(p, a.err, a.note.tried.Load() && !a.note.connected.Load())
		again := !a.sent || how.repeatable() || untouched(a.err)
		if !moved || !again || try >= len(c.seats) {
			if moved && again {
				a.err = noneAnswers(len(c.seats), p.at(), a.err)
			}
			return a
		}
	}
}

// untouched tells an answer by which the manager has certainly not done what it was asked.
func untouched(err error) bool { return sources.KindOf(err) == sources.NotManager || isLocked(err) }

// noneAnswers puts the number of managers before the last one's failure.
func noneAnswers(n int, last string, err error) error {
	var e *sources.Error
	if !errors.As(err, &e) {
		return err
	}
	out := *e
	out.Err = fmt.Errorf("none of %d managers can be asked; the last, %s: %w", n, last, orErr(e.Err, errors.New(e.Kind.String())))
	return &out
}

func orErr(err, other error) error {
	if err == nil {
		return other
	}
	return err
}

// try makes one call, and makes its error a *sources.Error. A context ended by the caller stays as it is.
func (p *place) try(ctx context.Context, op string, how manner, call func(context.Context, *client.Client) error) attempt {
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if how.repeatable() {
		stop := context.AfterFunc(p.stay, cancel)
		defer stop()
	}
	a := attempt{note: &note{at: p.at()}, from: p}
	api, err := p.greet(limited, a.note)
	if err == nil {
		err = tooOldForChange(api, how)
	}
	if err == nil {
		a.note = &note{at: p.at()}
		on := limited
		if how == streaming {
			on, a.end = context.WithCancel(ctx)
			stop := context.AfterFunc(p.stay, a.end)
			end := a.end
			a.end = func() { stop(); end() }
		}
		err = call(a.note.on(on), api.Client)
		a.sent = a.note.wrote.Load() && !isDial(a.note.err)
	}
	if err == nil {
		return a
	}
	if a.end != nil {
		a.end()
	}
	a.err = p.explain(ctx, limited, op, how, a, err)
	return a
}

// greet agrees on a version, in the time that an engine needs for a ping.
func (p *place) greet(ctx context.Context, n *note) (*agreed, error) {
	if api := p.api.Load(); api != nil {
		return api, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	api, err := p.ready(n.on(ctx))
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = &lateError{p.patience}
	}
	return api, err
}

// tooOldForChange refuses a change over an older API version than engine and console share: the engine would drop, without
// a word, what that version does not have.
func tooOldForChange(api *agreed, how manner) error {
	best := api.engine
	if versions.LessThan(client.MaxAPIVersion, best) {
		best = client.MaxAPIVersion
	}
	if how != changing || best == "" || !versions.LessThan(api.ClientVersion(), best) {
		return nil
	}
	return &sources.Error{Source: name, Kind: sources.TooOld, Op: "change the swarm",
		Err:  fmt.Errorf("DOCKER_API_VERSION asks for API %s, the engine speaks %s", api.ClientVersion(), best),
		Next: "nothing was changed, because an older API loses parts of a spec: unset DOCKER_API_VERSION"}
}

// explain finds the cause of a call's failure.
func (p *place) explain(ctx, limited context.Context, op string, how manner, a attempt, err error) error {
	var already *sources.Error
	var late *lateError
	switch {
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ctx.Err()
	case p.stay.Err() != nil && how.repeatable():
		err = errMoved
	case errors.As(err, &late):
	case limited.Err() != nil && how != streaming:
		err = context.DeadlineExceeded
	case a.note.err != nil: // the client rewrites transport errors and loses their causes
		if !errors.As(err, &already) {
			err = a.note.err
		}
	case !a.note.tried.Load() && p.api.Load() != nil && !errors.As(err, &already):
		return &sources.Error{Source: name, Kind: sources.BadQuestion, Op: op, Err: err, Next: "nothing was sent: correct what it names"}
	case how == streaming:
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // the answer came whole; the JSON in it is not
		err = fmt.Errorf("%w: the JSON ends in the middle", errNotEngine)
	}
	err = p.failure(op, err)
	if how == changing && a.sent {
		return unknownOutcome(err)
	}
	return err
}

// unknownOutcome says of a change that was sent and not answered that nobody knows whether it was done.
func unknownOutcome(err error) error {
	var e *sources.Error
	if !errors.As(err, &e) || e.Kind != sources.Unreachable && e.Kind != sources.BadAnswer {
		return err
	}
	var r *refusal
	if errors.As(err, &r) && e.Kind == sources.BadAnswer { // the engine's own no
		return err
	}
	out := *e
	out.Kind, out.Next = sources.Unreachable, "whether it was done is not known: read it again before anything else"
	return &out
}

// isDial tells an error of a connection that was not made. Where the transport gives it for a change, no connection that was there
// before has carried a byte of the request either: else it would not have dialled anew.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
