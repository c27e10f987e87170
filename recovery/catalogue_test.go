package recovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"quarterdeck/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is now in these tests.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// memory is an object store in memory. Away makes it unreachable; gone are keys that are listed and not there any more.
type memory struct {
	mu   sync.Mutex
	data map[string][]byte
	gone map[string]bool
	away bool
	gets int
}

func (m *memory) fail(op string) error {
	if m.away {
		return &sources.Error{Source: "backups", Kind: sources.Unreachable, Op: op, Err: errors.New("connection refused"), Next: "is it up?"}
	}
	return nil
}

func (m *memory) List(_ context.Context, prefix string) ([]sources.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail("list"); err != nil {
		return nil, err
	}
	var out []sources.Object
	for _, k := range slices.Sorted(maps.Keys(m.data)) {
		if strings.HasPrefix(k, prefix) {
			out = append(out, sources.Object{Key: k, Size: int64(len(m.data[k])), ETag: fmt.Sprint(len(m.data[k]))})
		}
	}
	return out, nil
}

func (m *memory) Get(_ context.Context, key string, limit int64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	if err := m.fail("get " + key); err != nil {
		return nil, err
	}
	d, ok := m.data[key]
	if !ok || m.gone[key] {
		return nil, &sources.Error{Source: "backups", Kind: sources.NotFound, Op: "get " + key}
	}
	if int64(len(d)) > limit {
		return nil, &sources.Error{Source: "backups", Kind: sources.OverLimit, Op: "get " + key}
	}
	return d, nil
}

func (m *memory) Put(_ context.Context, key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		m.data = map[string][]byte{}
	}
	m.data[key] = data
	return m.fail("put " + key)
}

func (m *memory) Create(ctx context.Context, key string, data []byte) error {
	m.mu.Lock()
	_, there := m.data[key]
	m.mu.Unlock()
	if there {
		return &sources.Error{Source: "backups", Kind: sources.Conflict, Op: "create " + key}
	}
	return m.Put(ctx, key, data)
}

func (m *memory) Remove(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.data, key)
	return m.fail("remove " + key)
}

// idOf is an id of restic's that begins with a number.
func idOf(n int) string { return fmt.Sprintf("%08x", n) + strings.Repeat("ab", 28) }

func snapshotOf(service string, n int, ago time.Duration) Snapshot {
	return Snapshot{ID: idOf(n), Service: service, Engine: Postgres, DB: "orders", Origin: Scheduled, Run: fmt.Sprint("r", n), Taken: noon.Add(-ago), Ended: noon.Add(-ago + time.Minute),
		Size: 1 << 30, Added: 1 << 20, Server: "15.8", Verified: true}
}

