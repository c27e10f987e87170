package sources

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
	"strconv"
	"strings"
	"sync"
	"time"
)

// API asks a server that speaks JSON over HTTP. It holds kept-alive connections, and until when the server has asked to be left alone. Safe for concurrent use.
type API struct {
	// Name is the source's short name, Title what people call it.
	Name, Title string
	// Shown is the address without credentials.
	Shown string
	// Refused may put what to do next, and another kind, into the error of an answer that is not 2xx; nil: it stays as FromHTTP makes it.
	Refused func(ctx context.Context, path string, status int, e *Error)

	http *http.Client
	base *url.URL
	log  *slog.Logger

	mu    sync.Mutex
	quiet time.Time // it is not asked before this
}

// Ask is one request.
type Ask struct {
	// Op is for errors: "list dashboards".
	Op string
	// Method is GET where it is empty.
	Method string
	// Path is under the server's address, with its parts escaped.
	Path   string
	Query  url.Values
	Header http.Header
	// In is sent as JSON; nil: nothing is.
	In any
	// NoContent: an answer without a body (204) is one too, and leaves out as it is.
	NoContent bool
}

// quietMost bounds for how long a server is left alone because it asked for it.
const quietMost = time.Hour

// NewAPI makes an API and asks nothing. An address that cannot be one, or TLS files that cannot be read, are an error here. suffix is what an address that was
// copied out of a browser or another tool's config may end in.
func NewAPI(title, suffix string, a Access, log *slog.Logger) (*API, error) {
	base, err := a.URL()
	if err != nil {
		return nil, err
	}
	hc, err := a.Client()
	if err != nil {
		return nil, err
	}
	base.RawQuery, base.Fragment, base.RawPath = "", "", ""
	base.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, suffix), "/")
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &API{Name: a.Source, Title: title, Shown: a.Shown(), http: hc, base: base, log: log}, nil
}

// Close lets the kept-alive connections go. The API can still be used after it.
func (a *API) Close() error {
	a.http.CloseIdleConnections()
	return nil
}

// At tells whether an address that the server gave is under its own: nothing else is asked with its credentials.
func (a *API) At(address string) (path string, query url.Values, ok bool) {
	u, err := url.Parse(address)
	if err != nil {
		return "", nil, false
	}
	u = a.base.ResolveReference(u)
	path, ok = strings.CutPrefix(u.EscapedPath(), a.base.EscapedPath())
	return path, u.Query(), ok && u.Host == a.base.Host && u.Scheme == a.base.Scheme && strings.HasPrefix(path, "/")
}

