package objectstore_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"quarterdeck/sources"
	"quarterdeck/sources/objectstore"
)

// place is an object store that the suite is run against, under a prefix that is the test's own.
type place struct {
	at   objectstore.Address
	keys objectstore.Keys
}

func (p place) open(t *testing.T) *objectstore.Store {
	t.Helper()
	s, err := objectstore.New(p.at, p.keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// under is the same place, with another prefix below its own.
func (p place) under(prefix string) place {
	p.at.Prefix = strings.Trim(p.at.Prefix+"/"+prefix, "/")
	return p
}

// testConformance is what every object store must do for records.
func testConformance(t *testing.T, p place) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, place)
	}{
		{"written, read, written over, removed", testRoundTrip},
		{"of many that create a key at the same moment one wins", testCreateOnly},
		{"a list of more than one page", testPages},
		{"lists and prefixes", testPrefixes},
		{"keys with odd characters", testOddKeys},
		{"an object that is too large", testTooLarge},
		{"a bucket that is not there", testNoBucket},
		{"wrong keys", testWrongKeys},
		{"probe", testProbe},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, p) })
	}
}

func wantKind(t *testing.T, err error, kind sources.Kind, next string) {
	t.Helper()
	if sources.KindOf(err) != kind || next != "" && !strings.Contains(sources.NextOf(err), next) || sources.NextOf(err) == "" {
		t.Errorf("%v (kind %v, next %q), want %v and %q", err, sources.KindOf(err), sources.NextOf(err), kind, next)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testRoundTrip(t *testing.T, p place) {
	s, ctx := p.under("trip").open(t), t.Context()
	_, err := s.Get(ctx, "a/one.json", 100)
	wantKind(t, err, sources.NotFound, "")
	must(t, s.Remove(ctx, "a/one.json"))
	for _, data := range [][]byte{[]byte(`{"n":1}`), bytes.Repeat([]byte("x"), 100<<10), {0, 255, '\n'}, {}} {
		must(t, s.Put(ctx, "a/one.json", data))
		got, err := s.Get(ctx, "a/one.json", 200<<10)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back as %d: %v", len(data), len(got), err)
		}
	}
	must(t, s.Create(ctx, "a/two.json", []byte("2")))
	wantKind(t, s.Create(ctx, "a/two.json", []byte("3")), sources.Conflict, "read what is there")
	if got, err := s.Get(ctx, "a/two.json", 10); err != nil || string(got) != "2" {
		t.Errorf("%q, %v", got, err)
	}
	must(t, s.Remove(ctx, "a/two.json"))
	must(t, s.Create(ctx, "a/two.json", []byte("4")))
	before, err := s.List(ctx, "a/")
	must(t, err)
	must(t, s.Put(ctx, "a/two.json", []byte("5")))
	after, err := s.List(ctx, "a/")
	must(t, err)
	if len(before) != 2 || len(after) != 2 || before[0].ETag != after[0].ETag || before[1].ETag == after[1].ETag || after[1].ETag == "" || after[1].Size != 1 || after[1].Modified.IsZero() {
		t.Errorf("an object that was written over has another ETag, and no other: %v, %v", before, after)
	}
}

func testCreateOnly(t *testing.T, p place) {
	const rounds, at = 12, 6
	p = p.under("race")
	stores := make([]*objectstore.Store, at)
	for i := range stores {
		stores[i] = p.open(t)
	}
	for round := range rounds {
		key := fmt.Sprintf("runs/%d.claim.json", round)
		errs := make([]error, at)
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i := range at {
			wg.Go(func() {
				<-begin
				errs[i] = stores[i].Create(t.Context(), key, []byte{byte('a' + i)})
			})
		}
		close(begin)
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				t.Errorf("%d and %d both created %s", winner, i, key)
			default:
				wantKind(t, err, sources.Conflict, "")
			}
		}
		got, err := stores[0].Get(t.Context(), key, 10)
		if winner < 0 || err != nil || string(got) != string(rune('a'+winner)) {
			t.Errorf("%d won, and %q is there: %v", winner, got, err)
		}
	}
}

