package alertmanager

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"quarterdeck/sources"
)

const name = "alertmanager"

// Options say where Alertmanager is and which labels name a service.
type Options struct {
	Access        sources.Access
	ServiceLabels []string // nil: sources.AlertLabels
	Logger        *slog.Logger
}

// Client is a source of alerts. It holds no state but kept-alive connections; safe for concurrent use.
type Client struct {
	api    *sources.API
	labels []string
}

var _ sources.Alerts = (*Client)(nil)

// New makes a client and asks nothing. An address that cannot be one, or TLS files that cannot be read,
// are an error here.
func New(o Options) (*Client, error) {
	o.Access.Source = name
	api, err := sources.NewAPI("Alertmanager", "/api/v2", o.Access, o.Logger)
	if err != nil {
		return nil, err
	}
	c := &Client{api: api, labels: o.ServiceLabels}
	if c.labels == nil {
		c.labels = sources.AlertLabels
	}
	api.Refused = c.refused
	return c, nil
}

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error { return c.api.Close() }

// call is one request to path, "/api/v2/…" with its parts escaped; in is sent as JSON where it is not nil,
// out takes the answer where it is not nil. op is for errors.
func (c *Client) call(ctx context.Context, op, method, path string, query url.Values, in, out any) error {
	_, err := c.api.Call(ctx, sources.Ask{Op: op, Method: method, Path: path, Query: query, In: in}, out)
	return err
}

// refused says what to do about an answer that is not 2xx. Where the whole API v2 is missing it looks for
// v1, so that a server before 0.16 is called too old and not absent.
func (c *Client) refused(ctx context.Context, path string, status int, e *sources.Error) {
	if status != http.StatusNotFound || !strings.HasPrefix(path, "/api/v2/") || strings.HasPrefix(path, "/api/v2/silence/") {
		return
	}
	if c.speaksV1(ctx) {
		e.Kind = sources.TooOld
		e.Next = "upgrade Alertmanager to 0.16 or later: this one has only the API v1"
		return
	}
	e.Next = "no Alertmanager API there: check the address and its path prefix (--web.external-url, --web.route-prefix)"
}

func (c *Client) speaksV1(ctx context.Context) bool {
	var v struct {
		Status string `json:"status"`
		Data   struct {
			VersionInfo map[string]string `json:"versionInfo"`
		} `json:"data"`
	}
	err := c.call(ctx, "ask for the status of the API v1", http.MethodGet, "/api/v1/status", nil, nil, &v)
	return err == nil && v.Status == "success" && v.Data.VersionInfo != nil
}
