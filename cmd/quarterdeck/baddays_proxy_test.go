package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fault answers in a source's place. honest is the source itself, for faults that spoil a true answer.
type fault func(w http.ResponseWriter, r *http.Request, honest http.Handler)

// faultProxy stands before one source, and answers as its fault says; without one it hands everything
// through, upgrades and streams too. Safe for concurrent use.
type faultProxy struct {
	addr   string
	honest *httputil.ReverseProxy

	mu     sync.Mutex
	fault  fault
	since  chan struct{} // closed when the fault changes
	server *http.Server  // nil: nothing listens
	wrote  atomic.Int64  // bytes of endless answers
}

func newFaultProxy(t *testing.T, to string) *faultProxy {
	t.Helper()
	u, err := url.Parse(strings.Replace(to, "tcp://", "http://", 1))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	p := &faultProxy{since: make(chan struct{}), honest: &httputil.ReverseProxy{FlushInterval: -1, Transport: transport,
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(u) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }}}
	// An address that nothing else on this machine binds: the port must be free again after a refusal.
	l, err := net.Listen("tcp", "127.0.0.77:0")
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	p.serve(l)
	t.Cleanup(func() {
		p.close()
		transport.CloseIdleConnections()
	})
	return p
}

func (p *faultProxy) serve(l net.Listener) {
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func(s *http.Server) { _ = s.Serve(l) }(p.server)
}

// set puts a fault in force, nil: none. Open connections are cut, as when a server or what is before it restarts.
func (p *faultProxy) set(t *testing.T, f fault) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.since)
	p.since = make(chan struct{})
	if p.server != nil {
		_ = p.server.Close()
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		l, err := net.Listen("tcp", p.addr)
		if err == nil {
			p.serve(l)
			return
		}
		if time.Since(began) > 5*time.Second {
			t.Fatal(err)
		}
	}
}

// refuse lets nothing listen until set is called.
func (p *faultProxy) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.since)
	p.since = make(chan struct{})
	_ = p.server.Close()
	p.server = nil
}

func (p *faultProxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.since)
	p.since = make(chan struct{})
	if p.server != nil {
		_ = p.server.Close()
	}
}

func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	f, since := p.fault, p.since
	p.mu.Unlock()
	if f == nil {
		p.honest.ServeHTTP(w, r)
		return
	}
	f(&countingWriter{ResponseWriter: w, n: &p.wrote, over: since}, r, p.honest)
}

// countingWriter counts what is written, and ends with the fault.
type countingWriter struct {
	http.ResponseWriter
	n    *atomic.Int64
	over <-chan struct{}
}

func (w *countingWriter) Write(b []byte) (int, error) {
	select {
	case <-w.over:
		panic(http.ErrAbortHandler)
	default:
	}
	n, err := w.ResponseWriter.Write(b)
	w.n.Add(int64(n))
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// The faults. Each is given to every source.

func hangs(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	select {
	case <-r.Context().Done():
	case <-w.(*countingWriter).over:
	}
	panic(http.ErrAbortHandler)
}

// answer is the honest answer as a whole; of a stream what comes within a moment.
func answer(r *http.Request, honest http.Handler) (header http.Header, status int, body []byte) {
	a := &wholeAnswer{working: http.Header{}, header: http.Header{}, status: http.StatusOK}
	done := make(chan struct{})
	r.Header.Del("Accept-Encoding")
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // the honest proxy aborts where its side ended
		honest.ServeHTTP(a, r)
	}()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
	}
	return a.told()
}

// wholeAnswer keeps an answer that is on its way. Its maker may still be at work when it is read.
type wholeAnswer struct {
	working http.Header // the maker's alone

	mu     sync.Mutex
	header http.Header // as it was when the status was told
	status int
	body   bytes.Buffer
}

func (a *wholeAnswer) Header() http.Header { return a.working }
func (a *wholeAnswer) Flush()              {}

func (a *wholeAnswer) WriteHeader(s int) {
	told := a.working.Clone()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.header, a.status = told, s
}

func (a *wholeAnswer) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.body.Write(b)
}

// told is what has come so far.
func (a *wholeAnswer) told() (header http.Header, status int, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.header.Clone(), a.status, bytes.Clone(a.body.Bytes())
}

// cutInTheMiddle gives the half of what it promises.
func cutInTheMiddle(w http.ResponseWriter, r *http.Request, honest http.Handler) {
	if r.Method == http.MethodHead || strings.HasSuffix(r.URL.Path, "/events") || strings.HasSuffix(r.URL.Path, "/tail") {
		panic(http.ErrAbortHandler)
	}
	header, status, body := answer(r, honest)
	w.Header().Set("Content-Type", header.Get("Content-Type"))
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// drips gives a byte of the honest answer at a time.
func drips(w http.ResponseWriter, r *http.Request, honest http.Handler) {
	if strings.HasSuffix(r.URL.Path, "/events") || strings.HasSuffix(r.URL.Path, "/tail") {
		hangs(w, r, honest)
	}
	header, status, body := answer(r, honest)
	w.Header().Set("Content-Type", header.Get("Content-Type"))
	w.WriteHeader(status)
	for _, b := range body {
		if _, err := w.Write([]byte{b}); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
}

// noise is bytes that are no HTTP.
func noise(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	b := make([]byte, 4096)
	for i := range b {
		b[i] = byte(rand.N(256)) //nolint:gosec // noise
	}
	_, _ = c.Write(append([]byte{0, 0xff, 0x1b}, b...))
	_ = c.Close()
}

// bodyOf answers 200 with a body of a type.
func bodyOf(contentType, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}

// status answers with a status and a proxy's few words.
func status(code int) fault { return statusSaying(code, "the proxy says: "+http.StatusText(code)) }

func statusSaying(code int, words string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { http.Error(w, words, code) }
}

// endless begins as JSON of the source and never ends.
func endless(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodHead {
		return
	}
	head := `{"status":"success","data":{"resultType":"matrix","result":[`
	item := `{"metric":{"a":"` + strings.Repeat("x", 2000) + `"},"values":[[1,"2"]],"ID":"x","labels":{"alertname":"x"}},`
	if !strings.Contains(r.URL.Path, "/api/v1/") {
		head = "["
	}
	if strings.HasSuffix(r.URL.Path, "/version") {
		head = `{"Version":"`
		item = strings.Repeat("x", 2000)
	}
	chunk := []byte(strings.Repeat(item, 500)) // about 1 MiB
	if _, err := io.WriteString(w, head); err != nil {
		return
	}
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// rewritten spoils the honest answer's text. Streams are left as they are.
func rewritten(how func([]byte) []byte) fault {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/events") || strings.HasSuffix(r.URL.Path, "/tail") || strings.HasSuffix(r.URL.Path, "/logs") {
			honest.ServeHTTP(w, r)
			return
		}
		header, status, body := answer(r, honest)
		body = how(body)
		for k, v := range header {
			w.Header()[k] = v
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(body)
		}
	}
}
