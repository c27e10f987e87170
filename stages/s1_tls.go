package stages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources/fleet"
)

var tlsExpiry = &Check{
	ID: "tls-expiry", Stage: 1, Stack: "edge",
	Question: "do certificates renew on their own?",
	Why:      "ACME certificates live for 90 days and are renewed 30 days before their end. One that has less left has failed to renew, and nobody has been told.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("the first to end has more than %s left; less is a warning, under %s fails", inDays(s.CertificatePass), inDays(s.CertificateFail))
	},
	Fix: "read the log of the proxy for acme; `quarterdeck investigate`",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "min(traefik_tls_certs_not_after) - time()"
		if r := e.Reasons["prometheus"]; r != "" {
			return unknown(evidence, r)
		}
		if e.CertificateExpires.IsZero() {
			return unknown(evidence, "no metric tells when a certificate ends: let Prometheus scrape Traefik")
		}
		left := e.CertificateExpires.Sub(e.Now)
		f := Finding{State: Pass, Evidence: evidence, Value: "the first ends " + day(e.CertificateExpires) + ", in " + inDays(left)}
		switch {
		case left < s.CertificateFail:
			f.State = Fail
		case left <= s.CertificatePass:
			f.State = Warn
		}
		return f
	},
}

var tlsAllRouters = &Check{
	ID: "tls-all-routers", Stage: 1,
	Question:  "does every router have a certificate that renews?",
	Why:       "One router without a resolver serves in the clear, or with a certificate that somebody has to remember. It is found by the browser of a user.",
	Threshold: func(*Settings) string { return "all; any without tls.certResolver fails" },
	Fix:       "set the label traefik.http.routers.NAME.tls.certresolver on the service",
	judge: func(e *Evidence, _ *Settings) Finding {
		if e.Routers != nil || e.Reasons[proxyName] != "" {
			return e.proxied()
		}
		return e.labelled()
	},
}

// proxied judges routers by the proxy's own word.
func (e *Evidence) proxied() Finding {
	const evidence = "GET /api/http/routers and /api/entrypoints of Traefik"
	switch {
	case e.Routers == nil:
		return unknown(evidence, e.reason(proxyName, "Traefik did not answer"))
	case len(e.Routers) == 0:
		return notApplicable(evidence, "Traefik has no router but its own")
	}
	f := Finding{Evidence: evidence}
	owners := e.owners()
	for i := range e.Routers {
		r := &e.Routers[i]
		name, _, _ := strings.Cut(r.Name, "@")
		x := Subject{Name: r.Name, State: Fail, Set: routerPrefix + name + ".tls.certresolver=letsencrypt"}
		if o, ok := owners[strings.ToLower(r.Name)]; ok {
			x.Name, x.Set = o.service, routerPrefix+o.router+".tls.certresolver=letsencrypt"
		} else if !strings.HasSuffix(r.Name, "@swarm") && !strings.HasSuffix(r.Name, "@docker") {
			x.Set = "" // no label declares it
		}
		switch {
		case len(r.Errors) > 0: // a resolver that is not there is among them
			x.Set, x.Says = "", "router "+r.Name+": Traefik says: "+r.Errors[0]
			if !r.Disabled && (r.Resolver != "" || r.Redirects) {
				x.State = Warn
			}
		case r.Resolver != "" || r.Redirects:
			continue
		case r.TLS:
			x.Says = "router " + r.Name + " has a certificate that nobody renews: it names no resolver"
		default:
			x.Says = "router " + r.Name + " serves in the clear on " + strings.Join(r.EntryPoints, ", ")
		}
		f.Subjects = append(f.Subjects, x)
	}
	f.State, f.Value = worst(f.Subjects), fmt.Sprintf("%d of %s, by Traefik's API", len(e.Routers)-len(f.Subjects), count(len(e.Routers), "router"))
	return f
}

// declared is where a router comes from.
type declared struct{ service, router string }

// owners are the services whose labels declare a router, by the name that Traefik gives it: NAME@PROVIDER, and ENTRYPOINT-NAME@PROVIDER where it has several
// entry points.
func (e *Evidence) owners() map[string]declared {
	out := map[string]declared{}
	for _, v := range e.services() {
		for _, r := range routersOf(v.Labels) {
			for _, provider := range []string{"@swarm", "@docker"} {
				out[r.name+provider] = declared{v.Name, r.name}
				for i := range e.Routers {
					for _, p := range e.Routers[i].EntryPoints {
						out[strings.ToLower(p)+"-"+r.name+provider] = declared{v.Name, r.name}
					}
				}
			}
		}
	}
	return out
}

// labelled judges routers by what the services' labels declare.
func (e *Evidence) labelled() Finding {
	const evidence = "docker service inspect SERVICE: Spec.Labels traefik.http.routers.*"
	if e.Fleet == nil || e.Fleet.Listed.IsZero() {
		return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
	}
	f, n := Finding{Evidence: evidence}, 0
	for _, v := range e.services() {
		for _, r := range routersOf(v.Labels) {
			n++
			if r.resolver == "" && !r.redirects {
				f.Subjects = append(f.Subjects, Subject{Name: v.Name, State: Fail, Says: "router " + r.name + " names no certificate resolver", Set: routerPrefix + r.name + ".tls.certresolver=letsencrypt"})
			}
		}
	}
	if n == 0 {
		return notApplicable(evidence, "no service has a router of Traefik in its labels")
	}
	f.State, f.Value = worst(f.Subjects), fmt.Sprintf("%d of %s, by the labels of services", n-len(f.Subjects), count(n, "router"))
	return f
}

// router is one of Traefik's, as labels on a service declare it (doc.traefik.io, "Docker Swarm": routers).
type router struct {
	name, resolver string
	// redirects: it only sends users on to where there is a certificate.
	redirects bool
}

const routerPrefix = "traefik.http.routers."

// routersOf are the routers that a service's labels declare by a rule, in order of their names.
func routersOf(labels map[string]string) []router {
	if strings.EqualFold(labels["traefik.enable"], "false") {
		return nil
	}
	var out []router
	for k := range labels {
		name, ok := strings.CutSuffix(strings.ToLower(k), ".rule")
		if name, ok2 := strings.CutPrefix(name, routerPrefix); ok && ok2 && name != "" {
			out = append(out, router{name: name})
		}
	}
	slices.SortFunc(out, func(a, b router) int { return strings.Compare(a.name, b.name) })
	for k, v := range labels { // Traefik reads them whatever their case
		for i := range out {
			switch rest, _ := strings.CutPrefix(strings.ToLower(k), routerPrefix+out[i].name+"."); rest {
			case "tls.certresolver":
				out[i].resolver = v
			case "middlewares":
				out[i].redirects = strings.Contains(strings.ToLower(v), "redirect")
			}
		}
	}
	return out
}

func inDays(d time.Duration) string {
	return fmt.Sprintf("%.0f d", d.Hours()/24)
}
