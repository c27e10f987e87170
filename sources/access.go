package sources

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// MaxAnswer bounds one HTTP answer that is read into memory, in bytes. A larger one is BadAnswer,
// not a full memory: the largest honest answer, 10,000 tasks, is under 32 MiB.
const MaxAnswer = 64 << 20

// TLS says whom to trust and who we are. Its zero value trusts the system's roots.
type TLS struct {
	CAFile, CertFile, KeyFile, ServerName string
	// Insecure skips verification; doctor warns of it.
	Insecure bool
}

// Config makes the crypto/tls configuration. A file that cannot be read is a clear error, never a nil.
func (t TLS) Config() (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.Insecure, MinVersion: tls.VersionTLS12} //nolint:gosec // asked for by the user, warned of by doctor
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls: ca file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls: ca file %s: no certificate in it", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("tls: a client certificate needs both cert and key")
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls: client certificate: %w", err)
		}
		if pair.Leaf != nil && time.Now().After(pair.Leaf.NotAfter) {
			return nil, fmt.Errorf("tls: client certificate %s expired at %s", t.CertFile, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Access is where an HTTP source is and how to get in.
type Access struct {
	// Source is the source's short name, for errors.
	Source string
	// Address is the base URL; user:password in it are used as basic auth and never shown.
	Address            string
	Username, Password string
	PasswordFile       string // read at each request, so that a rotated secret works
	BearerToken        string
	BearerTokenFile    string
	Tenant             string // X-Scope-OrgID
	Headers            map[string]string
	HeaderFiles        map[string]string // a header's value is in a file: read at each request
	TLS                TLS
	Timeout            time.Duration // of a request from start to body's end; 0: 15 s
}

// URL is the address without credentials (Transport and Header give those); what is wrong with it is a
// BadQuestion with a way out.
func (a Access) URL() (*url.URL, error) {
	if a.Address == "" {
		return nil, &Error{Source: a.Source, Kind: NotConfigured, Op: "connect", Next: "set its address by flag, environment or config file"}
	}
	u, err := url.Parse(a.Address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, &Error{Source: a.Source, Kind: BadQuestion, Op: "connect", Next: "the address must look like http://host:port", Err: fmt.Errorf("address %q is no http or https URL", redact(a.Address))}
	}
	u.Path, u.User = strings.TrimSuffix(u.Path, "/"), nil
	return u, nil
}

// Shown is the address without credentials.
func (a Access) Shown() string { return redact(a.Address) }

// redact drops what may be secret: user and password, query, fragment. Of what is no URL, all before an @.
func redact(addr string) string {
	u, err := url.Parse(addr)
	if err == nil && u.Host != "" {
		return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	addr, _, _ = strings.Cut(addr, "?")
	return addr[strings.LastIndex(addr, "@")+1:]
}

// Transport is a kept-alive round tripper that logs in, honours proxy settings and bounds answers.
func (a Access) Transport() (http.RoundTripper, error) {
	u, err := a.URL()
	if err != nil {
		return nil, err
	}
	tc, err := a.TLS.Config()
	if err != nil {
		return nil, &Error{Source: a.Source, Kind: Unauthorised, Op: "connect", Next: "correct the tls files in the config", Err: err}
	}
	base := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       tc,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	return &loginTripper{access: a, base: base, home: u}, nil
}

// Client is an HTTP client on Transport with the time-out. Closing its idle connections at the end is the caller's.
func (a Access) Client() (*http.Client, error) {
	tr, err := a.Transport()
	if err != nil {
		return nil, err
	}
	d := a.Timeout
	if d == 0 {
		d = 15 * time.Second
	}
	return &http.Client{Transport: tr, Timeout: d}, nil
}

// Header is what a request must carry to get in: for clients that do not go through Transport (a WebSocket).
// Files are read at each call, so that a rotated secret works.
func (a Access) Header() (http.Header, error) {
	h := http.Header{}
	h.Set("User-Agent", "quarterdeck")
	for k, v := range a.Headers {
		h.Set(k, v)
	}
	for k, file := range a.HeaderFiles {
		v, err := a.orFile("", file)
		if err != nil {
			return nil, err
		}
		h.Set(k, v)
	}
	if a.Tenant != "" {
		h.Set("X-Scope-OrgID", a.Tenant)
	}
	token, err := a.orFile(a.BearerToken, a.BearerTokenFile)
	if err != nil {
		return nil, err
	}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
		return h, nil
	}
	user, password := a.Username, a.Password
	if u, err := url.Parse(a.Address); user == "" && err == nil && u.User != nil {
		user = u.User.Username()
		if p, ok := u.User.Password(); ok {
			password = p
		}
	}
	if password, err = a.orFile(password, a.PasswordFile); err != nil {
		return nil, err
	}
	if user != "" {
		r := http.Request{Header: h}
		r.SetBasicAuth(user, password)
	}
	return h, nil
}

// orFile is the file's content, or value where no file is named.
func (a Access) orFile(value, file string) (string, error) {
	if file == "" {
		return value, nil
	}
	b, err := os.ReadFile(file)
	secret := strings.TrimSpace(string(b))
	switch {
	case err == nil && secret == "":
		err = fmt.Errorf("%s is empty", file)
	case err == nil && strings.ContainsAny(secret, "\r\n"):
		err = fmt.Errorf("%s has more than one line", file)
	}
	if err != nil {
		return "", &Error{Source: a.Source, Kind: Unauthorised, Op: "read credentials", Next: "correct the file, or the config that names it", Err: err}
	}
	return secret, nil
}

type loginTripper struct {
	access Access
	base   *http.Transport
	home   *url.URL
}

// RoundTrip adds the login to a copy of the request and bounds the answer's body. A request that a redirect
// has led to another host, or from https to http, gets no login.
func (l *loginTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.User = nil
	if r.URL.Host == l.home.Host && r.URL.Scheme == l.home.Scheme {
		h, err := l.access.Header()
		if err != nil {
			if r.Body != nil {
				_ = r.Body.Close() // a RoundTripper must, also on errors
			}
			return nil, err
		}
		for k, v := range h {
			r.Header[k] = v
		}
		if host := h.Get("Host"); host != "" {
			r.Host = host
		}
	}
	resp, err := l.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: MaxAnswer}
	}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the transport.
func (l *loginTripper) CloseIdleConnections() { l.base.CloseIdleConnections() }

// ErrTooLarge is read from an answer that passes MaxAnswer.
var ErrTooLarge = fmt.Errorf("the answer is larger than %d MiB", MaxAnswer>>20)

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left+1 { // one more than allowed tells a full answer from a larger one
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}

// FromHTTP makes an Error of an HTTP answer that is not 2xx. Of the body the first 300 bytes are kept, on one line.
func FromHTTP(source, op string, status int, body string) *Error {
	body = strings.Join(strings.Fields(body), " ")
	if len(body) > 300 {
		body = strings.ToValidUTF8(body[:300], "") + "…"
	}
	e := &Error{Source: source, Op: op, Err: fmt.Errorf("HTTP %d: %s", status, body)}
	switch {
	case status == http.StatusBadRequest && strings.Contains(body, "HTTP request to an HTTPS server"):
		e.Kind, e.Next = BadAnswer, "the server speaks TLS: its address must begin with https://"
	case status == http.StatusUnauthorized:
		e.Kind, e.Next = Unauthorised, "check the user, password or token of "+source+" in the config"
	case status == http.StatusForbidden:
		e.Kind, e.Next = Forbidden, "these credentials, or a proxy before "+source+", do not allow it"
	case status == http.StatusNotFound:
		e.Kind, e.Next = NotFound, "check that the address is "+source+"'s and has no path too many"
	case status == http.StatusTooManyRequests || status == http.StatusRequestEntityTooLarge:
		e.Kind, e.Next = OverLimit, "ask for less, or raise the server's limit"
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity:
		e.Kind, e.Next = BadQuestion, "correct the query"
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		e.Kind, e.Next = Unreachable, "the server is starting, stopping or overloaded; it is tried again by itself"
	default:
		e.Kind, e.Next = BadAnswer, "look at the server's own log"
	}
	return e
}

// FromTransport makes an Error of a request that got no usable answer. A context that we ended stays as it is.
func FromTransport(source, op, address string, err error) error {
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	e := &Error{Source: source, Op: op, Kind: Unreachable, Err: redacted(err)}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var remote *net.OpError
	var dns *net.DNSError
	var slow net.Error
	switch {
	case errors.Is(err, ErrTooLarge):
		e.Kind, e.Next = BadAnswer, "ask for a shorter time or fewer services"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Kind, e.Next = Unauthorised, "the certificate of "+source+" has expired or is not valid yet: renew it, or set this machine's clock"
	case errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		e.Kind, e.Next = Unauthorised, "set the right ca file or server name in the config's tls section"
	case errors.As(err, &remote) && remote.Op == "remote error": // crypto/tls: an alert of the other side
		e.Kind, e.Next = Unauthorised, "the server refuses our side of tls: set a client certificate that it trusts"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Kind, e.Next = BadAnswer, "the server does not speak TLS: its address must begin with http://"
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "malformed MIME"):
		e.Kind, e.Err, e.Next = BadAnswer, errors.New("what came back is no HTTP"), "another kind of server listens at "+redact(address)+": check the port"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		e.Next = "the connection was cut: " + source + ", or a proxy before it, has restarted; it is tried again by itself"
	case errors.As(err, &dns):
		e.Next = "the host's name cannot be resolved: check " + redact(address)
	case errors.As(err, &slow) && slow.Timeout():
		e.Next = redact(address) + " did not answer in time: it, or the way to it, is overloaded or blocked"
	default:
		e.Next = "check that " + source + " listens at " + redact(address)
	}
	return e
}

// redacted drops credentials and query from the URL that net/http puts into its errors.
func redacted(err error) error {
	var u *url.Error
	if !errors.As(err, &u) || u.URL == redact(u.URL) {
		return err
	}
	return &url.Error{Op: u.Op, URL: redact(u.URL), Err: u.Err}
}
