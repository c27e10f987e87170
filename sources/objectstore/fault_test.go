package objectstore_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/demo/objects"
	"quarterdeck/sources/objectstore"
)

const secret = "s3cr3t-that-nobody-sees"

// opened is a store at an address, with keys of which the secret must appear nowhere.
func opened(t *testing.T, url string, within time.Duration) *objectstore.Store {
	t.Helper()
	env := map[string]string{"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "token-" + secret}
	s, err := objectstore.Open("s3+"+url+"/bucket/env", func(n string) string { return env[n] }, within)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func served(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// says answers with a status and a body.
func says(status int, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	}
}

func xmlError(code, message string) string {
	return "<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>"
}

// Whatever a server answers, the kind tells what to do about it, and the words say so without a secret.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   sources.Kind
		next   string
	}{
		"500":                          {says(500, xmlError("InternalError", "We encountered an internal error.")), sources.BadAnswer, "own log"},
		"503":                          {says(503, "overloaded"), sources.Unreachable, "in a moment"},
		"502 of a proxy":               {says(502, "<html>Bad Gateway</html>"), sources.Unreachable, "in a moment"},
		"slow down":                    {says(503, xmlError("SlowDown", "Please reduce your request rate.")), sources.OverLimit, "limits requests"},
		"429":                          {says(429, ""), sources.OverLimit, "limits requests"},
		"a clock that is off":          {says(403, xmlError("RequestTimeTooSkewed", "The difference is too large.")), sources.Unauthorised, "clock"},
		"another region":               {says(400, xmlError("AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-central-1'")), sources.BadQuestion, "AWS_REGION"},
		"a redirect":                   {says(301, xmlError("PermanentRedirect", "use the other endpoint")), sources.BadQuestion, "AWS_REGION"},
		"forbidden":                    {says(403, xmlError("AccessDenied", "Access Denied.")), sources.Forbidden, "bucket bucket"},
		"forbidden by a proxy":         {says(403, "<html>no</html>"), sources.Forbidden, "policy"},
		"401":                          {says(401, ""), sources.Unauthorised, "AWS_SECRET_ACCESS_KEY"},
		"404 of a web server":          {says(404, "<html>not here</html>"), sources.NotFound, ""},
		"404 with a code of its own":   {says(404, xmlError("XOdd", "odd")), sources.BadAnswer, "no other server"},
		"an unknown key of versitygw":  {says(404, xmlError("XAdminUserNotFound", "No user exists.")), sources.Unauthorised, "AWS_ACCESS_KEY_ID"},
		"a token that has expired":     {says(400, xmlError("ExpiredToken", "The provided token has expired.")), sources.Unauthorised, "AWS_ACCESS_KEY_ID"},
		"plain HTTP to a TLS port":     {says(400, "Client sent an HTTP request to an HTTPS server."), sources.BadAnswer, "s3+https://"},
		"a web page":                   {says(400, "<html>hello</html>"), sources.BadQuestion, "no other server"},
		"control characters, no end":   {says(500, "\x1b[2J"+strings.Repeat("\x07 boo ", 5000)), sources.BadAnswer, "own log"},
		"a code with control sequence": {says(409, xmlError("&#x9;Odd", "a&#xA;b")), sources.Conflict, "another was first"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, served(t, c.answer), time.Minute)
			_, list := s.List(t.Context(), "records/")
			wantKind(t, list, c.kind, c.next)
			put := s.Put(t.Context(), "records/a.json", []byte("{}"))
			wantKind(t, put, c.kind, c.next)
			create := s.Create(t.Context(), "records/a.json", []byte("{}"))
			wantKind(t, create, c.kind, c.next)
			for _, err := range []error{list, put, create} {
				if text := err.Error(); strings.Contains(text, secret) || strings.ContainsAny(text, "\x1b\x07\n") || len(text) > 1000 {
					t.Errorf("%q", text)
				}
			}
		})
	}
}

// What is below HTTP: refused, no name, no answer, cut, no TLS, a certificate that nobody vouches for.
func TestNoAnswer(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client has gone
		<-r.Context().Done()
	}
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	half := func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(rw, `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name>`)
		_ = http.NewResponseController(rw).Flush()
		panic(http.ErrAbortHandler)
	}
	secure := httptest.NewUnstartedServer(http.HandlerFunc(says(200, "")))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own
	must(t, err)
	refused := "http://" + l.Addr().String()
	must(t, l.Close())
	for name, c := range map[string]struct {
		url    string
		within time.Duration
		kind   sources.Kind
		says   string
	}{
		"refused":             {refused, time.Minute, sources.Unreachable, "check that the object store listens"},
		"no such name":        {"http://no.such.host.invalid:9000", time.Minute, sources.Unreachable, "name cannot be resolved"},
		"no answer":           {served(t, hang), 200 * time.Millisecond, sources.Unreachable, "no answer within 200ms"},
		"cut":                 {served(t, cut), time.Minute, sources.Unreachable, "the connection was cut"},
		"cut in the middle":   {served(t, half), time.Minute, sources.Unreachable, "the connection was cut"},
		"TLS asked of none":   {strings.Replace(served(t, says(200, "")), "http:", "https:", 1), time.Minute, sources.BadAnswer, "s3+http://"},
		"unknown certificate": {secure.URL, time.Minute, sources.Unauthorised, "SSL_CERT_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, c.url, c.within)
			_, err := s.List(t.Context(), "records/")
			if sources.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || sources.NextOf(err) == "" || strings.Contains(err.Error(), secret) {
				t.Errorf("list: %v", err)
			}
			err = s.Create(t.Context(), "a", []byte("x"))
			if name == "cut in the middle" { // that it was done stands in the head of the answer
				must(t, err)
			} else if sources.KindOf(err) != c.kind || strings.Contains(err.Error(), secret) {
				t.Errorf("create: %v", err)
			}
			if p := s.Probe(t.Context(), true); p.State == sources.Live || len(p.Missing) == 0 || p.Fix == "" {
				t.Errorf("%+v", p)
			}
		})
	}
}

