package grafana

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

const name = "grafana"

// Options say where Grafana is. A service account's token goes into Access.BearerToken.
type Options struct {
	Access sources.Access
	Logger *slog.Logger // nil: silent
}

// Client makes annotations. It holds no state but kept-alive connections; safe for concurrent use.
type Client struct {
	http  *http.Client
	base  *url.URL
	shown string
	log   *slog.Logger
}

var _ sources.Annotator = (*Client)(nil)

// New makes a client and asks nothing. An address that cannot be one, or TLS files that cannot be read, are an error here.
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
	base.RawQuery, base.Fragment, base.RawPath = "", "", ""
	base.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/api"), "/")
	c := &Client{http: hc, base: base, shown: o.Access.Shown(), log: o.Logger}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Name is "grafana".
func (c *Client) Name() string { return name }

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// call is one request to path, "/api/…"; in is sent as JSON where it is not nil. op is for errors.
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
	c.log.DebugContext(ctx, "grafana", "op", op, "path", path, "status", resp.StatusCode, "bytes", len(answer))
	switch {
	case err != nil:
		return sources.FromTransport(name, op, c.shown, err)
	case resp.Request.Method != method: // a redirect has made another request of it
		return &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "set Grafana's own address, or log in at the proxy before it",
			Err: fmt.Errorf("the address redirects to %s://%s%s", resp.Request.URL.Scheme, resp.Request.URL.Host, resp.Request.URL.Path)}
	case resp.StatusCode/100 != 2:
		return refused(op, resp.StatusCode, answer)
	}
	return decode(op, answer, out)
}

func decode(op string, answer []byte, out any) error {
	err := json.Unmarshal(answer, out)
	if err == nil {
		return nil
	}
	e := &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "look at Grafana's own log, and at a proxy before it", Err: fmt.Errorf("cannot understand the answer: %w", err)}
	switch trimmed := bytes.TrimSpace(answer); {
	case bytes.HasPrefix(trimmed, []byte("<")):
		e.Err = errors.New("the answer is a web page, not JSON")
		e.Next = "check that the address is Grafana's own, and that no login page stands before it"
	case len(trimmed) == 0:
		e.Err = errors.New("the answer is empty")
	}
	return e
}

// refused makes the error of an answer that is not 2xx.
func refused(op string, status int, answer []byte) error {
	e := sources.FromHTTP(name, op, status, words(answer))
	switch {
	case status == http.StatusUnauthorized:
		e.Next = "check the service account's token of grafana in the config: it may have expired"
	case status == http.StatusForbidden:
		e.Next = "the token's role does not allow it: annotations need the permission annotations:create, which an Editor has"
	case status == http.StatusNotFound:
		e.Next = "no Grafana API there: check the address and its path (root_url, serve_from_sub_path)"
	case status/100 == 3:
		e.Kind, e.Next = sources.BadAnswer, "the address redirects elsewhere: set the address that it leads to"
	}
	return e
}

// words takes the message out of an error's body, {"message": …}, or plain text.
func words(answer []byte) string {
	var m struct{ Message string }
	if json.Unmarshal(answer, &m) == nil && m.Message != "" {
		return m.Message
	}
	if bytes.HasPrefix(bytes.TrimSpace(answer), []byte("<")) {
		return "a web page"
	}
	return string(answer)
}
