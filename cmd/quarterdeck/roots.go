package main

import (
	"crypto/x509"
	"encoding/pem"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Mozilla's roots count where the system has none: the image is on nothing. This is what x509roots/fallback does, but for
// the form: a pool that is filled from PEM keeps a certificate as it came, and parses it when it is asked for.
func init() { x509.SetFallbackRoots(mozillaRoots()) }

func mozillaRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	for c := range bundle.Roots() {
		if c.Constraint == nil && pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate})) {
			continue
		}
		cert, err := x509.ParseCertificate(c.Certificate)
		if err != nil {
			panic(err) // it is part of the binary
		}
		pool.AddCertWithConstraint(cert, c.Constraint)
	}
	return pool
}
