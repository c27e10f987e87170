package grafana

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"

	"quarterdeck/sources"
)

const name = "grafana"

// Options say where Grafana is. A service account's token goes into Access.BearerToken.
type Options struct {
	Access sources.Access
	Logger *slog.Logger // nil: silent
}

// Client makes annotations and lists dashboards. It holds no state but kept-alive connections; safe for concurrent use.
type Client struct{ api *sources.API }

var _ sources.Annotator = (*Client)(nil)

// New makes a client and asks nothing. An address that cannot be one, or TLS files that cannot be read, are an error here.
func New(o Options) (*Client, error) {
	o.Access.Source = name
	api, err := sources.NewAPI("Grafana", "/api", o.Access, o.Logger)
	if err != nil {
		return nil, err
	}
	api.Refused = refused
	return &Client{api}, nil
}

// Name is "grafana".
func (c *Client) Name() string { return name }

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error { return c.api.Close() }

// call is one request to path, "/api/…"; in is sent as JSON where it is not nil. op is for errors.
func (c *Client) call(ctx context.Context, op, method, path string, query url.Values, in, out any) error {
	_, err := c.api.Call(ctx, sources.Ask{Op: op, Method: method, Path: path, Query: query, In: in}, out)
	return err
}

// refused says what to do about an answer that is not 2xx.
func refused(_ context.Context, _ string, status int, e *sources.Error) {
	switch status {
	case http.StatusUnauthorized:
		e.Next = "check the service account's token of grafana in the config: it may have expired"
	case http.StatusForbidden:
		e.Next = "the token's role does not allow it: annotations need the permission annotations:create, which an Editor has"
	case http.StatusNotFound:
		e.Next = "no Grafana API there: check the address and its path (root_url, serve_from_sub_path)"
	}
}
