package registry_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"testing"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/registry"
)

func client(t *testing.T, o registry.Options) *registry.Client {
	t.Helper()
	c, err := registry.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// conform is the suite that every registry must pass: the demo's, and the real one of the lab. repository has the tags
// that are named.
func conform(t *testing.T, c *registry.Client, repository string, want ...string) {
	tags, err := c.Tags(t.Context(), repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !slices.Contains(tags, w) {
			t.Errorf("%s is not among %v", w, tags)
		}
	}
	digests := map[string]string{}
	for _, w := range want {
		d, err := c.Digest(t.Context(), repository+":"+w)
		if err != nil || !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(d) || digests[d] != "" {
			t.Errorf("%s: %q (also of %q), %v", w, d, digests[d], err)
		}
		digests[d] = w
		if again, err := c.Digest(t.Context(), repository+"@"+d); again != d || err != nil {
			t.Errorf("by its digest: %q, %v", again, err)
		}
		look, err := c.Look(t.Context(), repository+":"+w)
		if err != nil || look.Digest != d {
			t.Errorf("a look at %s: %+v, %v", w, look, err)
		}
		if again, err := c.Look(t.Context(), repository+":"+w+"@"+d); err != nil || again != look {
			t.Errorf("a look by its digest: %+v, %v", again, err)
		}
		full, err := c.Tags(t.Context(), repository+":"+w+"@"+d)
		if err != nil || !slices.Equal(full, tags) {
			t.Errorf("tag and digest in the reference change the answer: %v, %v", full, err)
		}
	}
	for name, call := range map[string]func() error{
		"no such repository":    func() error { _, err := c.Tags(t.Context(), repository+"-nope"); return err },
		"no such tag":           func() error { _, err := c.Digest(t.Context(), repository+":missing-1"); return err },
		"a look at no such tag": func() error { _, err := c.Look(t.Context(), repository+":missing-1"); return err },
		"a look at a digest that is gone": func() error {
			_, err := c.Look(t.Context(), repository+"@sha256:0000000000000000000000000000000000000000000000000000000000000000")
			return err
		},
	} {
		if err := call(); sources.KindOf(err) != sources.NotFound || sources.NextOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Tags(ctx, repository); !errors.Is(err, context.Canceled) || sources.KindOf(err) != 0 {
		t.Errorf("cancelled: %v", err)
	}
	if len(tags) < 2 {
		t.Fatalf("only %v", tags)
	}
}

func TestDemo(t *testing.T) {
	p, err := demo.Start(t.Context(), demo.Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	c := client(t, registry.Options{Mirrors: p.RegistryMirrors()})
	conform(t, c, "registry.quarterdeck.demo/shop/api", "2.31.4", "2.31.3", "2.32.0", "2.32.0-bad")
	conform(t, c, "postgres", "16.4", "16.3")
	conform(t, c, "docker.io/prom/prometheus", "v3.1.0", "latest")
	conform(t, c, "gcr.io/cadvisor/cadvisor", "v0.49.1")
	limited := client(t, registry.Options{Mirrors: p.RegistryMirrors(), MaxTags: 3})
	tags, err := limited.Tags(t.Context(), "postgres")
	if len(tags) != 3 || sources.KindOf(err) != sources.OverLimit || sources.NextOf(err) == "" {
		t.Errorf("%v, %v", tags, err)
	}
}

// TestLab runs the suite against the lab's registry, which is Debian's docker-registry.
func TestLab(t *testing.T) {
	if os.Getenv("QD_LAB") != "1" {
		t.Skip("QD_LAB=1 is not set (testdata/lab)")
	}
	const repository = "10.200.0.254:5000/workload"
	conform(t, client(t, registry.Options{}), repository, "1.0", "1.1", "2.0-bad") // RFC 1918: plain http by itself
	conform(t, client(t, registry.Options{Insecure: []string{"10.200.0.254:5000"}}), repository, "1.0", "1.1")
	conform(t, client(t, registry.Options{Mirrors: map[string]string{"registry.example": "http://10.200.0.254:5000"}}), "registry.example/workload", "1.0", "1.1")
	_, err := client(t, registry.Options{Mirrors: map[string]string{"registry.example": "https://10.200.0.254:5000"}}).Tags(t.Context(), "registry.example/workload")
	if k := sources.KindOf(err); k != sources.Unreachable && k != sources.BadAnswer {
		t.Errorf("an address with https was asked in plain: %v", err)
	}
}