// A caller's own end is no failure of the store.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := opened(t, served(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}), time.Minute)
	_, err := s.List(ctx, "")
	if !errors.Is(err, context.Canceled) || sources.KindOf(err) != 0 {
		t.Errorf("%v", err)
	}
}

// An object that is cut in the middle is an error, and never a short object.
func TestCutObject(t *testing.T) {
	p := embedded(t, func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "cut.json") {
				inner.ServeHTTP(rw, r)
				return
			}
			whole := httptest.NewRecorder()
			inner.ServeHTTP(whole, r)
			for k, v := range whole.Header() {
				rw.Header()[k] = v
			}
			_, _ = rw.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
			_ = http.NewResponseController(rw).Flush()
			panic(http.ErrAbortHandler)
		})
	})
	s := p.open(t)
	must(t, s.Put(t.Context(), "cut.json", bytes.Repeat([]byte("x"), 10000)))
	got, err := s.Get(t.Context(), "cut.json", 20000)
	if got != nil || sources.KindOf(err) != sources.Unreachable || !strings.Contains(err.Error(), "cut") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What may pass is tried again: a server that is busy for a moment, and a Create whose answer is lost after it was done. The claim of another is not
// taken for one's own.
func TestTriedAgain(t *testing.T) {
	var puts, fail atomic.Int32
	var after atomic.Bool // the change is made, and its answer lost
	p := embedded(t, func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && puts.Add(1) <= fail.Load() {
				if after.Load() {
					inner.ServeHTTP(httptest.NewRecorder(), r)
				}
				panic(http.ErrAbortHandler)
			}
			inner.ServeHTTP(rw, r)
		})
	})
	s := p.open(t)
	set := func(n int32, made bool) { puts.Store(0); fail.Store(n); after.Store(made) }
	set(2, false)
	must(t, s.Put(t.Context(), "a.json", []byte("1")))
	set(1, false)
	must(t, s.Create(t.Context(), "lost-before.json", []byte("1")))
	set(1, true)
	must(t, s.Create(t.Context(), "lost-after.json", []byte("1")))
	if got := puts.Load(); got != 2 {
		t.Errorf("%d tries, want 2", got)
	}
	set(0, false)
	wantKind(t, s.Create(t.Context(), "lost-after.json", []byte("1")), sources.Conflict, "")
	set(1, false) // the first try is lost before it was made, and another has the key: even with the same bytes it is not ours
	wantKind(t, s.Create(t.Context(), "lost-after.json", []byte("1")), sources.Conflict, "")
	set(3, false)
	wantKind(t, s.Create(t.Context(), "never.json", []byte("1")), sources.Unreachable, "")
}

// Keys that stand in files are read at each call: rotated ones count at once, and a file that is gone is an error with a way out.
func TestRotatedKeys(t *testing.T) {
	p := embedded(t, nil)
	dir := t.TempDir()
	write := func(key string) { must(t, os.WriteFile(filepath.Join(dir, "secret"), []byte(key+"\n"), 0o600)) }
	env := map[string]string{"AWS_ACCESS_KEY_ID": objects.AccessKey, "AWS_SECRET_ACCESS_KEY_FILE": filepath.Join(dir, "secret")}
	s, err := objectstore.Open(p.at.String(), func(n string) string { return env[n] }, 0)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	_, err = s.List(t.Context(), "")
	wantKind(t, err, sources.Unauthorised, "name a file that can be read")
	write(secret)
	_, err = s.List(t.Context(), "")
	wantKind(t, err, sources.Unauthorised, "AWS_SECRET_ACCESS_KEY")
	if strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
	write(objects.SecretKey)
	if _, err := s.List(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

// A server that lists for ever does not fill the memory, and one that names what was not asked for is not believed.
func TestHostileList(t *testing.T) {
	page := 0
	s := opened(t, served(t, func(rw http.ResponseWriter, _ *http.Request) {
		page++
		fmt.Fprintf(rw, `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>`, page)
		for i := range 5000 {
			fmt.Fprintf(rw, `<Contents><Key>env/records/%d-%d</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>"x"</ETag></Contents>`, page, i)
		}
		fmt.Fprint(rw, `<Contents><Key>elsewhere/secret</Key></Contents><Contents><Key>env/</Key></Contents></ListBucketResult>`)
	}), time.Minute)
	list, err := s.List(t.Context(), "records/")
	wantKind(t, err, sources.OverLimit, "prefix of their own")
	if list != nil {
		t.Errorf("%d objects", len(list))
	}
	one := opened(t, served(t, says(200, `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><Contents><Key>elsewhere/x</Key></Contents><Contents><Key>env/records/a</Key></Contents><Contents><Key>env/records/d/</Key></Contents></ListBucketResult>`)), time.Minute)
	list, err = one.List(t.Context(), "records/")
	if err != nil || len(list) != 1 || list[0].Key != "records/a" {
		t.Errorf("%v, %v", list, err)
	}
}
