package loki

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/sources"
)

const (
	// tries of one request of a person's; Follow does not retry here, it polls again.
	tries = 3
	// clockSlack is how far the server's clock may be from ours before it is reckoned with: the Date
	// header that tells it has whole seconds.
	clockSlack = 2 * time.Second
)

// get asks and returns the body of a 2xx answer, or an error of ours. What may pass by itself
// (unreachable, 429) is tried up to attempts times. Closing the body, with drain, is the caller's.
func (c *Client) get(ctx context.Context, op, path string, q url.Values, attempts uint) (io.ReadCloser, error) {
	if attempts <= 1 {
		return c.getOnce(ctx, op, path, q)
	}
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = c.pace.retry, 8*c.pace.retry
	return backoff.Retry(ctx, func() (io.ReadCloser, error) {
		body, err := c.getOnce(ctx, op, path, q)
		if err != nil && !passing(err) {
			return nil, backoff.Permanent(err)
		}
		return body, err
	}, backoff.WithBackOff(b), backoff.WithMaxTries(attempts))
}

// passing tells whether an error may be gone at the next try.
func passing(err error) bool {
	if strings.Contains(err.Error(), "too many outstanding requests") {
		return true
	}
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return false // it had its whole time-out
	}
	return sources.KindOf(err) == sources.Unreachable
}

func (c *Client) getOnce(ctx context.Context, op, path string, q url.Values) (io.ReadCloser, error) {
	u := *c.base
	u.Path += path
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, c.transportErr(op, err)
	}
	req.Header.Set("Accept", "application/json")
	// Structured metadata apart from stream labels, so that a stream stays one stream
	// (Loki >= 2.9; older ones do not know the header).
	req.Header.Set(encodingHeader, "categorize-labels")
	resp, err := c.http.Do(req) //nolint:bodyclose // the caller closes what is returned
	if err != nil {
		return nil, c.transportErr(op, err)
	}
	c.readClock(resp.Header)
	if resp.StatusCode/100 != 2 {
		defer drain(resp.Body)
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, c.statusErr(op, resp.StatusCode, resp.Header, b)
	}
	return resp.Body, nil
}

const encodingHeader = "X-Loki-Response-Encoding-Flags"

// readClock learns how far the server's clock is from ours.
func (c *Client) readClock(h http.Header) {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	d := time.Until(t.Add(500 * time.Millisecond))
	if d.Abs() < clockSlack {
		d = 0
	}
	c.skew.Store(int64(d))
}

// getJSON asks and decodes data of Loki's envelope into v.
func (c *Client) getJSON(ctx context.Context, op, path string, q url.Values, v any) error {
	body, err := c.get(ctx, op, path, q, tries)
	if err != nil {
		return err
	}
	defer drain(body)
	b, err := io.ReadAll(body)
	if err != nil {
		return c.transportErr(op, err)
	}
	var env struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &env); err != nil {
		return c.badJSON(op, b, err)
	}
	if env.Status != "success" {
		return &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "look at the server's own log", Err: fmt.Errorf("status %q: %s", env.Status, env.Error)}
	}
	if len(env.Data) == 0 { // Loki leaves data out where there is nothing
		return nil
	}
	if err := json.Unmarshal(env.Data, v); err != nil {
		return c.badJSON(op, b, err)
	}
	return nil
}

// getPlain asks once and decodes an answer that has no envelope.
func (c *Client) getPlain(ctx context.Context, op, path string, q url.Values, v any) error {
	body, err := c.get(ctx, op, path, q, 1)
	if err != nil {
		return err
	}
	defer drain(body)
	b, err := io.ReadAll(body)
	if err != nil {
		return c.transportErr(op, err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return c.badJSON(op, b, err)
	}
	return nil
}

// drain reads what is left of a small body so that the connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}

func looksHTML(b []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(b), []byte("<"))
}

func (c *Client) notLoki(op string, b []byte) error {
	return &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer,
		Next: "is " + c.access.Shown() + " Loki's address? Loki listens at :3100 by default, Grafana at :3000",
		Err:  fmt.Errorf("a web page came where JSON was expected: %.60q", bytes.TrimSpace(b))}
}

func (c *Client) badJSON(op string, head []byte, err error) error {
	if errors.Is(err, sources.ErrTooLarge) {
		return c.transportErr(op, err)
	}
	if looksHTML(head) {
		return c.notLoki(op, head)
	}
	var syntax *json.SyntaxError
	if errors.Is(err, io.ErrUnexpectedEOF) || (errors.As(err, &syntax) && syntax.Offset >= int64(len(head)) && len(head) > 0) {
		return c.cutErr(op, io.ErrUnexpectedEOF)
	}
	return &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer,
		Next: "is " + c.access.Shown() + " Loki's address, and no proxy changes its answers?", Err: fmt.Errorf("not the JSON of loki: %w", err)}
}

