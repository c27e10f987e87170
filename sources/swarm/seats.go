package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"quarterdeck/sources"
)

// pingPatience is how long an engine may take to answer the first ping where another manager could be asked in its place.
const pingPatience = 3 * time.Second

// errMoved ends what was open on an endpoint that the client has left for another one.
var errMoved = errors.New("the next manager is asked in its place")

// seat is one manager's endpoint with its connections. Safe for concurrent use.
type seat struct {
	endpoint  endpoint
	timeout   time.Duration // of a request
	patience  time.Duration // of the first ping
	transport *http.Transport
	guard     *guard

	mu  sync.Mutex             // one negotiation at a time
	api atomic.Pointer[agreed] // set once its API version is agreed; nil before
}

// agreed is a client whose API version is agreed with the engine.
type agreed struct {
	*client.Client
	engine string // the newest API version that the engine speaks; "": it does not say
}

func newSeat(e endpoint, timeout time.Duration) (*seat, error) {
	t, err := e.transport(timeout)
	if err != nil {
		return nil, err
	}
	s := &seat{endpoint: e, timeout: timeout, patience: timeout, transport: t, guard: &guard{base: t}}
	if _, err := s.newAPI(); err != nil {
		return nil, configError("read the engine's address", "", err)
	}
	return s, nil
}

// at is where the engine is, without credentials.
func (s *seat) at() string { return s.endpoint.shown() }

// newAPI makes a moby client that has agreed on no version yet. All share one transport.
func (s *seat) newAPI() (*client.Client, error) {
	scheme := "http"
	if s.endpoint.tls != nil {
		scheme = "https"
	}
	return client.New(
		client.WithHost(s.endpoint.apiHost),
		client.WithHTTPClient(&http.Client{Transport: s.guard, CheckRedirect: client.CheckRedirect}),
		client.WithScheme(scheme),
		client.WithUserAgent(userAgentHeader),
		client.WithAPIVersionFromEnv(),
	)
}

// ready gives a client whose API version is agreed with the engine. The moby client would negotiate by itself, but swallows
// a failed ping and goes on with its newest version, so that the error is about the wrong thing.
func (s *seat) ready(ctx context.Context) (*agreed, error) {
	if api := s.api.Load(); api != nil {
		return api, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if api := s.api.Load(); api != nil {
		return api, nil
	}
	api, err := s.newAPI()
	if err != nil {
		return nil, err
	}
	p, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return nil, err
	}
	a := &agreed{Client: api, engine: p.APIVersion}
	s.api.Store(a)
	return a, nil
}

// place is the seat in use, until it is left.
type place struct {
	*seat
	index int
	why   string          // why the one before was left; "" for the first
	stay  context.Context // ends when the place is left
	leave context.CancelFunc
}

func newPlace(s *seat, index int, why string) *place {
	p := &place{seat: s, index: index, why: why}
	p.stay, p.leave = context.WithCancel(context.Background())
	return p
}

// place is where calls go now.
func (c *Client) place() *place { return c.at.Load() }

// moveOn takes the next seat in place of p, if there is another one and err may be p's alone. It tells whether there is
// another place now than p: somebody else may have moved before.
func (c *Client) moveOn(p *place, err error, connected bool) bool {
	if len(c.seats) == 1 {
		return false
	}
	if c.at.Load() != p {
		return true
	}
	if !elsewhere(err, connected) {
		return false
	}
	i := (p.index + 1) % len(c.seats)
	why := ""
	if i > 0 {
		why = p.at() + " is " + sources.KindOf(err).String() + reason(err)
	}
	next := newPlace(c.seats[i], i, why)
	next.forget()
	if c.at.CompareAndSwap(p, next) {
		p.leave()
		c.log.Warn("swarm: another manager is asked", "from", p.at(), "to", next.at(), "error", err)
	} else {
		next.leave()
	}
	return true
}

// forget makes the next call negotiate anew: the engine behind the address may be another one now.
func (s *seat) forget() { s.api.Store(nil) }

func reason(err error) string {
	var e *sources.Error
	if errors.As(err, &e) && e.Err != nil {
		return " (" + e.Err.Error() + ")"
	}
	return ""
}

// elsewhere tells whether another manager may do better.
func elsewhere(err error, connected bool) bool {
	var registry *registryFault
	switch kind := sources.KindOf(err); {
	case errors.As(err, &registry):
		return false
	case kind == sources.Unreachable, kind == sources.NotManager, isLocked(err):
		return true
	default:
		return kind != 0 && !connected
	}
}

// moved says in words that another manager than the first is asked, and why; "" where it is the first.
func (p *place) moved(engine string) string {
	if p.why == "" {
		return ""
	}
	if engine != "" {
		engine += "'s "
	}
	return "through " + engine + p.at() + ", because " + p.why
}

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
	err       error
	note      *note
	connected bool               // a connection was there
	sent      bool               // the engine may have got the request
	end       context.CancelFunc // of a stream that has begun
	ctx       context.Context    //nolint:containedctx // of a stream that has begun
	from      *place
}

// run makes a call on the seat in use, and where that fails and may be tried elsewhere, on the next.
func (c *Client) run(ctx context.Context, op string, how manner, call func(context.Context, *client.Client) error) attempt {
	for try := 1; ; try++ {
		p := c.place()
		a := p.try(ctx, op, how, call)
		if a.err == nil || ctx.Err() != nil {
			return a
		}
		moved := c.moveOn(p, a.err, a.connected)
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
			a.ctx = on
		}
		err = call(a.note.on(on), api.Client)
		a.sent = a.note.wrote.Load() && !isDial(a.note.err)
	}
	a.connected = a.note.connected.Load()
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
		err = context.DeadlineExceeded
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
	switch {
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ctx.Err()
	case p.stay.Err() != nil && how.repeatable():
		err = errMoved
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

// isLocked tells a manager that waits for its unlock key after a restart.
func isLocked(err error) bool {
	var e *sources.Error
	return errors.As(err, &e) && e.Err != nil && (errors.Is(e.Err, errLocked) || strings.Contains(e.Err.Error(), "needs to be unlocked"))
}

// errLocked: see isLocked.
var errLocked = errors.New("the swarm is locked")
