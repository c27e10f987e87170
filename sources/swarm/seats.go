package swarm

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/client"

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
// another place now than p: somebody else may have moved before. unconnected says that there was no connection at all.
func (c *Client) moveOn(p *place, err error, unconnected bool) bool {
	if len(c.seats) == 1 {
		return false
	}
	if c.at.Load() != p {
		return true
	}
	if !elsewhere(err, unconnected) {
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
func elsewhere(err error, unconnected bool) bool {
	var registry *registryFault
	switch kind := sources.KindOf(err); {
	case errors.As(err, &registry):
		return false
	case kind == sources.Unreachable, kind == sources.NotManager, isLocked(err):
		return true
	default:
		return kind != 0 && unconnected
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

// isLocked tells a manager that waits for its unlock key after a restart.
func isLocked(err error) bool {
	var e *sources.Error
	return errors.As(err, &e) && e.Err != nil && (errors.Is(e.Err, errLocked) || strings.Contains(e.Err.Error(), "needs to be unlocked"))
}

// errLocked: see isLocked.
var errLocked = errors.New("the swarm is locked")
