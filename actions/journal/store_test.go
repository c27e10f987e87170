package journal

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"

	"quarterdeck/sources"
)

func TestSpecs(t *testing.T) {
	j := filled(t, 1)
	body := []byte(`{"Name":"web"}`)
	hash := sumOf(body)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := open(t, j.dir).SaveSpec(hash, body); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := j.Spec(hash); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%s %v", got, err)
	}
	path, _ := j.specPath("", hash)
	before, _ := os.Stat(path)
	if err := j.SaveSpec(hash, body); err != nil {
		t.Error(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("what is there is written anew")
	}
	if r := sound(t, j.dir); r.Specs != 1 {
		t.Errorf("%+v", r)
	}
	for what, c := range map[string]struct {
		hash string
		body []byte
	}{
		"another's hash": {hash, []byte("{}")}, "no hash": {"x", body}, "a way out": {"../../../../../tmp/x" + hash[20:], body},
		"capitals": {strings.ToUpper(hash), body}, "too large": {sumOf(make([]byte, MaxSpec+1)), make([]byte, MaxSpec+1)},
	} {
		if err := j.SaveSpec(c.hash, c.body); sources.KindOf(err) != sources.BadQuestion {
			t.Errorf("%s: %v", what, err)
		}
	}
	largest := make([]byte, MaxSpec)
	if err := j.SaveSpec(sumOf(largest), largest); err != nil {
		t.Error(err)
	}
	if got, err := j.Spec(sumOf(largest)); err != nil || len(got) != MaxSpec {
		t.Error(len(got), err)
	}
	if _, err := j.Spec(sumOf([]byte("unknown"))); sources.KindOf(err) != sources.NotFound {
		t.Error(err)
	}
}

func TestSpecThatWasChanged(t *testing.T) {
	j := filled(t, 1)
	body := []byte(`{"Name":"web"}`)
	hash := sumOf(body)
	if err := j.SaveSpec(hash, body); err != nil {
		t.Fatal(err)
	}
	path, _ := j.specPath("", hash)
	if err := os.WriteFile(path, []byte(`{"Name":"bad"}`), filePerm); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Spec(hash); sources.KindOf(err) != sources.BadAnswer {
		t.Error(err)
	}
	if r := verify(t, j.dir); r.OK() || len(r.SpecFaults) != 1 || r.SpecFaults[0].Hash != hash || r.Specs != 0 {
		t.Errorf("%+v", r)
	}
	if err := j.SaveSpec(hash, body); err != nil {
		t.Error(err)
	}
	if got, err := j.Spec(hash); err != nil || !bytes.Equal(got, body) {
		t.Errorf("kept again it is whole again: %s %v", got, err)
	}
}

func TestKeyThatWasChanged(t *testing.T) {
	j := filled(t, 0)
	first, err := j.Key()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := open(t, j.dir).Key(); err != nil || !bytes.Equal(first, again) {
		t.Error(err)
	}
	if err := os.WriteFile(j.path(keyFile), []byte("short"), filePerm); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Key(); sources.KindOf(err) != sources.BadAnswer || !strings.Contains(err.Error(), j.path(keyFile)) {
		t.Error(err)
	}
}
