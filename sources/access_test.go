package sources

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// get asks once and closes what it opened.
func get(t *testing.T, a Access, path string) (string, error) {
	t.Helper()
	c, err := a.Client()
	if err != nil {
		return "", err
	}
	defer c.CloseIdleConnections()
	u, err := a.URL()
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.JoinPath(path).String(), http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(r)
	if err != nil {
		return "", FromTransport(a.Source, "get", a.Address, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// echo answers with what it was asked with.
func echo(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	fmt.Fprintf(w, "%s|%s|%s|%s|%s|%s|%s", user, password, r.Header.Get("Authorization"), r.Header.Get("X-Scope-OrgID"), r.Header.Get("X-Mine"), r.Host, r.UserAgent())
}

func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogin(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	withUser := strings.Replace(srv.URL, "http://", "http://ann:p%40ss@", 1)
	pass := file(t, "pass", []byte("from-file\n"))
	for name, c := range map[string]struct {
		a    Access
		want string
	}{
		"none":                    {Access{Address: srv.URL}, "|||"},
		"in the address":          {Access{Address: withUser}, "ann|p@ss|Basic"},
		"own user wins":           {Access{Address: withUser, Username: "bob", Password: "b"}, "bob|b|Basic"},
		"password file":           {Access{Address: srv.URL, Username: "bob", PasswordFile: pass}, "bob|from-file|"},
		"user in address, file":   {Access{Address: strings.Replace(srv.URL, "http://", "http://ann@", 1), PasswordFile: pass}, "ann|from-file|"},
		"bearer":                  {Access{Address: srv.URL, BearerToken: "tok"}, "||Bearer tok|"},
		"bearer wins over basic":  {Access{Address: withUser, BearerToken: "tok"}, "||Bearer tok|"},
		"tenant and own header":   {Access{Address: srv.URL, Tenant: "team-a", Headers: map[string]string{"x-mine": "m"}}, "|||team-a|m|"},
		"own header, from a file": {Access{Address: srv.URL, HeaderFiles: map[string]string{"x-mine": pass}}, "||||from-file|"},
		"own host, agent":         {Access{Address: srv.URL, Headers: map[string]string{"Host": "loki.example"}}, "|||||loki.example|quarterdeck"},
		"trailing slash, no path": {Access{Address: srv.URL + "/"}, "|||"},
	} {
		if got, err := get(t, c.a, "/x"); err != nil || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

func TestBearerFileRotates(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	path := file(t, "token", []byte("one\n"))
	a := Access{Source: "loki", Address: srv.URL, BearerTokenFile: path}
	c, err := a.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	for _, token := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		resp, err := c.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(b), "Bearer "+token+"|") {
			t.Errorf("want %s, got %s", token, b)
		}
	}
	for what, content := range map[string]string{"is empty": " \n", "more than one line": "a\nX-Evil: b"} {
		_ = os.WriteFile(path, []byte(content), 0o600)
		_, err := get(t, a, "")
		if KindOf(err) != Unauthorised || !strings.Contains(err.Error(), what) || NextOf(err) == "" || strings.Contains(err.Error(), "Evil") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_ = os.Remove(path)
	if _, err := get(t, a, ""); KindOf(err) != Unauthorised || !strings.Contains(err.Error(), path) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// Credentials go to the configured host alone, wherever a redirect leads.
func TestRedirectsGetNoLogin(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(echo))
	defer other.Close()
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/here":
			http.Redirect(w, r, srv.URL+"/x", http.StatusFound)
		default:
			echo(w, r)
		}
	}))
	defer srv.Close()
	a := Access{Address: srv.URL, BearerToken: "tok", Tenant: "team-a", Headers: map[string]string{"X-Mine": "secret"}}
	if got, err := get(t, a, "/away"); err != nil || !strings.HasPrefix(got, "|||||") {
		t.Errorf("another host was told %q, %v", got, err)
	}
	if got, err := get(t, a, "/here"); err != nil || !strings.Contains(got, "Bearer tok|team-a|secret") {
		t.Errorf("the same host was told %q, %v", got, err)
	}
}

