package stages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources/fleet"
)

var tlsExpiry = &Check{
	ID: "tls-expiry", Stage: 1,
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
		const evidence = "docker service inspect SERVICE: Spec.Labels traefik.http.routers.*"
		if e.Fleet == nil || e.Fleet.Listed.IsZero() {
			return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
		}
		f, n := Finding{Evidence: evidence}, 0
		for _, v := range e.services() {
			for _, r := range routersOf(v.Labels) {
				n++
				if r.resolver == "" && !r.redirects {
					f.Subjects = append(f.Subjects, Subject{Name: v.Name, State: Fail, Says: "router " + r.name + " names no certificate resolver", Set: "traefik.http.routers." + r.name + ".tls.certresolver=letsencrypt"})
				}
			}
		}
		if n == 0 {
			return notApplicable(evidence, "no service has a router of Traefik in its labels")
		}
		f.State, f.Value = worst(f.Subjects), fmt.Sprintf("%d of %s", n-len(f.Subjects), count(n, "router"))
		return f
	},
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
