package ui

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func TestHandoverIsReadCopiedAndSaved(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, 120, 40, func(o *Options) { o.SaveDir = dir })
	r.deploy(newImage, r.deck)
	r.press("H")
	r.shows("From when on?", "since: 12h")
	r.press("backspace", "x", "enter")
	r.shows(`"12x" is no time`)
	r.press("backspace", "h", "enter")
	r.shows("Handover: production", "redeploy shop_web: done", "shop_web:1.5.0@feedc0de89ab", "shop_payments")
	r.press("ctrl+o")
	r.until("the file", func() bool { return strings.HasPrefix(r.toast.text, "saved ") })
	files, err := filepath.Glob(filepath.Join(dir, "handover-production-*.md"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil || !strings.HasPrefix(string(text), "# Handover: production\n") || !strings.Contains(string(text), "| shop_web | image |") {
		t.Fatalf("%v: %s", err, text)
	}
	r.press("ctrl+o")
	r.until("another file beside it", func() bool { return strings.HasSuffix(r.toast.text, "-2.md") })
	if again, _ := os.ReadFile(files[0]); string(again) != string(text) {
		t.Fatal("it was written over")
	}
	r.press("c")
	if r.toast.text != "copied as Markdown" {
		t.Fatalf("c says %q", r.toast.text)
	}
	r.press("esc")
	if r.overlay != nil {
		t.Fatal("esc does not close it")
	}
}

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("there", 2*3600) // noon is 14:00 there
	for text, want := range map[string]time.Time{
		"12h": noon.Add(-12 * time.Hour), "90m": noon.Add(-90 * time.Minute), "2d": noon.Add(-48 * time.Hour), "0.5d": noon.Add(-12 * time.Hour),
		"13:30": noon.Add(-30 * time.Minute), "15:00": noon.Add(-23 * time.Hour), "2026-11-24": noon.Add(-14 * time.Hour), "2026-11-24 08:00": noon.Add(-6 * time.Hour),
		"2026-11-24T08:00:00Z": noon.Add(-4 * time.Hour), " 1h ": noon.Add(-time.Hour),
	} {
		if got, err := parseSince(text, noon, zone); err != nil || !got.Equal(want) {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1h", "0h", "d", "nand", "99999999d", "2027-01-01", "25:00"} {
		if got, err := parseSince(text, noon, zone); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// materialHands have secrets and configs as well.
type materialHands struct{ *fakeHands }

func (materialHands) Materials(_ context.Context, _ sources.MaterialKind) ([]sources.Reference, error) {
	return []sources.Reference{{ID: "m1", Name: "cert_v1"}}, nil
}

func TestRotateTakesAFile(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.hands.world.Secrets = []sources.Reference{{ID: "m1", Name: "cert_v1"}}
	r.hands.tell()
	r.deck.Hands = materialHands{r.hands}
	dir := t.TempDir()
	value := "correct horse battery staple"
	if err := os.WriteFile(filepath.Join(dir, "new"), []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(path string) {
		r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
		r.overlay = nil
		r.press(":")
		r.overlay.paste("rotate secret cert_v1")
		r.press("enter")
		r.shows("rotate secret cert_v1", "The value is never shown")
		r.overlay.paste(path)
		r.press("enter")
	}
	ask(" ")
	r.shows("give the path of the file")
	ask(filepath.Join(dir, "none"))
	r.shows("no such file")
	ask(dir)
	r.shows("is no regular file")
	ask(filepath.Join(dir, "new"))
	r.planned()
	r.shows("plan: rotate", "secret cert_v2 is made")
	if strings.Contains(r.screen(), value) {
		t.Fatal("the value is on the screen")
	}
}