func TestRedaction(t *testing.T) {
	for addr, want := range map[string]string{
		"http://ann:secret@loki:3100/loki":       "http://loki:3100/loki",
		"https://loki/?token=secret#secret":      "https://loki/",
		"ann:secret@loki:3100":                   "loki:3100",
		"secret@loki":                            "loki",
		"loki:3100?key=secret":                   "loki:3100",
		"http://ann:secret%zz@loki":              "loki",
		"http://ann:sec:ret@@loki":               "loki",
		"http://[::1]:3100/":                     "http://[::1]:3100/",
		"":                                       "",
		"unix:///var/run/docker.sock":            "unix:///var/run/docker.sock",
		"tcp://ann:secret@manager:2376/x?secret": "tcp://manager:2376/x",
	} {
		a := Access{Source: "loki", Address: addr}
		if got := a.Shown(); strings.Contains(got, "secret") || strings.Contains(got, "ann") || got != want && !strings.HasSuffix(got, want) {
			t.Errorf("%q is shown as %q, want %q", addr, got, want)
		}
		if _, err := a.URL(); err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", addr, err)
		}
		err := FromTransport("loki", "query", addr, errors.New("x"))
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", addr, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there
	_, err = get(t, Access{Source: "loki", Address: "http://ann:secret@" + l.Addr().String()}, "/x")
	if KindOf(err) != Unreachable || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "ann") || !strings.Contains(NextOf(err), l.Addr().String()) {
		t.Errorf("%v", err)
	}
	c := http.Client{}
	resp, err := c.Get("http://ann:secret@" + l.Addr().String() + "/x?token=secret")
	if err == nil {
		_ = resp.Body.Close()
		t.Fatal("somebody listens")
	}
	if got := FromTransport("loki", "query", "", err).Error(); strings.Contains(got, "secret") || strings.Contains(got, "ann") {
		t.Errorf("another client's error: %v", got)
	}
}

func TestURL(t *testing.T) {
	for addr, kind := range map[string]Kind{"http://a:1": 0, "https://a/prefix/": 0, "": NotConfigured, "a:1": BadQuestion, "ftp://a": BadQuestion, "http://": BadQuestion, "http://a b": BadQuestion, "://": BadQuestion} {
		u, err := Access{Source: "loki", Address: addr}.URL()
		if KindOf(err) != kind || kind != 0 && NextOf(err) == "" || kind == 0 && (u.User != nil || strings.HasSuffix(u.Path, "/")) {
			t.Errorf("%q: %v, %v", addr, u, err)
		}
		if _, err := (Access{Source: "loki", Address: addr}).Client(); KindOf(err) != kind {
			t.Errorf("%q: client: %v", addr, err)
		}
	}
}

// zeros is an answer of n bytes.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n <= 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.n)
	z.n -= n
	return int(n), nil
}

func TestBoundedBody(t *testing.T) {
	for size, want := range map[int64]error{0: nil, 999: nil, 1000: nil, 1001: ErrTooLarge, 5000: ErrTooLarge} {
		for _, step := range []int{1, 7, 4096} {
			b := &boundedBody{ReadCloser: io.NopCloser(&zeros{size}), left: 1000}
			total, err, p := int64(0), error(nil), make([]byte, step)
			for err == nil {
				var n int
				n, err = b.Read(p)
				total += int64(n)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			if !errors.Is(err, want) || total > 1000 || want == nil && total != size {
				t.Errorf("%d bytes by %d: %d read, %v", size, step, total, err)
			}
		}
	}
	if err := FromTransport("loki", "query", "", fmt.Errorf("read: %w", ErrTooLarge)); KindOf(err) != BadAnswer || NextOf(err) == "" {
		t.Errorf("%v", err)
	}
}

// certificate makes one signed by itself, valid until.
func certificate(t *testing.T, until time.Time) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"loki.example"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: pk})
}

