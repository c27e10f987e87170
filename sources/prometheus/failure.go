package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"quarterdeck/sources"
)

// fromAnswer makes the error of an answer that is not 2xx. Prometheus says in the body what it
// means (web/api/v1/api.go, errorType); what stands before it does not.
func fromAnswer(status int, body []byte) *sources.Error {
	var said struct {
		ErrorType v1.ErrorType `json:"errorType"`
		Error     string       `json:"error"`
	}
	if json.Unmarshal(body, &said) == nil && said.Error != "" && said.ErrorType != "" {
		return fromWords(said.ErrorType, said.Error, status)
	}
	e := sources.FromHTTP(name, "", status, string(body))
	switch {
	case status == http.StatusNotFound:
		e.Next = "no Prometheus API there: check the address and its path prefix (--web.external-url, --web.route-prefix)"
	case status/100 == 3:
		e.Kind = sources.BadAnswer
		e.Next = "the address redirects elsewhere: set the address that it leads to, or log in at the proxy"
	}
	return e
}

// fromWords maps Prometheus' own error types; status decides where the type is not known.
func fromWords(kind v1.ErrorType, msg string, status int) *sources.Error {
	e := sources.FromHTTP(name, "", status, msg)
	e.Err = fmt.Errorf("%s: %s", kind, short(msg))
	switch kind {
	case v1.ErrBadData, v1.ErrExec:
		e.Kind, e.Next = sources.BadQuestion, "correct the query"
	case v1.ErrTimeout:
		e.Kind, e.Next = sources.OverLimit, "ask for a shorter time or fewer series, or raise the server's --query.timeout"
	case v1.ErrCanceled, "unavailable":
		e.Kind, e.Next = sources.Unreachable, "the server is starting, stopping or overloaded; it is tried again by itself"
	case "not_found":
		e.Kind = sources.NotFound
	case "internal":
		e.Kind, e.Next = sources.BadAnswer, "look at the server's own log"
	}
	placed(e, msg)
	for _, limit := range []string{"exceeded maximum resolution", "too many samples", "exceeds the limit", "max_fetched", "limit reached"} {
		if strings.Contains(msg, limit) {
			e.Kind, e.Next = sources.OverLimit, "make the step longer, the time shorter, or the query narrower"
		}
	}
	return e
}

// short keeps the first 300 bytes of a message that may quote a whole query.
func short(s string) string {
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// failed names what was being done in an error of the library or of the gate.
func (c *Client) failed(op string, err error) error {
	if err == nil {
		return nil
	}
	var mine *sources.Error
	if errors.As(err, &mine) {
		named := *mine // it may be a context's cause, which all that run under it share
		named.Op = op
		return &named
	}
	var theirs *v1.Error
	if errors.As(err, &theirs) {
		return c.fromLibrary(op, theirs)
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &sources.Error{Source: name, Op: op, Kind: sources.Unreachable, Next: "it did not answer in time: ask for a shorter time, or allow more with --timeout", Err: err}
	}
	return sources.FromTransport(name, op, c.shown, err)
}

// fromLibrary maps what the library itself found wrong with an answer of status 2xx.
func (c *Client) fromLibrary(op string, e *v1.Error) error {
	switch {
	case e.Type == v1.ErrBadResponse && strings.Contains(e.Msg, "unexpected value type"):
		return &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "ask for numbers: a text cannot be drawn", Err: errors.New("the query's answer is a text, not numbers")}
	case e.Type == v1.ErrBadResponse:
		return &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "the answer was cut off, or is not Prometheus': look at a proxy before it",
			Err: fmt.Errorf("cannot understand the answer: %s", short(e.Msg))}
	}
	said := fromWords(e.Type, e.Msg, http.StatusInternalServerError)
	said.Op = op
	return said
}