func keep(t *testing.T, m *memory, list ...Snapshot) {
	t.Helper()
	for i := range list {
		if err := SaveSnapshot(t.Context(), m, &list[i]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCatalogueGivesTheNewestFirst(t *testing.T) {
	m := &memory{}
	keep(t, m, snapshotOf("db", 1, 50*time.Hour), snapshotOf("db", 2, 2*time.Hour), snapshotOf("db", 3, 26*time.Hour), snapshotOf("web", 4, time.Hour))
	for i, d := range []Drill{{Run: "a", Service: "db", Began: noon.Add(-time.Hour)}, {Run: "b", Service: "db", Began: noon.Add(-time.Minute), OK: true}} {
		if err := SaveDrill(t.Context(), m, &d); err != nil {
			t.Fatal(i, err)
		}
	}
	c := Catalogue{Objects: m}
	got, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, s := range got.Snapshots["db"] {
		order = append(order, s.Run)
	}
	if strings.Join(order, " ") != "r2 r3 r1" || len(got.Snapshots["web"]) != 1 || len(got.Unreadable) != 0 {
		t.Errorf("order %v, web %d, unreadable %v", order, len(got.Snapshots["web"]), got.Unreadable)
	}
	if d := got.Drills["db"]; len(d) != 2 || d[0].Run != "b" {
		t.Errorf("drills %+v", d)
	}
	if n := got.Newest("db"); n == nil || n.Run != "r2" {
		t.Errorf("newest %+v", n)
	}
	before := m.gets
	if _, err := c.Read(t.Context()); err != nil || m.gets != before {
		t.Errorf("records were read again: %d gets more, %v", m.gets-before, err)
	}
	gone := got.Snapshots["db"][2]
	if err := ForgetSnapshot(t.Context(), m, &gone); err != nil {
		t.Fatal(err)
	}
	if got, err = c.Read(t.Context()); err != nil || len(got.Snapshots["db"]) != 2 {
		t.Errorf("after one was forgotten: %d, %v", len(got.Snapshots["db"]), err)
	}
}

// What does not fit its own key is no record, whatever it says: whoever can write to the bucket is not believed more than that.
func TestRecordsThatAreNone(t *testing.T) {
	good := snapshotOf("db", 1, time.Hour)
	m := &memory{}
	keep(t, m, good)
	valid := m.data[good.key()]
	other := snapshotOf("other", 2, time.Hour)
	keep(t, m, other)
	lies := m.data[other.key()]
	delete(m.data, other.key())
	badID := snapshotOf("db", 3, time.Hour)
	badID.ID = "--password-command=reboot" + strings.Repeat("x", 40)
	keep(t, m, badID)
	base := snapshotsDir + "db/20261124T"
	for key, data := range map[string]string{
		base + "100000.000Z-00000001.json":                        string(valid), // another moment than it tells
		base + "100001.000Z-00000002.json":                        string(lies),  // another service
		base + "100002.000Z-00000003.json":                        "",
		base + "100003.000Z-00000004.json":                        "null",
		base + "100004.000Z-00000005.json":                        "[1,2,3]",
		base + "100005.000Z-00000006.json":                        "\x00\xff\x1b]0;owned\x07",
		base + "100006.000Z-00000007.json":                        `{"id":"` + strings.Repeat("a", maxRecord) + `"}`, // huge
		base + "100007.000Z-00000008.json":                        strings.Repeat("[", 100_000),
		base + "100008.000Z-00000009.json":                        `{"taken":"9999999999-01-01T00:00:00Z"}`,
		snapshotsDir + "not-a-record":                             "hello",
		drillsDir + "db/20261124T100000.000Z-run.json":            `{"service":"web","run":"run","began":"2026-11-24T10:00:00Z"}`,
		drillsDir + "db/20261124T100001.000Z-../../../etc/x.json": `{"service":"db","run":"x","began":"2026-11-24T10:00:01Z"}`,
	} {
		m.data[key] = []byte(data)
	}
	c := Catalogue{Objects: m}
	got, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Snapshots) != 1 || len(got.Snapshots["db"]) != 1 || got.Snapshots["db"][0].ID != good.ID {
		t.Errorf("snapshots %+v", got.Snapshots)
	}
	if len(got.Drills) != 0 {
		t.Errorf("drills %+v", got.Drills)
	}
	if want := len(m.data) - 1; len(got.Unreadable) != want {
		t.Errorf("%d unreadable, want %d: %v", len(got.Unreadable), want, got.Unreadable)
	}
}

func TestCatalogueOfManyRecords(t *testing.T) {
	m := &memory{}
	for i := range maxRecords {
		s := snapshotOf(fmt.Sprint("s", i%50), i, time.Duration(i)*time.Minute)
		keep(t, m, s)
	}
	c := Catalogue{Objects: m}
	got, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, list := range got.Snapshots {
		n += len(list)
	}
	if n != maxRecords || m.gets != maxRecords {
		t.Errorf("%d snapshots by %d gets, want %d each", n, m.gets, maxRecords)
	}
	keep(t, m, snapshotOf("one-more", maxRecords+1, time.Hour))
	if _, err := c.Read(t.Context()); sources.KindOf(err) != sources.OverLimit {
		t.Errorf("one more than is read: %v", err)
	}
}

func TestStoreThatIsAway(t *testing.T) {
	m := &memory{}
	keep(t, m, snapshotOf("db", 1, time.Hour))
	clock := noon
	f := NewFeed(m, func() time.Time { return clock })
	if f.Contents() != nil {
		t.Error("there are contents before anything was read")
	}
	m.away = true
	if err := f.Read(t.Context()); sources.KindOf(err) != sources.Unreachable || f.Contents() != nil {
		t.Errorf("away from the start: %v, %+v", err, f.Contents())
	}
	m.away = false
	if err := f.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	signalled := func() bool {
		select {
		case <-f.Changed():
			return true
		default:
			return false
		}
	}
	if !signalled() {
		t.Error("the first contents are no news")
	}
	clock = noon.Add(30 * time.Second)
	if err := f.Read(t.Context()); err != nil || signalled() || !f.Contents().Read.Equal(clock) {
		t.Errorf("the same again: %v, read at %v", err, f.Contents().Read)
	}
	m.away = true
	if err := f.Read(t.Context()); err == nil || len(f.Contents().Snapshots["db"]) != 1 {
		t.Errorf("what was known went away with the store: %v", err)
	}
	m.away = false
	keep(t, m, snapshotOf("db", 2, time.Minute))
	if err := f.Read(t.Context()); err != nil || !signalled() {
		t.Errorf("a new snapshot is no news: %v", err)
	}
	// One that is pruned between the listing and the reading is no fault.
	x := snapshotOf("db", 3, time.Second)
	keep(t, m, x)
	m.gone = map[string]bool{x.key(): true}
	if err := f.Read(t.Context()); err != nil || len(f.Contents().Snapshots["db"]) != 2 || len(f.Contents().Unreadable) != 0 {
		t.Errorf("one that went meanwhile: %v, %+v", err, f.Contents())
	}
	// A reading that fails in the middle is no reading.
	m.away = true
	c := Catalogue{Objects: &half{memory: &memory{data: m.data}, after: 1}}
	if _, err := c.Read(t.Context()); sources.KindOf(err) != sources.Unreachable {
		t.Errorf("cut in the middle: %v", err)
	}
}

// half goes away after so many gets.
type half struct {
	*memory
	after int
}

func (h *half) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	h.mu.Lock()
	h.away = h.gets >= h.after
	h.mu.Unlock()
	return h.memory.Get(ctx, key, limit)
}

func TestFind(t *testing.T) {
	c := &Contents{Snapshots: map[string][]Snapshot{"db": {snapshotOf("db", 0x12340001, time.Hour), snapshotOf("db", 0x12350002, 2*time.Hour)}, "web": {snapshotOf("web", 0x99990003, time.Hour)}}}
	for _, x := range []struct {
		service, id string
		want        int // 0: an error
	}{{"db", "latest", 0x12340001}, {"db", "1234", 0x12340001}, {"db", "12350002", 0x12350002}, {"db", "123", 0}, {"db", "", 0}, {"db", "ffff", 0}, {"none", "latest", 0}, {"db", "9999", 0x99990003}} {
		got, err := c.Find(x.service, x.id)
		switch {
		case x.want == 0 && (err == nil || !strings.Contains(err.Error(), "quarterdeck snapshots "+x.service)):
			t.Errorf("Find(%q, %q): %v, %v", x.service, x.id, got, err)
		case x.want != 0 && (err != nil || got.ID != idOf(x.want)):
			t.Errorf("Find(%q, %q): %v, %v", x.service, x.id, got, err)
		}
	}
	c.Snapshots["db"] = append(c.Snapshots["db"], snapshotOf("db", 0x12340009, time.Hour))
	if _, err := c.Find("db", "1234"); err == nil {
		t.Error("the beginning of two ids names one")
	}
}
