package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources/fleet"
)

// platform looks at what no one service is: nodes and certificates. Where one service is asked about, only at the nodes that it is on.
func (x *inquiry) platform() []Cause {
	var out []Cause
	for i := range x.snap.Nodes {
		n := &x.snap.Nodes[i]
		if c := x.nodeDown(n); c != nil {
			out = append(out, *c)
		}
		if c := x.nodeDisk(n); c != nil {
			out = append(out, *c)
		}
	}
	if c := x.certificate(); c != nil && x.edge() {
		out = append(out, *c)
	}
	return out
}

// proxies are words in the images of what stands at the edge and serves certificates.
var proxies = []string{"traefik", "nginx", "caddy", "haproxy", "envoy", "httpd", "ingress"}

// edge tells whether a certificate may be about the service asked for: all, one that serves them, or one whose lines speak of them.
func (x *inquiry) edge() bool {
	if x.q.Service == "" {
		return true
	}
	s := x.scenes[x.q.Service]
	if s == nil {
		return false
	}
	if has(s.Service.Image+" "+s.Service.Name, proxies...) || slices.ContainsFunc(x.wide.Certs, func(c Cert) bool { return c.Service == x.q.Service }) {
		return true
	}
	if s.Logs != nil {
		for _, e := range s.Logs.Errors {
			if has(e.Line, "x509", "certificate", "tls handshake") {
				return true
			}
		}
	}
	return false
}

// concerns tells whether a node is about the service asked for: a task of it is or was there lately.
func (x *inquiry) concerns(n *fleet.Node) bool {
	if x.q.Service == "" {
		return true
	}
	v := x.snap.Service(x.q.Service)
	for i := range v.Tasks {
		if t := &v.Tasks[i]; t.NodeID == n.ID && (!t.State.Ended() || x.q.At.Sub(t.Since) < Recent) {
			return true
		}
	}
	return false
}

// nodeDisk: a node's file system is nearly full, whoever writes to it.
func (x *inquiry) nodeDisk(n *fleet.Node) *Cause {
	if x.wide == nil || !x.concerns(n) {
		return nil
	}
	for _, d := range x.wide.Disks {
		if d.Node != n.Name && d.Node != n.Addr || d.Free >= diskLeast {
			continue
		}
		c := &Cause{ID: "disk-full", Title: fmt.Sprintf("the disk of %s is nearly full", n.Name), Node: n.Name, Grade: Anomaly, Confidence: 0.7, Why: "its exporter measures so"}
		d.Node = n.Name
		c.proves(fleet.PrometheusName, d.Query, x.q.At, "%s", d.words())
		c.step("see the node and what runs on it", "nodes", n.Name)
		c.outside("on "+n.Name+" see what fills it", "df -h %s; docker system df -v", shell(d.Mount))
		return c
	}
	return nil
}

// Certificates: told of two weeks before they end, which is where renewal by ACME clients should long have come (certbot renews 30 days before),
// and urgent in the last three days.
const (
	certSoon   = 14 * 24 * time.Hour
	certUrgent = 3 * 24 * time.Hour
)

// certificate: one ends soon, or has ended.
func (x *inquiry) certificate() *Cause {
	if x.wide == nil {
		return nil
	}
	var c *Cause
	name := ""
	for _, cert := range x.wide.Certs {
		if cert.Left > certSoon || x.q.Service != "" && cert.Service != "" && cert.Service != x.q.Service {
			continue
		}
		if c == nil {
			name = firstName(cert.Name)
			c = &Cause{ID: "certificate-expiring", Service: cert.Service, Grade: Signature, Confidence: 0.9, Why: "the proxy says when it ends"}
			c.Title = "a certificate ends in " + days(cert.Left)
			switch {
			case cert.Left <= 0:
				c.Title, c.Confidence, c.urgency = "a certificate has ended", 0.95, 2
			case cert.Left < certUrgent:
				c.urgency = 1
			default:
				c.Confidence, c.Grade, c.Why = 0.45, Anomaly, "the proxy says when it ends; it can be behind nothing that is wrong now"
			}
		}
		c.proves(fleet.PrometheusName, cert.Query, x.q.At, "the certificate of %s ends in %s", cert.Name, days(cert.Left))
	}
	if c != nil {
		if c.Service == "" {
			c.Service = x.onlyTraefik()
		}
		if c.Service != "" {
			c.step("see its lines: why its renewal fails", "logs", c.Service)
			c.step("redeploy it: an ACME client tries again at its start", "redeploy", c.Service)
		}
		c.outside("see what is served", "openssl s_client -connect %s:443 -servername %s </dev/null | openssl x509 -noout -dates -issuer", shell(name), shell(name))
	}
	return c
}

// onlyTraefik is the one service that can have told of a certificate in Traefik's words where the scrape does not say which; "": none, or several.
func (x *inquiry) onlyTraefik() string {
	name := ""
	for _, v := range x.snap.Services {
		if has(v.Image, "traefik") {
			if name != "" {
				return ""
			}
			name = v.Name
		}
	}
	return name
}

// firstName is the first host of a certificate's names, without what it was scraped with.
func firstName(names string) string {
	name, _, _ := strings.Cut(names, ",")
	name, _, _ = strings.Cut(strings.TrimSpace(name), ":")
	return strings.TrimPrefix(name, "*.")
}

func days(d time.Duration) string {
	switch {
	case d <= 0:
		return "the past: " + short(-d) + " ago"
	case d < 48*time.Hour:
		return short(d)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
