package swarm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"quarterdeck/sources"
)

// errNotEngine: JSON came, but not what an engine says.
var errNotEngine = errors.New("not what a Docker engine answers")

// lateError: an engine has not answered its first ping.
type lateError struct{ within time.Duration }

func (e *lateError) Error() string { return fmt.Sprintf("no answer within %s", e.within) }

// engineMessage is the message in an engine's error body ({"message":"…"}), else the body's beginning; engine tells which.
func engineMessage(body []byte) (text string, engine bool) {
	var m struct {
		Message string `json:"message"`
	}
	s := string(body)
	if json.Unmarshal(body, &m) == nil && m.Message != "" {
		s, engine = m.Message, true
	}
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s, engine
}

// failure makes err a *sources.Error with what to do next.
func (s *seat) failure(op string, err error) error {
	var already *sources.Error
	if errors.As(err, &already) {
		return err
	}
	var r *refusal
	if errors.As(err, &r) {
		return s.refused(op, r)
	}
	e := &sources.Error{Source: name, Op: op, Kind: sources.Unreachable, Err: err}
	at := s.at()
	text := err.Error()
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	var base base64.CorruptInputError // a config's data
	var moment *time.ParseError
	var late *lateError
	switch {
	case errors.Is(err, errMoved):
		e.Next = "it is asked there by itself"
	case errors.Is(err, sources.ErrTooLarge):
		e.Kind, e.Next = sources.BadAnswer, "no honest engine sends so much: check what listens at "+at
	case errors.Is(err, errNotDocker):
		e.Kind, e.Next = sources.BadAnswer, "a web server, not a Docker engine, listens at "+at+": check the port"
	case errors.As(err, &syntax), errors.As(err, &shape), errors.As(err, &base), errors.As(err, &moment), errors.Is(err, errNotEngine),
		strings.Contains(text, "Error reading remote info"), strings.Contains(text, "ParsePrefix("), strings.Contains(text, "ParseAddr("):
		e.Kind, e.Next = sources.BadAnswer, "check that a Docker engine, and no proxy that rewrites, listens at "+at+"; it is tried again by itself"
	case strings.Contains(text, "is not supported by this client"):
		e.Kind, e.Next = sources.TooOld, "Docker Engine 19.03 (API 1.40) is the oldest that can be talked to: upgrade the engine, or go through another manager"
	case errors.As(err, &late):
		e.Next = "the engine is stopped, overloaded or cut off: check " + at + "; it is tried again by itself"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), strings.Contains(text, "timeout awaiting response headers"):
		e.Err = fmt.Errorf("no answer within %s", s.timeout)
		e.Next = "the engine is stopped, overloaded or cut off: check " + at + "; it is tried again by itself"
	default:
		s.unconnected(e, err, text)
	}
	return e
}

// unconnected finds the words for an error from below HTTP.
func (s *seat) unconnected(e *sources.Error, err error, text string) {
	at := s.at()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		e.Next = "install an ssh client, or use a tcp:// or unix:// address"
	case strings.Contains(text, "stderr=") && (strings.Contains(text, "Permission denied") || strings.Contains(text, "Host key verification failed")):
		e.Kind, e.Next = sources.Unauthorised, "make `"+sshCommand(at)+"` work without a question first (key, agent, known_hosts)"
	case strings.Contains(text, "stderr="):
		e.Next = "make `" + sshCommand(at) + "` work first, with docker on the other side"
	case errors.Is(err, os.ErrPermission):
		e.Kind, e.Next = sources.Forbidden, "this user may not open the socket: join its group (`sudo usermod -aG docker $USER`, then log in anew) or use another endpoint"
	case errors.Is(err, os.ErrNotExist):
		e.Next = "there is no socket at " + at + ": start the engine there, or set --host, --context or DOCKER_HOST (now from " + s.endpoint.how + ")"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Next = "nothing listens at " + at + ": start the engine there, or check the address (from " + s.endpoint.how + ")"
	case strings.Contains(text, "server gave HTTP response to HTTPS client"), strings.Contains(text, "does not look like a TLS handshake"):
		e.Kind, e.Next = sources.BadAnswer, "the port speaks no TLS: unset DOCKER_TLS_VERIFY, or use the TLS port (2376)"
	case strings.Contains(text, "malformed HTTP"):
		e.Err = errors.New("what came back is no HTTP") // and not the bytes of it
		e.Kind, e.Next = sources.BadAnswer, "what listens at "+at+" speaks no plain HTTP; if it is TLS, set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or use a context that has them"
	case strings.Contains(text, "tls: "), strings.Contains(text, "x509: "):
		e.Kind, e.Next = sources.Unauthorised, "check ca.pem, cert.pem and key.pem of DOCKER_CERT_PATH or of the context, and the name that the certificate is for"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		e.Err = errors.New("the connection was cut")
		e.Next = "the engine, or what is between, has restarted; it is tried again by itself"
	default:
		e.Next = "check that a Docker engine listens at " + at
	}
}

