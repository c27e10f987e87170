package swarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"quarterdeck/sources"
)

// maxEvent bounds one message of the event stream, in bytes. Real ones are under 4 KiB.
const maxEvent = 1 << 20

// maxRefusal is how much of an error's body is read, in bytes.
const maxRefusal = 4 << 10

// errNotDocker: somebody else lives at the address.
var errNotDocker = errors.New("a web page came back instead of JSON")

// refusal is an answer with a status of 400 or more.
type refusal struct {
	status       int
	message      string // the engine's message, or the body's beginning
	html         bool
	engine       bool   // it is an engine's own: JSON with a message
	method, path string // of the request; the path without the API's version
}

func (r *refusal) Error() string {
	if r.message == "" {
		return fmt.Sprintf("HTTP %d", r.status)
	}
	return fmt.Sprintf("HTTP %d: %s", r.status, r.message)
}

// note carries a call's raw error past the moby client, and how far the call came.
type note struct {
	err                     error
	at                      string      // the engine's address
	tried, connected, wrote atomic.Bool // a request was made; a connection was had; the request's header was written
}

// seatOf is the address of the engine that a call goes to.
func seatOf(ctx context.Context) string {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		return n.at
	}
	return ""
}

type noteKey struct{}

// on gives the context of the call that the note is of.
func (n *note) on(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(context.WithValue(ctx, noteKey{}, n), &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { n.connected.Store(true) },
		WroteHeaders: func() { n.wrote.Store(true) },
	})
}

// rawBody is the context's key under which a *[]byte asks the guard for the answer as it came.
type rawBody struct{}

// guard stands between the moby client and the wire: it bounds every answer, tells a refusal and a web page from an engine's
// answer, and lets listings skip what is known already (see lister).
type guard struct{ base http.RoundTripper }

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	n, _ := r.Context().Value(noteKey{}).(*note)
	if n == nil {
		n = &note{}
	}
	n.tried.Store(true)
	resp, err := g.base.RoundTrip(r)
	if err != nil {
		n.err = err
		return nil, err
	}
	html := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	switch {
	case resp.StatusCode >= 300:
		err = readRefusal(r, resp, html)
	case html:
		err = errNotDocker
	}
	if err != nil {
		resp.Body.Close()
		n.err = err
		return nil, err
	}
	n.err = nil
	switch l, _ := r.Context().Value(lister{}).(*listing); {
	case r.Method == http.MethodHead:
	case l != nil:
		body, err := l.take(resp.Body)
		resp.Body.Close()
		if err != nil {
			n.err = err
			return nil, err
		}
		resp.Body, resp.ContentLength = body, -1
	case r.Context().Value(rawBody{}) != nil:
		if err := takeRaw(r, resp); err != nil {
			n.err = err
			return nil, err
		}
	case strings.HasSuffix(r.URL.Path, "/events"):
		resp.Body = &messageBound{ReadCloser: resp.Body}
	case strings.HasSuffix(r.URL.Path, "/logs"): // unending; the demultiplexer bounds its lines
	default:
		resp.Body = &answerBound{ReadCloser: resp.Body, left: sources.MaxAnswer, note: n}
	}
	return resp, nil
}

func readRefusal(asked *http.Request, resp *http.Response, html bool) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // what came is enough
	r := &refusal{status: resp.StatusCode, html: html, method: asked.Method, path: plainPath(asked.URL.Path)}
	if !html {
		r.message, r.engine = engineMessage(body)
	}
	return r
}

// plainPath is a path of the engine's API without the version in front.
func plainPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "/v"); ok {
		if _, after, ok := strings.Cut(rest, "/"); ok {
			return "/" + after
		}
	}
	return path
}

// takeRaw reads an answer whole, for who asked for it as it came, and for the client.
func takeRaw(r *http.Request, resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, sources.MaxAnswer+1))
	if err == nil && len(body) > sources.MaxAnswer {
		err = sources.ErrTooLarge
	}
	if err != nil {
		return err
	}
	if to, ok := r.Context().Value(rawBody{}).(*[]byte); ok {
		*to = body
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// answerBound ends an answer that is larger than honest ones, and notes why.
type answerBound struct {
	io.ReadCloser
	left int64
	note *note
}

func (b *answerBound) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.note.err = sources.ErrTooLarge
		return 0, sources.ErrTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil && err != io.EOF {
		b.note.err = err
	}
	return n, err
}

// messageBound ends an event stream whose message has no end. Engines write one JSON object a line.
type messageBound struct {
	io.ReadCloser
	size int
}

func (b *messageBound) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		b.size = n - i
	} else if b.size += n; b.size > maxEvent {
		return 0, fmt.Errorf("an event of the engine's stream is larger than %d KiB: %w", maxEvent>>10, sources.ErrTooLarge)
	}
	return n, err
}