func TestTLSFiles(t *testing.T) {
	cert, key := certificate(t, time.Now().Add(time.Hour))
	oldCert, oldKey := certificate(t, time.Now().Add(-time.Hour))
	good, goodKey := file(t, "c.pem", cert), file(t, "k.pem", key)
	missing, rubbish := filepath.Join(t.TempDir(), "none.pem"), file(t, "r.pem", []byte("rubbish"))
	for name, c := range map[string]struct {
		tls  TLS
		want string
	}{
		"none":           {TLS{}, ""},
		"all good":       {TLS{CAFile: good, CertFile: good, KeyFile: goodKey}, ""},
		"ca missing":     {TLS{CAFile: missing}, "none.pem"},
		"ca rubbish":     {TLS{CAFile: rubbish}, "no certificate in it"},
		"cert alone":     {TLS{CertFile: good}, "both cert and key"},
		"key alone":      {TLS{KeyFile: goodKey}, "both cert and key"},
		"cert missing":   {TLS{CertFile: missing, KeyFile: goodKey}, "none.pem"},
		"key is another": {TLS{CertFile: good, KeyFile: file(t, "o.pem", oldKey)}, "client certificate"},
		"cert rubbish":   {TLS{CertFile: rubbish, KeyFile: goodKey}, "client certificate"},
		"cert expired":   {TLS{CertFile: file(t, "oc.pem", oldCert), KeyFile: file(t, "ok.pem", oldKey)}, "expired at"},
	} {
		_, err := Access{Source: "loki", Address: "https://loki", TLS: c.tls}.Client()
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || KindOf(err) != Unauthorised || NextOf(err) == "") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestTLSServers(t *testing.T) {
	serve := func(until time.Time, client tls.ClientAuthType) (string, string) {
		cert, key := certificate(t, until)
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewUnstartedServer(http.HandlerFunc(echo))
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: client, MinVersion: tls.VersionTLS12}
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv.URL, file(t, "ca.pem", cert)
	}
	good, ca := serve(time.Now().Add(time.Hour), tls.NoClientCert)
	expired, expiredCA := serve(time.Now().Add(-time.Hour), tls.NoClientCert)
	mutual, mutualCA := serve(time.Now().Add(time.Hour), tls.RequireAnyClientCert)
	plain := httptest.NewServer(http.HandlerFunc(echo))
	defer plain.Close()
	for name, c := range map[string]struct {
		addr string
		tls  TLS
		kind Kind
		next string
	}{
		"trusted":             {good, TLS{CAFile: ca}, 0, ""},
		"skipped":             {good, TLS{Insecure: true}, 0, ""},
		"unknown authority":   {good, TLS{}, Unauthorised, "ca file"},
		"other name":          {good, TLS{CAFile: ca, ServerName: "other.example"}, Unauthorised, "server name"},
		"own server name":     {good, TLS{CAFile: ca, ServerName: "loki.example"}, 0, ""},
		"expired":             {expired, TLS{CAFile: expiredCA}, Unauthorised, "expired"},
		"client cert wanted":  {mutual, TLS{CAFile: mutualCA}, Unauthorised, "client certificate"},
		"https to plain http": {strings.Replace(plain.URL, "http:", "https:", 1), TLS{}, BadAnswer, "http://"},
	} {
		_, err := get(t, Access{Source: "loki", Address: c.addr, TLS: c.tls}, "")
		if KindOf(err) != c.kind || (c.kind == 0) != (err == nil) || !strings.Contains(NextOf(err), c.next) {
			t.Errorf("%s: kind %v, next %q: %v", name, KindOf(err), NextOf(err), err)
		}
	}
	body, _ := get(t, Access{Source: "loki", Address: strings.Replace(good, "https:", "http:", 1)}, "")
	if e := FromHTTP("loki", "get", http.StatusBadRequest, body); !strings.Contains(e.Next, "https://") {
		t.Errorf("http to https: %v", e)
	}
}

func TestTimeout(t *testing.T) {
	stop := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer srv.Close()
	defer close(stop)
	_, err := get(t, Access{Source: "loki", Address: srv.URL, Timeout: 50 * time.Millisecond}, "")
	if KindOf(err) != Unreachable || !strings.Contains(NextOf(err), "in time") {
		t.Errorf("%v: %s", err, NextOf(err))
	}
}

// The proxy settings are read once a process, so this asks in another one.
func TestProxy(t *testing.T) {
	if addr := os.Getenv("QUARTERDECK_TEST_ASK"); addr != "" {
		got, err := get(t, Access{Source: "loki", Address: addr, BearerToken: "tok"}, "/x")
		fmt.Println("ANSWER", got, err)
		return
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "proxied %s %s", r.URL, r.Header.Get("Authorization"))
	}))
	defer proxy.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxy$", "-test.v") //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), "QUARTERDECK_TEST_ASK=http://loki.example:3100", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("ANSWER proxied http://loki.example:3100/x Bearer tok <nil>")) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestFromHTTP(t *testing.T) {
	for status, want := range map[int]Kind{401: Unauthorised, 403: Forbidden, 404: NotFound, 429: OverLimit, 413: OverLimit, 400: BadQuestion, 422: BadQuestion,
		502: Unreachable, 503: Unreachable, 504: Unreachable, 500: BadAnswer, 418: BadAnswer, 302: BadAnswer} {
		e := FromHTTP("loki", "query", status, " line\n\tone ")
		if e.Kind != want || e.Next == "" || !strings.Contains(e.Error(), fmt.Sprintf("loki: query: %s: HTTP %d: line one (", want, status)) {
			t.Errorf("%d: %v", status, e)
		}
	}
	if s := FromHTTP("loki", "query", 500, strings.Repeat("é", 400)).Error(); len(s) > 450 || strings.Contains(s, "\uFFFD") || strings.Contains(strings.ToValidUTF8(s, "!"), "!") {
		t.Errorf("%d bytes: %q", len(s), s)
	}
}