func (c *Client) cutErr(op string, err error) error {
	return &sources.Error{Source: name, Op: op, Kind: sources.Unreachable,
		Next: "check the proxy between here and loki; it is tried again by itself",
		Err:  fmt.Errorf("the answer ends in the middle: %w", err)}
}

func (c *Client) transportErr(op string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var u *url.Error // its text is the whole query; the cause says more
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return c.cutErr(op, err)
	}
	var n net.Error
	if errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &n) && n.Timeout()) {
		return &sources.Error{Source: name, Op: op, Kind: sources.Unreachable,
			Next: "ask for a shorter time or fewer services, or raise the time-out of loki", Err: fmt.Errorf("no whole answer in time: %w", err)}
	}
	return sources.FromTransport(name, op, c.access.Address, err)
}

var (
	parseErrAt  = sources.LazyRegexp(`parse error at line (\d+), col (\d+)`)
	limitTexts  = sources.LazyRegexp(`(?i)exceeds? the limit|limit .*exceeded|exceeded.*limit|maximum of series|too many (outstanding|bytes|chunks)|max(imum)? .* limit|too large|larger than max`)
	retryErrors = sources.LazyRegexp(`(?i)context (canceled|deadline exceeded)|connection refused|empty ring|no (healthy )?ingesters?|too many unhealthy|shutting down|unavailable`)
)

// statusErr makes an error of an answer that is not 2xx, in Loki's own words where it has some.
func (c *Client) statusErr(op string, status int, h http.Header, b []byte) error {
	text := strings.TrimSpace(string(b))
	if looksHTML(b) {
		text = "a web page: " + title(text)
	}
	e := sources.FromHTTP(name, op, status, text)
	switch m := parseErrAt().FindStringSubmatch(text); {
	case status == http.StatusUnauthorized && strings.Contains(text, "no org id"):
		e.Next = "this loki has tenants: set sources.loki.tenant (X-Scope-OrgID)"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
	case m != nil:
		e.Kind, e.Next = sources.BadQuestion, "correct the LogQL at line "+m[1]+", column "+m[2]
	case strings.Contains(text, "too many outstanding requests"):
		e.Kind, e.Next = sources.OverLimit, "loki's queue is full: wait, or raise its query_scheduler's max_outstanding_requests_per_tenant"
	case strings.Contains(text, "time range exceeds the limit"):
		e.Kind, e.Next = sources.OverLimit, "ask for a shorter time, or raise loki's max_query_length"
	case strings.Contains(text, "max entries limit"):
		e.Kind, e.Next = sources.OverLimit, "ask for fewer lines, or raise loki's max_entries_limit_per_query"
	case status >= 400 && limitTexts().MatchString(text):
		e.Kind, e.Next = sources.OverLimit, "ask for a shorter time or fewer services, or raise the limit that loki names"
	case status == http.StatusInternalServerError && retryErrors().MatchString(text):
		e.Kind, e.Next = sources.Unreachable, "loki is starting, stopping or overloaded; it is tried again by itself"
	case status == http.StatusNotFound && looksHTML(b):
		e.Next = "is " + c.access.Shown() + " Loki's address? Loki listens at :3100 by default"
	case status/100 == 3:
		e.Kind, e.Next = sources.BadAnswer, "the address redirects to "+h.Get("Location")+": use loki's own address"
	}
	return e
}

var titleTag = sources.LazyRegexp(`(?is)<title>\s*(.*?)\s*</title>`)

func title(page string) string {
	if m := titleTag().FindStringSubmatch(page); m != nil {
		return m[1]
	}
	return "without a title"
}

// entriesLimit reads the server's own limit out of its refusal:
// "max entries limit per query exceeded, limit > max_entries_limit_per_query (5000 > 1000)".
func entriesLimit(err error) (int, bool) {
	if err == nil {
		return 0, false
	}
	m := entriesText().FindStringSubmatch(err.Error())
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil && n > 0
}

var entriesText = sources.LazyRegexp(`max entries limit.*\(\d+ > (\d+)\)`)

// nano is a time as Loki's parameters have it.
func nano(t int64) string { return strconv.FormatInt(t, 10) }

func errNoLabel(s string) error { return fmt.Errorf("%q is no label name", s) }
