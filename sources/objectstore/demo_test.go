package objectstore_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"quarterdeck/sources"
	"quarterdeck/sources/demo/objects"
	"quarterdeck/sources/objectstore"
)

// embedded is the demo's object store.
func embedded(t *testing.T, before func(http.Handler) http.Handler) place {
	t.Helper()
	s, err := objects.New(nil, slog.New(slog.DiscardHandler))
	must(t, err)
	h := http.Handler(s)
	if before != nil {
		h = before(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	at, err := objectstore.ParseAddress(strings.Replace(srv.URL, "http://", "s3+http://", 1) + "/" + objects.Bucket + "/" + objects.Prefix)
	must(t, err)
	return place{at, objectstore.Keys{Access: objects.AccessKey, Secret: objects.SecretKey}}
}

func TestConformanceDemo(t *testing.T) { testConformance(t, embedded(t, nil)) }

// A store that does not know If-None-Match is found out by the probe: on it two runners could do one job.
func TestStoreThatWritesOver(t *testing.T) {
	p := embedded(t, func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && r.Header.Get("If-None-Match") != "" {
				rw.WriteHeader(http.StatusOK)
				return
			}
			inner.ServeHTTP(rw, r)
		})
	})
	got := p.open(t).Probe(t.Context(), true)
	if got.State != sources.Live || strings.Join(got.Missing, " ") != "create-only" || !strings.Contains(got.Fix, "two runners could do one job") {
		t.Errorf("%+v", got)
	}
}
