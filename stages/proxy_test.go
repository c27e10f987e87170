package stages

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"quarterdeck/sources"
)

type proxy struct {
	routers []sources.Router
	err     error
}

func (p proxy) Routers(context.Context) ([]sources.Router, error) { return p.routers, p.err }

// Where a proxy is configured its word counts and not the labels', and the value says whose it is.
func TestRoutersByTheProxy(t *testing.T) {
	served := func(name, resolver string) sources.Router {
		return sources.Router{Name: name, EntryPoints: []string{"websecure"}, TLS: true, Resolver: resolver}
	}
	for _, c := range []struct {
		name    string
		routers []sources.Router
		err     error
		state   State
		value   string // of the finding, or its reason
		who     string // name and setting of the first subject
	}{
		{name: "a resolver that the labels do not show", routers: []sources.Router{served("web@swarm", "le")}, state: Pass, value: "1 of 1 router, by Traefik's API"},
		{name: "none", routers: []sources.Router{served("web@swarm", "")}, state: Fail, value: "0 of 1", who: "shop_web traefik.http.routers.web.tls.certresolver=letsencrypt"},
		{name: "of one entry point among several", routers: []sources.Router{served("websecure-web@docker", "")}, state: Fail, value: "0 of 1", who: "shop_web traefik.http.routers.web.tls.certresolver=letsencrypt"},
		{name: "of a file", routers: []sources.Router{served("web@file", ""), {Name: "up@file", Redirects: true}}, state: Fail, value: "1 of 2", who: "web@file "},
		{name: "in the clear", routers: []sources.Router{{Name: "x@swarm", EntryPoints: []string{"web"}}}, state: Fail, value: "0 of 1", who: "x@swarm traefik.http.routers.x.tls.certresolver=letsencrypt"},
		{name: "with a fault of another kind", routers: []sources.Router{{Name: "web@swarm", Resolver: "le", Errors: []string{"no such middleware"}}}, state: Warn, value: "0 of 1", who: "shop_web "},
		{name: "that is off", routers: []sources.Router{{Name: "web@swarm", Resolver: "le", Disabled: true, Errors: []string{"no such resolver"}}}, state: Fail, value: "0 of 1", who: "shop_web "},
		{name: "no router", routers: nil, state: NA, value: "no router"},
		{name: "no answer", err: &sources.Error{Source: "traefik", Kind: sources.Unauthorised, Op: "list routers"}, state: Unknown, value: "unauthorised"},
		{name: "an answer that is cut", routers: []sources.Router{served("web@swarm", "le")}, err: errors.New("cut off"), state: Unknown, value: "cut off"},
	} {
		e := good(func(e *Evidence) { web(e).Labels = map[string]string{"traefik.http.routers.web.rule": "Host(`a`)"} })
		got := Gather(t.Context(), Sources{Fleet: e.Fleet, Proxy: proxy{c.routers, c.err}}, now)
		settings := Defaults()
		r := Find("tls-all-routers").run(got, &settings)
		who := ""
		if len(r.Subjects) > 0 {
			who = r.Subjects[0].Name + " " + r.Subjects[0].Set
		}
		if r.State != c.state || !strings.Contains(r.Value+r.Reason, c.value) || who != c.who || !strings.Contains(r.Evidence, "Traefik") {
			t.Errorf("%s: %s", c.name, fmt.Sprintf("%+v", r.Finding))
		}
	}
}