func sshCommand(address string) string {
	rest := strings.TrimPrefix(address, "ssh://")
	host, _, _ := strings.Cut(rest, "/")
	return "ssh " + host + " docker version"
}

// refused maps a status, and the engine's words where they say more.
func (s *seat) refused(op string, r *refusal) error {
	e := &sources.Error{Source: name, Op: op, Err: r}
	at := s.at()
	says := func(words string) bool { return strings.Contains(r.message, words) }
	switch {
	case says("not a swarm manager"), says("not part of a swarm"):
		e.Kind, e.Next = sources.NotManager, "point --host at a manager of the swarm"
	case says("needs to be unlocked"):
		e.Kind, e.Next = sources.Unauthorised, "the swarm is locked: run `docker swarm unlock` on this manager"
	case says("does not have a leader"), says("too few managers are online"):
		e.Kind, e.Next = sources.Unreachable, "the swarm has lost its quorum: bring back more than half of its managers"
	case says("update out of sequence"):
		e.Kind, e.Next = sources.Conflict, "it has changed since it was read, and nothing was done: read it again and look at what has changed"
	case r.status == http.StatusConflict:
		e.Kind, e.Next = sources.Conflict, "the name is taken, or it is in use: choose another name, or remove the other one first"
	case r.status == http.StatusBadRequest && says(" is in use by "): // a secret, a config, a network
		e.Kind, e.Next = sources.Conflict, "take it from the service first"
	case says("client version") && (says("too new") || says("too old")):
		e.Kind, e.Next = sources.TooOld, "engine and console share no API version: unset DOCKER_API_VERSION, or upgrade the engine to 19.03 or later"
	case r.status == http.StatusUnauthorized, r.status == http.StatusProxyAuthRequired:
		e.Kind, e.Next = sources.Unauthorised, "the proxy before the engine at "+at+" wants credentials that the Docker API has no place for: use TLS client certificates or ssh://"
	case r.status == http.StatusForbidden, !r.engine && (r.status == http.StatusMethodNotAllowed || r.status == http.StatusNotImplemented):
		e.Kind, e.Next = sources.Forbidden, "the proxy before the engine at "+at+" does not allow it: "+r.toAllow()
	case r.status == http.StatusNotFound && (r.html || says("page not found")):
		e.Kind, e.Next = sources.NotFound, "no Docker engine serves this path at "+at+": check the port, or what the proxy lets through"
	case r.status == http.StatusNotFound,
		r.status == http.StatusInternalServerError && strings.HasPrefix(r.message, "network ") && strings.HasSuffix(r.message, " not found"): // 20.10, of a service's network
		e.Kind, e.Next = sources.NotFound, "it is gone, or was never there"
	case r.status == http.StatusTooManyRequests:
		e.Kind, e.Next = sources.OverLimit, "the proxy before the engine limits requests: raise its limit"
	case r.status == http.StatusBadGateway, r.status == http.StatusServiceUnavailable, r.status == http.StatusGatewayTimeout:
		e.Kind, e.Next = sources.Unreachable, "the engine is starting, stopping or overloaded; it is tried again by itself"
	case r.changes() && (r.status == http.StatusBadRequest || says("code = Unimplemented")):
		e.Kind, e.Next = sources.BadQuestion, "nothing was changed: correct what the engine names"
	case r.status == http.StatusBadRequest:
		e.Kind, e.Next = sources.BadQuestion, "the engine does not take this question: check its version"
	case r.status < 400:
		e.Kind, e.Next = sources.BadAnswer, "an engine does not redirect: check that the address is the engine's own"
	case strings.Contains(r.message, "context deadline exceeded"), says("rpc error"):
		e.Kind, e.Next = sources.Unreachable, "the manager could not ask the swarm's leader; it is tried again by itself"
	default:
		e.Kind, e.Next = sources.BadAnswer, "look at the engine's own log (`journalctl -u docker` on its machine)"
	}
	return e
}

// changes tells whether what was refused is a change.
func (r *refusal) changes() bool {
	return r.method != "" && r.method != http.MethodGet && r.method != http.MethodHead
}

// toAllow says what a proxy must let through.
func (r *refusal) toAllow() string {
	if !r.changes() {
		return "allow GET on this path there"
	}
	return "allow " + r.method + " on " + r.path + " there, or name an endpoint that takes changes with --write-host"
}
