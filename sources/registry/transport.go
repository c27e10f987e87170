package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"quarterdeck/sources"
)

func newTransport(lax bool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: lax}, //nolint:gosec // asked for by the user, host by host
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
}

// transport is that of one question: it bounds the bytes of all its answers, and speaks plain http only where that is
// allowed.
func (c *Client) transport(t target) http.RoundTripper {
	b := &bounded{base: c.verified, plain: t.plain}
	if t.lax {
		b.base = c.lax
	}
	b.left.Store(c.o.MaxBytes)
	return b
}

type bounded struct {
	base  *http.Transport
	plain bool
	left  atomic.Int64
}

var (
	errTooLarge = errors.New("the answer is too large")
	errPlain    = errors.New("plain http is not allowed for this registry")
	errTimeout  = errors.New("no whole answer in time")
	errHelper   = errors.New("docker's credential helper does not answer")
)

// RoundTrip is http.RoundTripper's.
func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !b.plain {
		return nil, errPlain
	}
	resp, err := b.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &budgeted{resp.Body, &b.left}
	return resp, nil
}

type budgeted struct {
	io.ReadCloser
	left *atomic.Int64
}

// Read is io.Reader's.
func (b *budgeted) Read(p []byte) (int, error) {
	if b.left.Load() < 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p)
	if b.left.Add(-int64(n)) < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// credentials are those that docker has for a registry, or else for the mirror that stands for it. A credential helper
// is a program that may wait for somebody: it is left behind when the time is up.
func credentials(ctx context.Context, t target) (authn.Authenticator, error) {
	type found struct {
		auth authn.Authenticator
		err  error
	}
	done := make(chan found, 1)
	go func() {
		auth, err := authn.DefaultKeychain.Resolve(t.asked.Context())
		if err == nil && auth == authn.Anonymous && t.ref != t.asked {
			auth, err = authn.DefaultKeychain.Resolve(t.ref.Context())
		}
		done <- found{auth, err}
	}()
	select {
	case f := <-done:
		if f.err != nil {
			return nil, &sources.Error{Source: source, Kind: sources.Unauthorised, Op: "read docker's credentials", Next: "correct ~/.docker/config.json (or the one that DOCKER_CONFIG names), or the credential helper that it names", Err: f.err}
		}
		return f.auth, nil
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errTimeout) {
			return nil, fmt.Errorf("%w: %w", errHelper, context.DeadlineExceeded)
		}
		return nil, ctx.Err()
	}
}

// failed makes the domain's error of what went wrong.
func (c *Client) failed(ctx context.Context, op string, t target, err error) error {
	var own *sources.Error
	if errors.As(err, &own) {
		return err
	}
	e := &sources.Error{Source: source, Op: op, Kind: sources.BadAnswer, Err: err, Next: "check that " + t.shown() + " is a registry, and that no login page or proxy answers for it"}
	host := t.asked.Context().RegistryStr()
	var answer *transport.Error
	switch {
	case errors.Is(err, errTooMany):
		e.Kind, e.Next = sources.OverLimit, "type the tag by hand if it is not among them"
	case errors.Is(err, errTooLarge):
		e.Kind, e.Next = sources.OverLimit, "type the tag by hand: the registry's list is too large to be read"
	case errors.Is(err, errCircle):
		e.Next = "type the tag by hand, and tell the registry's owner"
	case errors.Is(err, errPlain):
		e.Kind, e.Next = sources.Unreachable, "serve "+t.ref.Context().RegistryStr()+" with TLS, or list it as insecure under registries in the config"
	case errors.Is(err, errHelper):
		e.Kind, e.Next = sources.Unauthorised, "see what the credential helper in docker's config file waits for"
	case errors.As(err, &answer):
		c.answered(e, host, t, answer)
	case errors.Is(err, context.Canceled), errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %s: %w", source, op, context.Canceled) // a context that we ended is no failure of a source
	case errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil:
		e.Kind, e.Next, e.Err = sources.Unreachable, "check the way to "+t.shown(), fmt.Errorf("%w (%s): %w", errTimeout, c.o.Timeout, context.DeadlineExceeded)
	case isNetwork(err):
		return sources.FromTransport(source, op, t.shown(), err)
	}
	return e
}

func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// answered fills in what an answer that is not a success says.
func (c *Client) answered(e *sources.Error, host string, t target, answer *transport.Error) {
	plain := sources.FromHTTP(source, e.Op, answer.StatusCode, "")
	e.Kind, e.Err = plain.Kind, shorten(answer)
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		e.Next = "docker login " + host + ", as the user that runs Quarterdeck; or there is no such repository"
	case http.StatusForbidden:
		e.Next = "ask for the right to read " + t.asked.Context().Name()
	case http.StatusNotFound:
		e.Next = "check the image's name: " + t.shown() + " has no such repository or tag"
	case http.StatusTooManyRequests:
		e.Next = "wait, or docker login " + host + ": the registry limits how often it is asked"
	default:
		e.Next = "look at the registry's own log, and at a proxy before it"
	}
}

// shorten is an answer's error on one line of a bounded length.
func shorten(answer *transport.Error) error {
	text := fmt.Sprintf("HTTP %d", answer.StatusCode)
	for _, d := range answer.Errors {
		text += fmt.Sprintf(": %s: %.200q", d.Code, d.Message)
		break
	}
	return fmt.Errorf("%.300s", text)
}
