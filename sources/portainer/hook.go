package portainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"quarterdeck/sources"
)

const (
	name = "portainer"
	// defaultTimeout is long, because Portainer asks the registry before it answers.
	defaultTimeout = 60 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 16 << 10
)

// Options name a webhook. URL is a secret, and so are a user and a password in it: give them to New and keep them nowhere.
type Options struct {
	Name   string         // as configured, for people
	URL    string         // as Portainer shows it: https://host:9443/api/webhooks/… or …/api/stacks/webhooks/…
	Access sources.Access // TLS, time-out (0: 60 s), login and headers; its Address is not used
}

// String is the name alone.
func (o Options) String() string { return "portainer webhook " + o.Name }

// GoString is String, for %#v.
func (o Options) GoString() string { return o.String() }

// MarshalJSON gives the name alone.
func (o Options) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"name": o.Name})
}

// LogValue is String, for slog.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Hook is one webhook. It cannot be made to show its address. Safe for concurrent use.
type Hook struct {
	name  string
	stack bool
	http  *http.Client
	// secret is a function, so that no printing of the struct by reflection, anywhere, shows what it holds.
	secret func() secret
}

var _ sources.Hook = (*Hook)(nil)

// paths of the two kinds of webhook, under whatever path Portainer itself has.
var hookPath = sources.LazyRegexp(`/api/(stacks/)?webhooks/([^/]+)$`)

// imageTag is the grammar of the distribution specification.
var imageTag = sources.LazyRegexp(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// New makes a hook and asks nothing. BadQuestion: the URL is not that of a webhook, or its name holds a part of it.
func New(o Options) (*Hook, error) {
	const op = "configure a webhook"
	wrong := func(why string) error {
		return &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "copy the webhook's address from Portainer into the config", Err: errors.New(why)}
	}
	if strings.TrimSpace(o.URL) == "" {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.NotConfigured, Next: "copy the webhook's address from Portainer into the config"}
	}
	u, err := url.Parse(strings.TrimSpace(o.URL))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" { // err holds the URL: not shown
		return nil, wrong("its address is no http or https URL")
	}
	kind := hookPath().FindStringSubmatch(u.EscapedPath())
	if kind == nil {
		return nil, wrong("its address must end in /api/webhooks/… or /api/stacks/webhooks/…")
	}
	s := newSecret(u)
	if s.scrub(o.Name) != o.Name {
		return nil, wrong("its name holds a part of its address: give it another")
	}
	a := o.Access
	if a.Username == "" && a.PasswordFile == "" && u.User != nil {
		a.Username = u.User.Username()
		a.Password, _ = u.User.Password()
	}
	a.Source, a.Address = name, (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	if a.Timeout == 0 {
		a.Timeout = defaultTimeout
	}
	hc, err := a.Client()
	if err != nil {
		return nil, s.clean(err)
	}
	// A redirect would carry the secret to somebody else.
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Hook{name: o.Name, stack: kind[1] != "", http: hc, secret: func() secret { return s }}, nil
}

// Name is the hook's name as configured.
func (h *Hook) Name() string { return h.name }

// String is the name alone.
func (h *Hook) String() string { return "portainer webhook " + h.name }

// GoString is String, for %#v.
func (h *Hook) GoString() string { return h.String() }

// MarshalJSON gives the name alone.
func (h *Hook) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]string{"name": h.name}) }

// Stack tells whether the hook is a stack's, which takes no tag and acts only if the git commit has changed.
func (h *Hook) Stack() bool { return h.stack }

// Close lets the kept-alive connections go. The hook can still be used after it.
func (h *Hook) Close() error {
	h.http.CloseIdleConnections()
	return nil
}

// Fire asks once for a redeploy, never again by itself: each request that is taken replaces tasks. Unreachable leaves open whether it was
// taken. BadQuestion: no tag, or a tag for a stack. Conflict: the stack is being deployed already.
func (h *Hook) Fire(ctx context.Context, tag string) error {
	op := "fire the webhook " + h.name
	s := h.secret()
	u := *s.url
	switch {
	case tag != "" && h.stack:
		return &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "redeploy without a tag, or change the tag in the stack's file", Err: errors.New("a stack's webhook takes no tag")}
	case tag != "" && !imageTag().MatchString(tag):
		return &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "give a tag of letters, digits, _ . and -", Err: fmt.Errorf("%.140q is no image's tag", tag)}
	case tag != "":
		q := u.Query()
		q.Set("tag", tag)
		u.RawQuery = q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return s.clean(&sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "correct the webhook's address in the config", Err: err})
	}
	resp, err := h.http.Do(req)
	if err != nil {
		return s.transport(op, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode/100 == 2 && strings.HasPrefix(strings.TrimSpace(string(answer)), "<"):
		return &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "check that the address is Portainer's own, and that no login page stands before it", Err: errors.New("the answer is a web page")}
	case resp.StatusCode/100 == 2:
		return nil
	case err != nil:
		answer = nil
	}
	return s.clean(refused(op, resp, answer))
}

// refused makes the error of an answer that is not 2xx. Of its body only Portainer's own words are kept: another server's page may say
// anything, such as the address that was asked for.
func refused(op string, resp *http.Response, answer []byte) error {
	var m struct{ Message, Details string }
	said := ""
	if json.Unmarshal(answer, &m) == nil {
		said = strings.Trim(m.Message+": "+m.Details, ": ")
	}
	e := sources.FromHTTP(name, op, resp.StatusCode, said)
	switch status := resp.StatusCode; {
	case status/100 == 3:
		e.Kind, e.Next = sources.BadAnswer, "the address redirects elsewhere, and a secret is not carried there: copy the address from Portainer anew"
		if to, err := resp.Location(); err == nil {
			e.Err = fmt.Errorf("HTTP %d to %s://%s", status, to.Scheme, to.Host)
		}
	case status == http.StatusNotFound || status == http.StatusBadRequest:
		e.Next = "Portainer does not know this webhook: make it anew there, and copy its address into the config"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.Next = "this Portainer, or a proxy before it, wants a login for webhooks: give one in the config"
	case status == http.StatusConflict:
		e.Kind, e.Next = sources.Conflict, "the stack is being deployed, or Portainer cannot deploy it: look there"
	case status == http.StatusInternalServerError:
		e.Next = "Portainer took the webhook and could not do it: look at its own log"
	}
	return e
}
