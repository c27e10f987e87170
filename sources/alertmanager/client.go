package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	http   *http.Client
	base   *url.URL
	shown  string
	labels []string
	log    *slog.Logger
}

var _ sources.Alerts = (*Client)(nil)

// New makes a client and asks nothing. An address that cannot be one, or TLS files that cannot be read,
// are an error here.
func New(o Options) (*Client, error) {
	o.Access.Source = name
	base, err := o.Access.URL()
	if err != nil {
		return nil, err
	}
	hc, err := o.Access.Client()
	if err != nil {
		return nil, err
	}
	// An address copied out of a browser or of another tool's config still works.
	base.RawQuery, base.Fragment, base.RawPath = "", "", ""
	base.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/api/v2"), "/")
	c := &Client{http: hc, base: base, shown: o.Access.Shown(), labels: o.ServiceLabels, log: o.Logger}
	if c.labels == nil {
		c.labels = sources.AlertLabels
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// call is one request to path, "/api/v2/…" with its parts escaped; in is sent as JSON where it is not nil,
// out takes the answer where it is not nil. op is for errors.
func (c *Client) call(ctx context.Context, op, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Err: err}
		}
		body = bytes.NewReader(b)
	}
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Err: err}
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return sources.FromTransport(name, op, c.shown, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	c.log.DebugContext(ctx, "alertmanager", "op", op, "path", path, "status", resp.StatusCode, "bytes", len(answer))
	switch {
	case err != nil:
		return sources.FromTransport(name, op, c.shown, err)
	case resp.StatusCode/100 != 2:
		return c.refused(ctx, op, path, resp.StatusCode, answer)
	case out == nil:
		return nil
	}
	return decode(op, answer, out)
}

// decode reads a whole answer: JSON and nothing after it.
func decode(op string, answer []byte, out any) error {
	err := json.Unmarshal(answer, out)
	if err == nil {
		return nil
	}
	e := &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "look at Alertmanager's own log, and at a proxy before it", Err: fmt.Errorf("cannot understand the answer: %w", err)}
	trimmed := bytes.TrimSpace(answer)
	var syntax *json.SyntaxError
	switch {
	case bytes.HasPrefix(trimmed, []byte("<")):
		e.Err = errors.New("the answer is a web page, not JSON")
		e.Next = "check that the address is Alertmanager's own, and that no login page stands before it"
	case len(trimmed) == 0:
		e.Err = errors.New("the answer is empty")
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(trimmed)):
		e.Err = fmt.Errorf("the answer was cut off after %d bytes", len(answer))
	}
	return e
}

// refused makes the error of an answer that is not 2xx. Where the whole API v2 is missing it looks for
// v1, so that a server before 0.16 is called too old and not absent.
func (c *Client) refused(ctx context.Context, op, path string, status int, answer []byte) error {
	e := sources.FromHTTP(name, op, status, words(answer))
	switch {
	case status == http.StatusNotFound && !strings.HasPrefix(path, "/api/v2/silence/"):
		if c.speaksV1(ctx) {
			e.Kind = sources.TooOld
			e.Next = "upgrade Alertmanager to 0.16 or later: this one has only the API v1"
		} else {
			e.Next = "no Alertmanager API there: check the address and its path prefix (--web.external-url, --web.route-prefix)"
		}
	case status/100 == 3:
		e.Kind = sources.BadAnswer
		e.Next = "the address redirects elsewhere: set the address that it leads to, or log in at the proxy"
	}
	return e
}

func (c *Client) speaksV1(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath("/api/v1/status").String(), nil)
	if err != nil {
		return false
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	var v struct {
		Status string `json:"status"`
		Data   struct {
			VersionInfo map[string]string `json:"versionInfo"`
		} `json:"data"`
	}
	// 1 MiB: the v1 status holds the configuration.
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&v)
	return err == nil && resp.StatusCode == http.StatusOK && v.Status == "success" && v.Data.VersionInfo != nil
}

// words takes the message out of an error's body: a JSON string, {"message": …}, or plain text.
func words(answer []byte) string {
	var s string
	if json.Unmarshal(answer, &s) == nil {
		return s
	}
	var m struct{ Message, Error string }
	if json.Unmarshal(answer, &m) == nil && m.Message+m.Error != "" {
		return m.Message + m.Error
	}
	return string(answer)
}
