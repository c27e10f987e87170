package traefik

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"quarterdeck/sources"
)

const name = "traefik"

// Bounds of a list: the API gives it in pages.
const (
	pageSize = 500
	pages    = 20
)

// Options say where Traefik's API is: the address that its dashboard has, without /dashboard/.
type Options struct {
	Access sources.Access
	Logger *slog.Logger // nil: silent
}

// Client reads routers. It holds no state but kept-alive connections; safe for concurrent use.
type Client struct{ api *sources.API }

var _ sources.Proxy = (*Client)(nil)

// New makes a client and asks nothing. An address that cannot be one, or TLS files that cannot be read, are an error here.
func New(o Options) (*Client, error) {
	o.Access.Source = name
	api, err := sources.NewAPI("Traefik", "/api", o.Access, o.Logger)
	if err != nil {
		return nil, err
	}
	api.Refused = func(_ context.Context, _ string, status int, e *sources.Error) {
		switch status {
		case http.StatusNotFound:
			e.Next = "no API there: set api.insecure, or a router to api@internal, in Traefik's configuration, and its address in the config"
		case http.StatusUnauthorized:
			e.Next = "the router of Traefik's API wants a login: set username and password-file of traefik in the config"
		}
	}
	return &Client{api}, nil
}

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error { return c.api.Close() }

// list reads a list whole. Where it has more pages than are read, what was read comes with an OverLimit error.
func list[T any](ctx context.Context, c *Client, op, path string) ([]T, error) {
	var out []T
	for page := 1; ; {
		var some []T
		h, err := c.api.Call(ctx, sources.Ask{Op: op, Path: path, Query: url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(pageSize)}}}, &some)
		if err != nil {
			return out, err
		}
		out = append(out, some...)
		next, _ := strconv.Atoi(h.Get("X-Next-Page")) // 1: there is none (api/criterion.go)
		switch {
		case next <= 1:
			return out, nil
		case next != page+1:
			return out, &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Err: errors.New("the pages do not follow one another"), Next: "check that the address is Traefik's own"}
		case page == pages:
			return out, &sources.Error{Source: name, Op: op, Kind: sources.OverLimit, Err: fmt.Errorf("there are more than %d", pageSize*pages), Next: "set the address of a Traefik that serves fewer"}
		}
		page = next
	}
}

// Probe asks for the version and reads the entry points.
func (c *Client) Probe(ctx context.Context) sources.Probe {
	began := time.Now()
	p := sources.Probe{Name: name, Address: c.api.Shown, State: sources.Live}
	var v struct{ Version string }
	_, err := c.api.Call(ctx, sources.Ask{Op: "ask for its version", Path: "/api/version"}, &v)
	if err == nil && v.Version == "" {
		err = &sources.Error{Source: name, Op: "ask for its version", Kind: sources.BadAnswer, Err: errors.New("the answer names no version"), Next: "check that the address is Traefik's own"}
	}
	p.Version = v.Version
	if err == nil {
		_, err = c.Routers(ctx)
	}
	if err != nil {
		p.State, p.Fix, p.Missing = sources.StateOf(err), err.Error(), []string{"routers"}
	} else {
		p.Allows = []string{"routers"}
	}
	p.Took = time.Since(began)
	return p
}
