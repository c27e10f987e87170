package swarm

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
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/connhelper"
	dockercontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/go-connections/sockets"
	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// endpoint is where an engine is and how to get there.
type endpoint struct {
	host    string // as configured: unix:///…, tcp://…, ssh://…
	apiHost string // as the client wants it; for ssh a name that is never resolved
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	tls     *tls.Config // nil: none
	how     string      // where host comes from, for messages
}

// defaultContext is the Docker CLI's name for "no context: the environment, else the local socket".
const defaultContext = "default"

// resolve finds the endpoint in the Docker CLI's own order: an explicit host or context, DOCKER_HOST, DOCKER_CONTEXT, the
// current context of the CLI's config file, the local socket (docker/cli, resolveContextName).
func resolve(o Options) (endpoint, error) {
	if o.Host != "" && o.Context == "" {
		return fromHost(o.Host, "--host", o.TLS)
	}
	name := o.Context
	if name == "" && os.Getenv(client.EnvOverrideHost) == "" {
		var err error
		if name, err = currentContext(); err != nil {
			return endpoint{}, err
		}
	}
	if name != "" && name != defaultContext {
		return fromContext(name, o.TLS)
	}
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		return fromHost(host, client.EnvOverrideHost, o.TLS)
	}
	return fromHost(client.DefaultDockerHost, "the default socket", o.TLS)
}

// resolveAll finds all endpoints: the first as resolve does, the further ones as they are named.
func resolveAll(o Options) ([]endpoint, error) {
	hosts := append(splitHosts(o.Host), o.Hosts...)
	if o.Context != "" {
		hosts = append([]string{""}, o.Hosts...)
	}
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	var out []endpoint
	for i, host := range hosts {
		one := Options{Host: host, TLS: o.TLS}
		if i == 0 {
			one.Context = o.Context
		} else if strings.TrimSpace(host) == "" {
			return nil, configError("read the engine's address", "write each manager as unix:///path, tcp://host:port or ssh://user@host", errors.New("one of the hosts is empty"))
		}
		e, err := resolve(one)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// splitHosts parts "a,b,c". No address of an engine has a comma in it.
func splitHosts(s string) []string {
	var out []string
	for h := range strings.SplitSeq(s, ",") {
		if h = strings.TrimSpace(h); h != "" {
			out = append(out, h)
		}
	}
	return out
}

// configDir is read anew each time: the CLI's config.Dir is frozen at the first call in a process.
func configDir() string {
	if dir := os.Getenv(config.EnvOverrideConfigDir); dir != "" {
		return dir
	}
	return config.Dir()
}

func currentContext() (string, error) {
	if name := os.Getenv("DOCKER_CONTEXT"); name != "" {
		return name, nil
	}
	file, err := config.Load(configDir())
	if err != nil {
		return "", configError("read the Docker CLI's config file", "correct "+filepath.Join(configDir(), config.ConfigFileName)+", or give a host", err)
	}
	return file.CurrentContext, nil
}

func fromContext(name string, extra sources.TLS) (endpoint, error) {
	s := store.New(filepath.Join(configDir(), "contexts"), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} })))
	op := "read Docker context " + name
	meta, err := s.GetMetadata(name)
	if err != nil {
		return endpoint{}, configError(op, "see `docker context ls` for the names there are", err)
	}
	base, err := docker.EndpointFromContext(meta)
	if err != nil {
		return endpoint{}, configError(op, "the context has no Docker endpoint: see `docker context inspect "+name+"`", err)
	}
	full, err := docker.WithTLSData(s, name, base)
	if err != nil {
		return endpoint{}, configError(op, "the context's TLS files cannot be read: create it anew", err)
	}
	if full.Host == "" {
		full.Host = client.DefaultDockerHost
	}
	e, err := withHost(full.Host, "context "+name)
	if err != nil {
		return e, err
	}
	if e.overSocket() || (full.TLSData == nil && !full.SkipTLSVerify && extra == (sources.TLS{})) {
		return e, nil
	}
	e.tls, err = contextTLS(full.TLSData, full.SkipTLSVerify, extra)
	if err != nil {
		return endpoint{}, tlsError(op, err)
	}
	return e, nil
}

func fromHost(host, how string, extra sources.TLS) (endpoint, error) {
	e, err := withHost(host, how)
	if err != nil || e.overSocket() {
		return e, err
	}
	if extra != (sources.TLS{}) || strings.HasPrefix(host, "https://") {
		e.tls, err = extra.Config()
	} else {
		e.tls, err = environmentTLS()
	}
	if err != nil {
		return endpoint{}, tlsError("set up TLS to "+e.shown(), err)
	}
	return e, nil
}

