package registry

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// An image tells by its label which commit it was built from.
func TestLookReadsTheCommit(t *testing.T) {
	s := httptest.NewServer(registry.New())
	t.Cleanup(s.Close)
	image := strings.TrimPrefix(s.URL, "http://") + "/shop/web:1"
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", Created: v1.Time{Time: time.Date(2026, 11, 29, 21, 8, 0, 0, time.UTC)},
		Config: v1.Config{Labels: map[string]string{"org.opencontainers.image.revision": "9f848b7c1d", "revision": "other"}}})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	look, err := c.Look(t.Context(), image)
	if err != nil || look.Revision != "9f848b7c1d" || look.Healthcheck || look.Created.Hour() != 21 {
		t.Errorf("%+v %v", look, err)
	}
}
