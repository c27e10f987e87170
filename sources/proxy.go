package sources

import "context"

// Router is what a proxy serves under a rule.
type Router struct {
	// Name is the proxy's own for it: shop@swarm.
	Name, Rule string
	// Service is what it leads to, as the proxy names it: shop-web@swarm.
	Service     string
	EntryPoints []string
	// TLS: it serves with a certificate. Resolver names who gets and renews that; "": nobody does.
	TLS      bool
	Resolver string
	// Redirects: it only sends users on to where there is a certificate.
	Redirects bool
	// Errors are what the proxy itself says is wrong with it. Disabled: so wrong that it serves nothing.
	Errors   []string
	Disabled bool
}

// Proxy tells what is served to the outside. Safe for concurrent use; errors are *Error.
type Proxy interface {
	// Routers are those of HTTP, by name, but for the proxy's own.
	Routers(ctx context.Context) ([]Router, error)
}
