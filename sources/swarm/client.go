package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
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
	// Host is the engine's address; "": DOCKER_HOST, then the current Docker context, then the default socket.
	Host string
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

// Client reads a swarm through one manager. Safe for concurrent use.
type Client struct {
	endpoint  endpoint
	timeout   time.Duration
	poll      time.Duration
	log       *slog.Logger
	transport *http.Transport
	guard     *guard

	mu  sync.Mutex                    // one negotiation at a time
	api atomic.Pointer[client.Client] // set once its API version is agreed; nil before
}

var _ sources.Orchestrator = (*Client)(nil)

// New resolves the endpoint. It does not talk to the engine: an engine that is down is told by the first call. Errors are
// NotConfigured (no such context, an address that is none) or Unauthorised (TLS files).
func New(o Options) (*Client, error) {
	e, err := resolve(o)
	if err != nil {
		return nil, err
	}
	c := &Client{endpoint: e, timeout: o.Timeout, poll: o.Poll, log: o.Logger}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.transport, err = e.transport(c.timeout); err != nil {
		return nil, err
	}
	c.guard = &guard{base: c.transport}
	if _, err := c.newAPI(); err != nil {
		return nil, configError("read the engine's address", "", err)
	}
	return c, nil
}

// Address is where the engine is, without credentials.
func (c *Client) Address() string { return c.endpoint.shown() }

// Close drops idle connections. Calls under way end with their contexts.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// newAPI makes a moby client that has agreed on no version yet. All share one transport.
func (c *Client) newAPI() (*client.Client, error) {
	scheme := "http"
	if c.endpoint.tls != nil {
		scheme = "https"
	}
	return client.New(
		client.WithHost(c.endpoint.apiHost),
		client.WithHTTPClient(&http.Client{Transport: c.guard, CheckRedirect: client.CheckRedirect}),
		client.WithScheme(scheme),
		client.WithUserAgent(userAgentHeader),
		client.WithAPIVersionFromEnv(),
	)
}

// ready gives a client whose API version is agreed with the engine. The moby client would negotiate by itself, but swallows
// a failed ping and goes on with its newest version, so that the error is about the wrong thing.
func (c *Client) ready(ctx context.Context) (*client.Client, error) {
	if api := c.api.Load(); api != nil {
		return api, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if api := c.api.Load(); api != nil {
		return api, nil
	}
	api, err := c.newAPI()
	if err != nil {
		return nil, err
	}
	if _, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, err
	}
	c.api.Store(api)
	return api, nil
}

// forget makes the next call negotiate anew: the engine behind the address may be another one now.
func (c *Client) forget() { c.api.Store(nil) }

// do runs one bounded call and makes its error a *sources.Error. A context ended by the caller stays as it is.
func (c *Client) do(ctx context.Context, op string, call func(context.Context, *client.Client) error) error {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	noted, n := withNote(limited)
	api, err := c.ready(noted)
	if err == nil {
		err = call(noted, api)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	switch {
	case limited.Err() != nil:
		err = context.DeadlineExceeded
	case n.err != nil: // the client rewrites transport errors and loses their causes
		err = n.err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // the answer came whole; the JSON in it is not
		err = fmt.Errorf("%w: the JSON ends in the middle", errNotEngine)
	}
	return c.failure(op, err)
}
