package portainer

import (
	"context"
	"errors"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"quarterdeck/sources"
)

const hidden = "<webhook>"

// minSecret is the length from which on a value of the address's query is hidden wherever it occurs, in bytes.
const minSecret = 6

// secret is a webhook's address, and what finds it, and each of its parts that must not be shown, in a text.
type secret struct {
	url   *url.URL
	parts *regexp.Regexp
}

func newSecret(u *url.URL) secret {
	bare := *u
	bare.User = nil
	token := path.Base(u.EscapedPath())
	find := []string{u.String(), bare.String(), u.RequestURI(), u.EscapedPath(), u.Path, token, path.Base(u.Path), url.QueryEscape(path.Base(u.Path))}
	if u.RawQuery != "" {
		find = append(find, u.RawQuery)
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if len(v) >= minSecret {
				find = append(find, v, url.QueryEscape(v), url.PathEscape(v))
			}
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		find = append(find, u.User.String())
		if password != "" {
			find = append(find, password, url.QueryEscape(password), url.PathEscape(password))
		}
	}
	slices.SortFunc(find, func(a, b string) int { return len(b) - len(a) }) // the whole before its parts
	for i, f := range find {
		find[i] = regexp.QuoteMeta(f)
	}
	bare.Fragment = ""
	return secret{url: &bare, parts: regexp.MustCompile(`(?i)` + strings.Join(find, "|"))}
}

func (s secret) scrub(text string) string { return s.parts.ReplaceAllString(text, hidden) }

// transport makes the error of a request that got no answer. The cause is kept as words only: net/http's own holds the address.
func (s secret) transport(op string, err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	origin := (&url.URL{Scheme: s.url.Scheme, Host: s.url.Host}).String()
	err = sources.FromTransport(name, op, origin, err)
	var e *sources.Error
	switch {
	case !errors.As(err, &e):
	case strings.Contains(err.Error(), "Location header"): // net/http reads it though it is not followed
		e.Kind, e.Next = sources.BadAnswer, "the address redirects to what is no address: copy the address from Portainer anew"
	case e.Kind == sources.Unreachable:
		e.Next += "; where the request had been sent it may have been taken: look at the service"
	}
	return s.clean(err)
}

// clean is the error with nothing of the address in it or in its causes.
func (s secret) clean(err error) error {
	var e *sources.Error
	if !errors.As(err, &e) {
		return errors.New(s.scrub(err.Error()))
	}
	out := &sources.Error{Source: e.Source, Kind: e.Kind, Op: s.scrub(e.Op), Next: s.scrub(e.Next)}
	if e.Err != nil {
		out.Err = errors.New(s.scrub(e.Err.Error()))
	}
	return out
}
