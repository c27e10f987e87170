package swarm

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// name is the source's short name.
const name = "swarm"

// Periods and bounds. They can be set by Options where a field is named.
const (
	defaultTimeout  = 10 * time.Second // Timeout: of a request, from its start to its body's end
	pollWithEvents  = 30 * time.Second // Poll: the full listing behind the events
	pollAlone       = 2 * time.Second  // Poll: where events are forbidden
	userAgentHeader = "quarterdeck"
)

// Options say which engine, and how often. The zero value is what the Docker command line would talk to.
type Options struct {
	// Host is the engine's address, or several with commas between: the first, and further Hosts. "": DOCKER_HOST, then the
	// current Docker context, then the default socket.
	Host string
	// Hosts are further managers, tried in order where the one in use fails. Without Host and Context the first of them is Host.
	Hosts []string
	// Context is a Docker context's name; it beats Host and the environment.
	Context string
	// Poll is the period of the full listing behind the events; 0: 30 s with events, 2 s without.
	Poll time.Duration
	// TLS adds to, and where set beats, what the context or DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say.
	TLS sources.TLS
	// Timeout bounds one request from its start to its body's end; 0: 10 s.
	Timeout time.Duration
	// Logger gets what is not worth a status; nil: nothing is logged.
	Logger *slog.Logger
}

// Client reads a swarm through one of its managers: the first that answers, and stays there until it fails. Safe for concurrent use.
type Client struct {
	seats   []*seat
	at      atomic.Pointer[place] // never nil
	timeout time.Duration
	poll    time.Duration
	log     *slog.Logger
}

var _ sources.Orchestrator = (*Client)(nil)

// New resolves the endpoints. It does not talk to an engine: one that is down is told by the first call. Errors are
// NotConfigured (no such context, an address that is none) or Unauthorised (TLS files).
func New(o Options) (*Client, error) {
	c := &Client{timeout: o.Timeout, poll: o.Poll, log: o.Logger}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	endpoints, err := resolveAll(o)
	if err != nil {
		return nil, err
	}
	for _, e := range endpoints {
		s, err := newSeat(e, c.timeout)
		if err != nil {
			return nil, err
		}
		if len(endpoints) > 1 {
			s.patience = min(s.timeout, pingPatience)
		}
		c.seats = append(c.seats, s)
	}
	c.at.Store(newPlace(c.seats[0], 0, ""))
	return c, nil
}

// Address is where the engine is that is asked now, without credentials.
func (c *Client) Address() string { return c.place().at() }

// Close drops idle connections. Calls under way end with their contexts.
func (c *Client) Close() error {
	for _, s := range c.seats {
		s.transport.CloseIdleConnections()
	}
	return nil
}

// do runs one bounded call that reads, and makes its error a *sources.Error. A context ended by the caller stays as it is.
func (c *Client) do(ctx context.Context, op string, call func(context.Context, *client.Client) error) error {
	return c.run(ctx, op, reading, call).err
}

// opened is a stream whose engine has begun to answer. end must be called.
type opened struct {
	note *note
	from *place
	end  context.CancelFunc
}

// open runs a call whose answer is a stream: once it has begun, it lasts as long as ctx and as the endpoint is in use.
func (c *Client) open(ctx context.Context, op string, call func(context.Context, *client.Client) error) (*opened, error) {
	a := c.run(ctx, op, streaming, call)
	if a.err != nil {
		return nil, a.err
	}
	return &opened{note: a.note, from: a.from, end: a.end}, nil
}

// why is the reason for which a stream has ended with err, which may be the client's or the transport's.
func (s *opened) why(err error) error {
	switch {
	case s.from.stay.Err() != nil:
		return errMoved
	case s.note.err != nil:
		return s.note.err
	}
	return err
}
