package alertmanager_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/alertmanager"
)

// conform is the suite that every server must pass that the console is to work with: the embedded platform's, and the
// real one of the lab. It leaves an expired silence behind, which matches nothing that exists.
func conform(t *testing.T, address string) *alertmanager.Client {
	c, err := alertmanager.New(alertmanager.Options{Access: sources.Access{Address: address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Run("reads", func(t *testing.T) { conformReads(t, c) })
	t.Run("silence", func(t *testing.T) { conformSilence(t, c) })
	return c
}

func conformReads(t *testing.T, c *alertmanager.Client) {
	alerts, err := c.Alerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range alerts {
		if a.Name == "" || a.Fingerprint == "" || a.Since.IsZero() || (a.State != sources.Firing && a.State != sources.Suppressed) || len(a.Receivers) == 0 {
			t.Errorf("%+v", a)
		}
		if i > 0 && a.Since.After(alerts[i-1].Since) {
			t.Errorf("the newest come first: %v after %v", a.Since, alerts[i-1].Since)
		}
	}
	groups, err := c.Groups(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, g := range groups {
		if g.Receiver == "" || len(g.Alerts) == 0 {
			t.Errorf("%+v", g)
		}
	}
	if p := c.Probe(t.Context()); p.State != sources.Live || p.Version == "" || len(p.Missing) != 0 || len(p.Allows) != 4 {
		t.Errorf("%+v", p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Alerts(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func conformSilence(t *testing.T, c *alertmanager.Client) {
	want := sources.Silence{
		Author: "quarterdeck", Comment: "conformance \"ü\"", Ends: time.Now().Add(time.Hour).Truncate(time.Second),
		Matchers: []sources.Matcher{{Name: "qd_conformance", Value: "yes"}, {Name: "service", Value: "a|b", Regexp: true, Negative: true}},
	}
	id, err := c.Silence(t.Context(), want)
	if err != nil || id == "" {
		t.Fatal(id, err)
	}
	got := find(t, c, id)
	if got.State != "active" || got.Author != want.Author || got.Comment != want.Comment || !got.Ends.Equal(want.Ends) {
		t.Errorf("%+v", got)
	}
	for _, m := range want.Matchers {
		if !slices.Contains(got.Matchers, m) {
			t.Errorf("%+v is not in %+v", m, got.Matchers)
		}
	}
	for range 2 { // the second time it has ended already
		if err := c.Expire(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if s := find(t, c, id); s.State != "expired" {
		t.Errorf("%+v", s)
	}
	err = c.Expire(t.Context(), "00000000-0000-4000-8000-000000000000")
	if sources.KindOf(err) != sources.NotFound || !strings.Contains(sources.NextOf(err), "list the silences") {
		t.Errorf("one that never was: %v", err)
	}
}

func find(t *testing.T, c *alertmanager.Client, id string) sources.Silence {
	t.Helper()
	all, err := c.Silences(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s sources.Silence) bool { return s.ID == id })
	if i < 0 {
		t.Fatalf("silence %s is not among %d", id, len(all))
	}
	return all[i]
}
