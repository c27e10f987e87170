package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// leaking holds c.leak MiB more each second until ctx ends, or the kernel ends it.
func (s *server) leaking(ctx context.Context) {
	if s.leak <= 0 {
		return
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / s.leak))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.mu.Lock()
			s.hold(1)
			s.mu.Unlock()
		}
	}
}

// append writes what a request leaves behind to the journal in WRITE_DIR.
func (s *server) append() error {
	if s.writeDir == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(s.writeDir, "journal.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(make([]byte, s.writeKB<<10))
	return err
}

// /say?line=TEXT&level=L&every=D&for=D writes that line at an interval.
func (s *server) handleSay(w http.ResponseWriter, r *http.Request) {
	line, level, every, span := r.FormValue("line"), r.FormValue("level"), delay(r, "every", time.Second), delay(r, "for", time.Minute)
	if line == "" || every <= 0 {
		http.Error(w, "line and every", http.StatusBadRequest)
		return
	}
	if level == "" {
		level = "warn"
	}
	go func() {
		until := time.Now().Add(span)
		for n := 1; time.Now().Before(until); n++ {
			s.log.event(level, line, "attempt", n)
			time.Sleep(every)
		}
	}()
	answer(w, map[string]any{"line": line, "every": every.String(), "for": span.String()})
}

// certificate is what :8443 serves. Its metric has the name and the labels of
// Traefik's (pkg/observability/metrics), so that what reads Traefik reads it too; it
// is no Traefik.
type certificate struct {
	leaf *x509.Certificate
}

func (c *certificate) writeTo(w io.Writer, head func(name, kind, help string)) {
	if c == nil {
		return
	}
	head("traefik_tls_certs_not_after", "gauge", "Certificate expiration timestamp (the lab's workload, not Traefik).")
	fmt.Fprintf(w, "traefik_tls_certs_not_after{cn=%q,sans=%q,serial=\"%x\"} %d\n",
		c.leaf.Subject.CommonName, c.leaf.DNSNames[0], c.leaf.SerialNumber, c.leaf.NotAfter.Unix())
}

// serveTLS serves the same as ADDR at :8443 with a self-signed certificate of
// TLS_NAME that ends after TLS_VALID. It does nothing without a name.
func (s *server) serveTLS(failed chan<- error) error {
	if s.tlsName == "" {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		return err
	}
	serial, err := crand.Int(crand.Reader, big.NewInt(1<<62))
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: s.tlsName}, DNSNames: []string{s.tlsName},
		NotBefore: now.Add(s.tlsValid - 90*24*time.Hour), NotAfter: now.Add(s.tlsValid),
	}
	raw, err := x509.CreateCertificate(crand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return err
	}
	s.stats.with(func() { s.stats.cert = &certificate{leaf} })
	srv := &http.Server{Addr: ":8443", Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}},
	}}
	go func() { failed <- srv.ListenAndServeTLS("", "") }()
	return nil
}