// Call asks once; out takes the answer where it is not nil. A server that has answered 429 and said for how long is left alone until then: what is
// asked before that is an OverLimit error at once.
func (a *API) Call(ctx context.Context, q Ask, out any) (http.Header, error) {
	req, err := a.request(ctx, &q)
	if err != nil {
		return nil, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, FromTransport(a.Name, q.Op, a.Shown, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	a.log.DebugContext(ctx, a.Name, "op", q.Op, "path", q.Path, "status", resp.StatusCode, "bytes", len(answer))
	switch {
	case err != nil:
		return nil, FromTransport(a.Name, q.Op, a.Shown, err)
	case resp.Request.Method != req.Method: // a redirect has made another request of it
		return nil, &Error{Source: a.Name, Op: q.Op, Kind: BadAnswer, Next: "set " + a.Title + "'s own address, or log in at the proxy before it",
			Err: fmt.Errorf("the address redirects to %s://%s%s", resp.Request.URL.Scheme, resp.Request.URL.Host, resp.Request.URL.Path)}
	case resp.StatusCode/100 != 2:
		return nil, a.refused(ctx, &q, resp, answer)
	case out == nil, q.NoContent && resp.StatusCode == http.StatusNoContent:
		return resp.Header, nil
	}
	return resp.Header, a.decode(q.Op, answer, out)
}

func (a *API) request(ctx context.Context, q *Ask) (*http.Request, error) {
	a.mu.Lock()
	left := time.Until(a.quiet)
	a.mu.Unlock()
	if left > 0 {
		return nil, &Error{Source: a.Name, Op: q.Op, Kind: OverLimit, Next: a.wait(left), Err: errors.New("it was asked too often, and is left alone for now")}
	}
	if q.Method == "" {
		q.Method = http.MethodGet
	}
	var body io.Reader
	if q.In != nil {
		b, err := json.Marshal(q.In)
		if err != nil {
			return nil, &Error{Source: a.Name, Op: q.Op, Kind: BadQuestion, Err: err}
		}
		body = bytes.NewReader(b)
	}
	u := a.base.JoinPath(q.Path)
	u.RawQuery = q.Query.Encode()
	req, err := http.NewRequestWithContext(ctx, q.Method, u.String(), body)
	if err != nil {
		return nil, &Error{Source: a.Name, Op: q.Op, Kind: BadQuestion, Err: err}
	}
	for k, v := range q.Header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", "application/json")
	if q.In != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

func (a *API) wait(d time.Duration) string {
	return fmt.Sprintf("wait %s: %s limits how often it is asked", max(d, time.Second).Round(time.Second), a.Title)
}

// refused makes the error of an answer that is not 2xx.
func (a *API) refused(ctx context.Context, q *Ask, resp *http.Response, answer []byte) error {
	status := resp.StatusCode
	e := FromHTTP(a.Name, q.Op, status, message(answer))
	switch {
	case status == http.StatusTooManyRequests:
		if d := retryAfter(resp.Header.Get("Retry-After"), time.Now()); d > 0 {
			a.mu.Lock()
			a.quiet = time.Now().Add(d)
			a.mu.Unlock()
			e.Next = a.wait(d)
		}
	case status/100 == 3:
		e.Kind, e.Next = BadAnswer, "the address redirects elsewhere: set the address that it leads to, or log in at the proxy"
	}
	if a.Refused != nil {
		a.Refused(ctx, q.Path, status, e)
	}
	return e
}

// retryAfter reads the header of that name (RFC 9110, 10.2.3): seconds, or a date; 0: it says nothing of use.
func retryAfter(v string, now time.Time) (d time.Duration) {
	if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), quietMost)
}

// decode reads a whole answer: JSON and nothing after it.
func (a *API) decode(op string, answer []byte, out any) error {
	err := json.Unmarshal(answer, out)
	if err == nil {
		return nil
	}
	e := &Error{Source: a.Name, Op: op, Kind: BadAnswer, Next: "look at " + a.Title + "'s own log, and at a proxy before it", Err: fmt.Errorf("cannot understand the answer: %w", err)}
	trimmed := bytes.TrimSpace(answer)
	var syntax *json.SyntaxError
	switch {
	case bytes.HasPrefix(trimmed, []byte("<")):
		e.Err = errors.New("the answer is a web page, not JSON")
		e.Next = "check that the address is " + a.Title + "'s own, and that no login page stands before it"
	case len(trimmed) == 0:
		e.Err = errors.New("the answer is empty")
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(trimmed)):
		e.Err = fmt.Errorf("the answer was cut off after %d bytes", len(answer))
	}
	return e
}

// message takes the message out of an error's body, in one of the shapes that servers give it, or plain text.
func message(answer []byte) string {
	var s string
	if json.Unmarshal(answer, &s) == nil {
		return s
	}
	var m struct {
		Message string
		Error   json.RawMessage // a text, or an object with a message and perhaps a detail
		Errors  []struct{ Code, Message string }
	}
	if json.Unmarshal(answer, &m) == nil {
		var inner struct {
			Message string
			Detail  any // a text, or something longer
		}
		switch {
		case m.Message != "":
			return m.Message
		case json.Unmarshal(m.Error, &s) == nil && s != "":
			return s
		case json.Unmarshal(m.Error, &inner) == nil && inner.Message != "":
			detail, _ := inner.Detail.(string)
			return strings.Trim(inner.Message+": "+detail, ": ")
		case len(m.Errors) > 0:
			return strings.Trim(m.Errors[0].Code+": "+m.Errors[0].Message, ": ")
		}
	}
	if bytes.HasPrefix(bytes.TrimSpace(answer), []byte("<")) {
		return "a web page"
	}
	return string(answer)
}