func withHost(host, how string) (endpoint, error) {
	if !strings.Contains(host, "://") { // the CLI takes host:port for tcp and a path for a socket
		if strings.HasPrefix(host, "/") {
			host = "unix://" + host
		} else {
			host = "tcp://" + host
		}
	}
	e := endpoint{host: host, apiHost: host, how: how}
	helper, err := connhelper.GetConnectionHelper(host)
	if err != nil {
		return e, configError("read the engine's address", "write it as unix:///path, tcp://host:port or ssh://user@host", fmt.Errorf("%s: %w", how, withoutURL(err)))
	}
	if helper != nil {
		e.apiHost = helper.Host
		e.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := helper.Dialer(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &toldConn{Conn: c, ended: make(chan struct{})}, nil
		}
		return e, nil
	}
	if _, err := client.ParseHostURL(host); err != nil {
		return e, configError("read the engine's address", "write it as unix:///path, tcp://host:port or ssh://user@host", fmt.Errorf("%s: no Docker host", how))
	}
	switch scheme, _, _ := strings.Cut(host, "://"); scheme {
	case "unix", "npipe", "tcp", "http", "https":
		return e, nil
	default:
		return e, configError("read the engine's address", "write it as unix:///path, tcp://host:port or ssh://user@host", fmt.Errorf("%s: %q is no scheme of a Docker host", how, scheme))
	}
}

// overSocket: TLS means nothing on a local socket or through ssh.
func (e endpoint) overSocket() bool {
	return e.dial != nil || strings.HasPrefix(e.host, "unix://") || strings.HasPrefix(e.host, "npipe://")
}

// shown is the address without credentials.
func (e endpoint) shown() string {
	u, err := url.Parse(e.host)
	if err != nil || u.User == nil {
		return e.host
	}
	u.User = url.User(u.User.Username())
	if u.Scheme != "ssh" { // an ssh user is part of the address, not a secret
		u.User = nil
	}
	return u.String()
}

// transport makes the round tripper below the client's; connections are kept and shared.
func (e endpoint) transport(timeout time.Duration) (*http.Transport, error) {
	t := &http.Transport{
		MaxIdleConns:          8,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       60 * time.Second, // longer than the slowest poll, so that one connection lasts
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: timeout,
		TLSClientConfig:       e.tls,
	}
	u, err := client.ParseHostURL(e.apiHost)
	if err != nil {
		return nil, configError("read the engine's address", "", err)
	}
	if e.dial != nil {
		t.DialContext = e.dial
		return t, nil
	}
	if err := sockets.ConfigureTransport(t, u.Scheme, u.Host); err != nil {
		return nil, configError("read the engine's address", "use tcp:// or ssh://", err)
	}
	if u.Scheme != "unix" && u.Scheme != "npipe" {
		t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	return t, nil
}

// environmentTLS follows the Docker CLI: DOCKER_TLS_VERIFY or DOCKER_TLS ask for TLS with ca.pem, cert.pem and
// key.pem of DOCKER_CERT_PATH (else the CLI's config folder); without either there is none.
func environmentTLS() (*tls.Config, error) {
	verify := os.Getenv(client.EnvTLSVerify) != ""
	if !verify && os.Getenv("DOCKER_TLS") == "" {
		return nil, nil
	}
	dir := os.Getenv(client.EnvOverrideCertPath)
	if dir == "" {
		dir = configDir()
	}
	t := sources.TLS{Insecure: !verify}
	for name, field := range map[string]*string{"ca.pem": &t.CAFile, "cert.pem": &t.CertFile, "key.pem": &t.KeyFile} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			*field = path
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return t.Config()
}

func contextTLS(data *dockercontext.TLSData, skipVerify bool, extra sources.TLS) (*tls.Config, error) {
	c, err := extra.Config()
	if err != nil {
		return nil, err
	}
	c.InsecureSkipVerify = c.InsecureSkipVerify || skipVerify //nolint:gosec // the context's own word
	if data == nil {
		return c, nil
	}
	if data.CA != nil && c.RootCAs == nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(data.CA) {
			return nil, errors.New("the context's ca.pem has no certificate in it")
		}
	}
	if data.Cert != nil && data.Key != nil && c.Certificates == nil {
		pair, err := tls.X509KeyPair(data.Cert, data.Key)
		if err != nil {
			return nil, fmt.Errorf("the context's client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func configError(op, next string, err error) error {
	return &sources.Error{Source: name, Kind: sources.NotConfigured, Op: op, Next: next, Err: err}
}

func tlsError(op string, err error) error {
	return &sources.Error{Source: name, Kind: sources.Unauthorised, Op: op, Next: "check DOCKER_CERT_PATH, DOCKER_TLS_VERIFY, the context's TLS files or the config's tls section", Err: err}
}

// withoutURL drops the address from an error of net/url: it may hold a password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// toldConn is a connection through ssh. When ssh gives up, what it said comes with the read's error, while a write may have
// failed before with a bare "broken pipe": the write waits for the reason. A reader is always there: http.Transport's.
type toldConn struct {
	net.Conn
	once  sync.Once
	ended chan struct{}
	why   error // set before ended is closed
}

func (c *toldConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.once.Do(func() {
			c.why = err
			close(c.ended)
		})
	}
	return n, err
}

func (c *toldConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	select {
	case <-c.ended:
		if !errors.Is(c.why, io.EOF) {
			err = c.why
		}
	case <-time.After(2 * time.Second):
	}
	return n, err
}