func TestFromTransport(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		kind Kind
		next string
	}{
		"ours already":  {fmt.Errorf("x: %w", &Error{Kind: TooOld, Next: "n"}), TooOld, "n"},
		"cancelled":     {fmt.Errorf("x: %w", context.Canceled), 0, ""},
		"deadline":      {fmt.Errorf("x: %w", context.DeadlineExceeded), Unreachable, "in time"},
		"dns":           {&net.DNSError{Name: "loki", Err: "no such host"}, Unreachable, "cannot be resolved"},
		"refused":       {errors.New("connection refused"), Unreachable, "listens at http://loki"},
		"cut short":     {io.ErrUnexpectedEOF, Unreachable, "was cut"},
		"dropped":       {fmt.Errorf("read: %w", syscall.ECONNRESET), Unreachable, "was cut"},
		"other's alert": {&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, Unauthorised, "client certificate"},
	} {
		err := FromTransport("loki", "query", "http://a:b@loki", c.err)
		if KindOf(err) != c.kind || !strings.Contains(NextOf(err), c.next) || !errors.Is(err, c.err) {
			t.Errorf("%s: %v (kind %v)", name, err, KindOf(err))
		}
	}
}

func TestNoHTTPIsABadAnswer(t *testing.T) {
	err := FromTransport("loki", "query", "http://a:b@loki:9", errors.New("transport connection broken: malformed HTTP response \"\\x00\\xff\""))
	if KindOf(err) != BadAnswer || !strings.Contains(NextOf(err), "http://loki:9") || strings.Contains(err.Error(), "xff") {
		t.Error(err)
	}
}

func TestErrorsAndStates(t *testing.T) {
	for k := Unreachable; k <= NotManager; k++ {
		if k.String() == "failed" {
			t.Errorf("kind %d has no word", k)
		}
		e := &Error{Source: "s", Kind: k, Op: "o"}
		if got := KindOf(fmt.Errorf("w: %w", e)); got != k {
			t.Errorf("%v is taken for %v", k, got)
		}
		if s := (Status{State: StateOf(e)}); s.OK() || s.State == "" {
			t.Errorf("%v leads to %v, which is OK", k, s.State)
		}
	}
	for err, want := range map[error]State{
		away(Unauthorised): NoAuth, away(Forbidden): Denied, away(NotManager): Denied, away(NotConfigured): Absent, away(BadAnswer): Faulty,
		away(TooOld): Faulty, away(NotFound): Faulty, away(BadQuestion): Faulty, away(Unreachable): Reconnecting, away(OverLimit): Reconnecting, errors.New("x"): Reconnecting,
	} {
		if got := StateOf(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
	if KindOf(nil) != 0 || KindOf(context.Canceled) != 0 || KindOf(context.DeadlineExceeded) != Unreachable || Kind(0).String() != "failed" || NextOf(errors.New("x")) != "" {
		t.Error("what is no *Error has a kind")
	}
	if k := KindOf(&Error{Kind: Unreachable, Err: context.Canceled}); k != 0 {
		t.Errorf("what we cancelled is %v", k)
	}
	for state, ok := range map[State]bool{Connecting: false, Live: true, Polling: true, Reconnecting: false, HasGap: true, Dropped: true, Stale: false, NoAuth: false, Denied: false, Faulty: false, Absent: false} {
		if (Status{State: state}).OK() != ok {
			t.Errorf("%s: OK is %v", state, !ok)
		}
	}
	e := &Error{Source: "loki", Kind: Unreachable, Op: "query", Next: "look", Err: io.EOF}
	if e.Error() != "loki: query: unreachable: EOF (look)" || !errors.Is(e, io.EOF) {
		t.Error(e)
	}
}