func testPages(t *testing.T, p place) {
	n := 2500
	if testing.Short() {
		n = 1100 // two pages
	}
	s := p.under("many").open(t)
	var wg sync.WaitGroup
	todo := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range todo {
				if err := s.Put(t.Context(), fmt.Sprintf("records/%04d.json", i), []byte("{}")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		todo <- i
	}
	close(todo)
	wg.Wait()
	must(t, s.Put(t.Context(), "records-of-others/x.json", []byte("{}")))
	list, err := s.List(t.Context(), "records/")
	must(t, err)
	if len(list) != n {
		t.Fatalf("%d objects, want %d", len(list), n)
	}
	for i := range list {
		if want := fmt.Sprintf("records/%04d.json", i); list[i].Key != want {
			t.Fatalf("object %d is %s, want %s", i, list[i].Key, want)
		}
	}
}

func keysOf(t *testing.T, s *objectstore.Store, prefix string) string {
	t.Helper()
	list, err := s.List(t.Context(), prefix)
	must(t, err)
	var keys []string
	for i := range list {
		keys = append(keys, list[i].Key)
	}
	return strings.Join(keys, " ")
}

func testPrefixes(t *testing.T, p place) {
	p = p.under("prefixes")
	deep, beside, above := p.under("env/one").open(t), p.under("env/one-more").open(t), p.open(t)
	must(t, deep.Put(t.Context(), "records/a.json", []byte("{}")))
	must(t, deep.Put(t.Context(), "b.json", []byte("{}")))
	must(t, beside.Put(t.Context(), "c.json", []byte("{}")))
	for _, c := range []struct {
		of           *objectstore.Store
		prefix, want string
	}{
		{deep, "", "b.json records/a.json"}, {deep, "records/", "records/a.json"}, {deep, "records", "records/a.json"}, {deep, "none/", ""}, {beside, "", "c.json"},
		{above, "env/", "env/one-more/c.json env/one/b.json env/one/records/a.json"}, {above, "env/one/records/", "env/one/records/a.json"},
	} {
		if got := keysOf(t, c.of, c.prefix); got != c.want {
			t.Errorf("%q: %q, want %q", c.prefix, got, c.want)
		}
	}
	whole := p
	whole.at.Prefix = ""
	root := whole.open(t)
	if got, err := root.Get(t.Context(), p.at.Prefix+"/env/one/b.json", 10); err != nil || string(got) != "{}" {
		t.Errorf("without a prefix a key is the whole key: %q, %v", got, err)
	}
	if !strings.Contains(keysOf(t, root, p.at.Prefix+"/env/one/"), p.at.Prefix+"/env/one/records/a.json") {
		t.Error("without a prefix a list has whole keys")
	}
}

func testOddKeys(t *testing.T, p place) {
	s := p.under("odd").open(t)
	odd := []string{"with space.json", "plus+plus", "per%cent%2F", "q?mark&a=b", "hash#tag", "ümläut-日本", "quote'\"x", "semi;colon,comma", "~tilde^$@!*()", "a=b/c:d.json", strings.Repeat("k", 200) + ".json", "..hidden", "tail.", "[br]{ack}", "back\\slash"}
	for _, key := range odd {
		must(t, s.Put(t.Context(), key, []byte(key)))
	}
	for _, key := range odd {
		got, err := s.Get(t.Context(), key, 1000)
		if err != nil || string(got) != key {
			t.Errorf("%s: %q, %v", key, got, err)
		}
		wantKind(t, s.Create(t.Context(), key, []byte("x")), sources.Conflict, "")
	}
	list, err := s.List(t.Context(), "")
	must(t, err)
	var have []string
	for i := range list {
		have = append(have, list[i].Key)
	}
	slices.Sort(odd)
	if !slices.Equal(slices.Sorted(slices.Values(have)), odd) {
		t.Errorf("listed: %q\nwritten: %q", have, odd)
	}
	for _, key := range odd {
		must(t, s.Remove(t.Context(), key))
	}
	if left := keysOf(t, s, ""); left != "" {
		t.Errorf("left: %s", left)
	}
	for _, key := range []string{"", "/a", "a/", "a//b", "../up", "a/../b", "./a", "a/.", "nul\x00", "line\nbreak", "\x1b[31m", "bad\xff", strings.Repeat("k", 1100)} {
		for what, err := range map[string]error{"put": s.Put(t.Context(), key, nil), "create": s.Create(t.Context(), key, nil), "remove": s.Remove(t.Context(), key), "get": second(s.Get(t.Context(), key, 1))} {
			if sources.KindOf(err) != sources.BadQuestion || strings.ContainsAny(err.Error(), "\x00\n\x1b\xff") {
				t.Errorf("%s %.40q: %v", what, key, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func testTooLarge(t *testing.T, p place) {
	s := p.under("large").open(t)
	must(t, s.Put(t.Context(), "x.json", bytes.Repeat([]byte("x"), 1001)))
	if got, err := s.Get(t.Context(), "x.json", 1001); err != nil || len(got) != 1001 {
		t.Errorf("as large as allowed: %d bytes, %v", len(got), err)
	}
	_, err := s.Get(t.Context(), "x.json", 1000)
	wantKind(t, err, sources.OverLimit, "x.json")
}

func testNoBucket(t *testing.T, p place) {
	p.at.Bucket = "quarterdeck-has-no-such-bucket"
	s := p.open(t)
	_, err := s.List(t.Context(), "")
	wantKind(t, err, sources.NotFound, "make the bucket quarterdeck-has-no-such-bucket")
	wantKind(t, s.Put(t.Context(), "a", nil), sources.NotFound, "make the bucket")
	wantKind(t, s.Create(t.Context(), "a", nil), sources.NotFound, "make the bucket")
	_, err = s.Get(t.Context(), "a", 10)
	wantKind(t, err, sources.NotFound, "make the bucket")
	if probe := s.Probe(t.Context(), true); probe.State != sources.Faulty || !strings.Contains(probe.Fix, "make the bucket") || len(probe.Allows) != 0 {
		t.Errorf("%+v", probe)
	}
}

func testWrongKeys(t *testing.T, p place) {
	for name, keys := range map[string]objectstore.Keys{
		"an unknown key": {Access: "NOBODY", Secret: p.keys.Secret}, "a wrong secret": {Access: p.keys.Access, Secret: "wrong-" + p.keys.Secret}, "none": {},
	} {
		w := p
		w.keys = keys
		s := w.open(t)
		_, err := s.List(t.Context(), "")
		wantKind(t, err, sources.Unauthorised, "AWS_ACCESS_KEY_ID")
		wantKind(t, s.Put(t.Context(), "a", []byte("x")), sources.Unauthorised, "AWS_ACCESS_KEY_ID")
		wantKind(t, s.Create(t.Context(), "a", []byte("x")), sources.Unauthorised, "AWS_ACCESS_KEY_ID")
		if probe := s.Probe(t.Context(), true); probe.State != sources.NoAuth || strings.Contains(fmt.Sprintf("%+v %v", probe, err), p.keys.Secret) {
			t.Errorf("%s: %+v", name, probe)
		}
		if keys.Access == "" && !strings.Contains(err.Error(), "no keys are given") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testProbe(t *testing.T, p place) {
	s := p.under("probe").open(t)
	got := s.Probe(t.Context(), true)
	if got.State != sources.Live || strings.Join(got.Allows, " ") != "list write create-only read remove" || len(got.Missing) > 0 || got.Fix != "" || got.Address != p.under("probe").at.String() || got.Name != "backups" {
		t.Errorf("%+v", got)
	}
	if left := keysOf(t, s, ""); left != "" {
		t.Errorf("the probe left %s", left)
	}
	if got := s.Probe(t.Context(), false); strings.Join(got.Allows, " ") != "list" || len(got.Missing) > 0 {
		t.Errorf("read-only: %+v", got)
	}
}

// clear removes everything below the place's prefix.
func (p place) clear(ctx context.Context, t *testing.T) {
	s := p.open(t)
	list, err := s.List(ctx, "")
	if err != nil {
		t.Errorf("clean up: %v", err)
	}
	var wg sync.WaitGroup
	todo := make(chan string)
	for range 16 {
		wg.Go(func() {
			for key := range todo {
				if err := s.Remove(ctx, key); err != nil {
					t.Errorf("clean up: %v", err)
				}
			}
		})
	}
	for i := range list {
		todo <- list[i].Key
	}
	close(todo)
	wg.Wait()
}
