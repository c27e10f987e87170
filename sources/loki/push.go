package loki

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/sources"
)

var _ sources.LogSink = (*Client)(nil)

const (
	opPush   = "push lines"
	pushPath = "/loki/api/v1/push"
	// pushBytes bounds the lines of one request: Loki's own limit of a message is 4 MiB (server.grpc_server_max_recv_msg_size).
	pushBytes = 1 << 20
	// pushTook bounds what is read of a push's answer, which has no body.
	pushTook = 4096
)

var lineTooLong = sources.LazyRegexp(`(?i)max entry size`)

type pushBody struct {
	Streams [1]pushed `json:"streams"`
}

type pushed struct {
	Stream map[string]string `json:"stream"`
	Values [][2]string       `json:"values"`
}

// Push hands lines over under one set of labels, which must name at least one; lines must be in order of time. Many lines go in several
// requests: with an error those before may be there. What may pass by itself is tried again, which doubles nothing, because Loki takes
// a line with the same labels and time once. BadQuestion: Loki will never take them (too old, a label's name); OverLimit: too large or too many.
func (c *Client) Push(ctx context.Context, labels map[string]string, lines []sources.PushLine) error {
	if len(lines) == 0 {
		return nil
	}
	if err := pushable(labels, lines); err != nil {
		return &sources.Error{Source: name, Op: opPush, Kind: sources.BadQuestion, Next: "nothing was sent: correct the labels or the times", Err: err}
	}
	for len(lines) > 0 {
		var n int
		body := pushed{Stream: labels}
		for size := 0; n < len(lines) && (n == 0 || size+len(lines[n].Line) <= pushBytes); n++ {
			size += len(lines[n].Line)
			body.Values = append(body.Values, [2]string{nano(lines[n].Time.UnixNano()), lines[n].Line})
		}
		lines = lines[n:]
		b, err := json.Marshal(pushBody{[1]pushed{body}})
		if err != nil {
			return &sources.Error{Source: name, Op: opPush, Kind: sources.BadQuestion, Err: err}
		}
		if err := c.post(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func pushable(labels map[string]string, lines []sources.PushLine) error {
	if len(labels) == 0 {
		return errors.New("lines need at least one label")
	}
	for k := range labels {
		if !labelName.MatchString(k) {
			return errNoLabel(k)
		}
	}
	var last time.Time
	for i, l := range lines {
		if l.Time.Unix() <= 0 || l.Time.Before(last) {
			return fmt.Errorf("line %d has the time %s, after %s", i+1, l.Time.UTC().Format(time.RFC3339Nano), last.UTC().Format(time.RFC3339Nano))
		}
		last = l.Time
	}
	return nil
}

// post sends one body, again where the failure may pass.
func (c *Client) post(ctx context.Context, body []byte) error {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = c.pace.retry, 8*c.pace.retry
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := c.postOnce(ctx, body)
		if err != nil && !passing(err) {
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(b), backoff.WithMaxTries(tries))
	return err
}

func (c *Client) postOnce(ctx context.Context, body []byte) error {
	u := *c.base
	u.Path += pushPath
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return c.transportErr(opPush, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req) //nolint:bodyclose // drain closes it
	if err != nil {
		return c.transportErr(opPush, err)
	}
	defer drain(resp.Body)
	c.readClock(resp.Header)
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, pushTook))
	switch {
	case resp.Request.Method != http.MethodPost: // a redirect has made another request of it
		return &sources.Error{Source: name, Op: opPush, Kind: sources.BadAnswer,
			Next: "use loki's own address: pushes cannot follow a redirect", Err: fmt.Errorf("the address redirects to %s", resp.Request.URL.Redacted())}
	case resp.StatusCode == http.StatusMethodNotAllowed:
		return &sources.Error{Source: name, Op: opPush, Kind: sources.Forbidden,
			Next: "a proxy before loki lets nobody write: give the address that takes pushes", Err: fmt.Errorf("HTTP %d", resp.StatusCode)}
	case resp.StatusCode/100 == 2 && looksHTML(answer):
		return c.notLoki(opPush, answer)
	case resp.StatusCode/100 == 2:
		return nil
	}
	return c.pushErr(resp.StatusCode, resp.Header, answer)
}

func (c *Client) pushErr(status int, h http.Header, answer []byte) error {
	err := c.statusErr(opPush, status, h, answer)
	var e *sources.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Kind == sources.BadQuestion && lineTooLong().Match(answer):
		e.Kind, e.Next = sources.OverLimit, "shorten the line, or raise loki's max_line_size"
	case e.Kind == sources.BadQuestion:
		e.Next = "loki does not take these lines: see its words, and its limits_config"
	case status == http.StatusTooManyRequests:
		e.Next = "loki takes no more for now: wait, or raise its ingestion_rate_mb and per_stream_rate_limit"
	case e.Kind == sources.OverLimit:
		e.Next = "raise the limit that loki names"
	}
	return err
}
