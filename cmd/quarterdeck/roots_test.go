package main

import (
	"crypto/x509"
	"testing"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// TestMozillaRoots verifies each root of the bundle, which is its own issuer, against the pool.
func TestMozillaRoots(t *testing.T) {
	pool := mozillaRoots()
	n := 0
	for c := range bundle.Roots() {
		n++
		if c.Constraint != nil {
			continue // it refuses some chains, and its own is one that it may
		}
		cert, err := x509.ParseCertificate(c.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: cert.NotBefore.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			t.Errorf("%s: %v", cert.Subject, err)
		}
	}
	if n < 100 {
		t.Errorf("%d roots", n)
	}
}
