package traefik

import (
	"context"
	"slices"
	"strings"

	"quarterdeck/sources"
)

// The shapes are those of pkg/api and pkg/config of Traefik v3.6.

type wireRouter struct {
	Name, Provider, Rule, Service, Status string
	EntryPoints, Middlewares              []string
	TLS                                   *wireTLS
	Error                                 []string
}

type wireTLS struct{ CertResolver string }

type wireEntryPoint struct {
	Name string
	HTTP struct {
		TLS          *wireTLS
		Redirections *struct{ EntryPoint *struct{ To, Scheme string } }
	}
}

type wireMiddleware struct{ Name, Type string }

// internal is the provider of what Traefik makes for itself: its dashboard, ping, ACME's challenge, an entry point's redirection.
const internal = "internal"

// Routers are those of HTTP, by name, but for Traefik's own. It asks for three lists.
func (c *Client) Routers(ctx context.Context) ([]sources.Router, error) {
	points, err := list[wireEntryPoint](ctx, c, "list entry points", "/api/entrypoints")
	if err != nil {
		return nil, err
	}
	middlewares, err := list[wireMiddleware](ctx, c, "list middlewares", "/api/http/middlewares")
	if err != nil {
		return nil, err
	}
	routers, err := list[wireRouter](ctx, c, "list routers", "/api/http/routers")
	if err != nil {
		return nil, err
	}
	redirect := map[string]bool{}
	for _, m := range middlewares {
		if strings.EqualFold(m.Type, "redirectscheme") {
			redirect[m.Name] = true
		}
	}
	out := make([]sources.Router, 0, len(routers))
	for i := range routers {
		if r := &routers[i]; r.Provider != internal {
			out = append(out, r.router(points, redirect))
		}
	}
	slices.SortFunc(out, func(a, b sources.Router) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// router joins a router with what its entry points do for it. Traefik gives a router that says nothing of TLS what its entry point has; that is read off the
// entry points again, for a version that does not write it back.
func (r *wireRouter) router(points []wireEntryPoint, redirect map[string]bool) sources.Router {
	out := sources.Router{Name: r.Name, Rule: r.Rule, Service: r.Service, EntryPoints: r.EntryPoints, Errors: r.Error, Disabled: r.Status == "disabled"}
	if r.Provider != "" && !strings.Contains(out.Service, "@") {
		out.Service += "@" + r.Provider
	}
	tls, sent := r.TLS, 0
	for i := range points {
		p := &points[i]
		if !slices.Contains(r.EntryPoints, p.Name) {
			continue
		}
		if tls == nil {
			tls = p.HTTP.TLS
		}
		if x := p.HTTP.Redirections; x != nil && x.EntryPoint != nil && x.EntryPoint.To != "" && x.EntryPoint.Scheme != "http" {
			sent++
		}
	}
	if tls != nil {
		out.TLS, out.Resolver = true, tls.CertResolver
	}
	out.Redirects = sent > 0 && sent == len(r.EntryPoints)
	for _, m := range r.Middlewares {
		if !strings.Contains(m, "@") {
			m += "@" + r.Provider
		}
		out.Redirects = out.Redirects || redirect[m]
	}
	return out
}
