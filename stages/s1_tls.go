package stages

import (
	"fmt"
	"time"
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
	judge: func(*Evidence, *Settings) Finding {
		return unknown("GET /api/http/routers of Traefik", "Traefik's API is not read")
	},
}

func inDays(d time.Duration) string {
	return fmt.Sprintf("%.0f d", d.Hours()/24)
}
