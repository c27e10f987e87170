package ui

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// records are an object store in memory, as far as a catalogue reads one.
type records map[string][]byte

func (r records) List(_ context.Context, prefix string) ([]sources.Object, error) {
	var out []sources.Object
	for _, k := range slices.Sorted(maps.Keys(r)) {
		if strings.HasPrefix(k, prefix) {
			out = append(out, sources.Object{Key: k, Size: int64(len(r[k])), ETag: k})
		}
	}
	return out, nil
}
func (r records) Get(_ context.Context, key string, _ int64) ([]byte, error) { return r[key], nil }
func (r records) Put(_ context.Context, key string, data []byte) error       { r[key] = data; return nil }
func (r records) Create(ctx context.Context, key string, data []byte) error {
	return r.Put(ctx, key, data)
}
func (r records) Remove(_ context.Context, key string) error { delete(r, key); return nil }

// idOf is an id of restic's that begins with a number.
func idOf(n int) string { return fmt.Sprintf("%08x", n) + strings.Repeat("ab", 28) }

// saved is a catalogue: shop_store's snapshots of two weeks with a drill and a restore, and one of shop_cart that is too old.
func saved(t testing.TB) *recovery.Feed {
	t.Helper()
	return feedOf(t, savedRecords(t))
}

func feedOf(t testing.TB, r records) *recovery.Feed {
	t.Helper()
	f := recovery.NewFeed(r, func() time.Time { return noon })
	if err := f.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func savedRecords(t testing.TB) records {
	t.Helper()
	r := records{}
	for day := range 14 {
		s := recovery.Snapshot{ID: idOf(0x1000 + day), Service: "shop_store", Environment: "production", Engine: recovery.Postgres, DB: "orders", Node: "node2", Origin: recovery.Scheduled, Run: fmt.Sprint("run", day),
			Taken: noon.Add(-10*time.Hour - time.Duration(day)*24*time.Hour), Size: int64(1<<30 - day<<24), Added: 3 << 20, Server: "15.8", Verified: true}
		s.Ended = s.Taken.Add(95 * time.Second)
		switch day {
		case 3:
			s.Origin, s.Server = recovery.Manual, "15.7"
		case 5:
			s.Verified = false
		}
		save(t, r, &s)
	}
	save(t, r, &recovery.Snapshot{ID: idOf(0x2000), Service: "shop_cart", Engine: recovery.Redis, Origin: recovery.Scheduled, Run: "old", Taken: noon.Add(-50 * time.Hour), Ended: noon.Add(-50 * time.Hour), Size: 40 << 20, Server: "7.0.15", Verified: true})
	for _, d := range []recovery.Drill{
		{Run: "drill1", Service: "shop_store", Engine: recovery.Postgres, Snapshot: idOf(0x1004), Taken: noon.Add(-106 * time.Hour), Began: noon.Add(-5 * 24 * time.Hour), Ended: noon.Add(-5*24*time.Hour + 4*time.Minute), OK: true, RTO: 221, RPO: 7200, Bytes: 1 << 30,
			Verified: &recovery.Verified{Command: "psql -Atc 'select 1'", Output: "1"}, Actor: "ada@deck"},
		{Run: "restore1", Service: "shop_store", Engine: recovery.Postgres, Snapshot: idOf(0x100a), Taken: noon.Add(-250 * time.Hour), Began: noon.Add(-9 * 24 * time.Hour), Ended: noon.Add(-9*24*time.Hour + time.Minute), Real: true, Reason: "the node has no space", Actor: "ada@deck"},
	} {
		if err := recovery.SaveDrill(t.Context(), r, &d); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func save(t testing.TB, r records, s *recovery.Snapshot) {
	t.Helper()
	if err := recovery.SaveSnapshot(t.Context(), r, s); err != nil {
		t.Fatal(err)
	}
}

// withPolicies is the platform with policies on its services, and the object store in a state.
func withPolicies(state sources.State, detail string) *fleet.Fleet {
	f := filled()
	w := world()
	withLabels(w)
	f.Fold(sources.Change{At: noon, World: w})
	f.SetStatus(sources.Status{Name: fleet.BackupsName, State: state, Detail: detail, Since: noon.Add(-time.Minute)})
	return f
}

// withLabels gives the platform's services policies.
func withLabels(w *sources.World) {
	for i := range w.Services {
		s := &w.Services[i]
		mount := func(name, target string) {
			s.Mounts = append(s.Mounts, sources.Mount{Type: "volume", Source: name, Target: target})
		}
		s.Networks = []string{"net"}
		switch s.Name {
		case "shop_store":
			mount("shop_store_data", "/var/lib/postgresql/data")
			mount("shop_store_dumps", "/dumps")
			s.Labels = map[string]string{recovery.LabelEngine: "postgres", recovery.LabelDB: "orders", recovery.LabelSecret: "pw", recovery.LabelSchedule: "0 2 * * *", recovery.LabelVerify: "psql -Atc 'select count(*) > 0 from orders' | grep -qx t"}
		case "shop_cart":
			mount("shop_cart_data", "/data")
			s.Labels = map[string]string{recovery.LabelEngine: "redis", recovery.LabelVerify: "true"}
		case "shop_payments":
			mount("shop_payments_data", "/data")
			s.Labels = map[string]string{recovery.LabelEngine: "postgres", recovery.LabelSecret: "pw"}
		case "platform_loki":
			mount("platform_loki_data", "/loki")
		case "shop_api":
			mount("shop_api_cache", "/cache")
			s.Labels = map[string]string{recovery.LabelEngine: "none"}
		}
	}
}

func backupsConsole(t testing.TB, w, h int, mend func(*Options)) *Model {
	t.Helper()
	m, _ := console(t, w, h, func(o *Options) {
		o.Fleet, o.Backups = withPolicies(sources.Live, ""), saved(t)
		if mend != nil {
			mend(o)
		}
	})
	press(t, m, "8")
	return m
}

func TestGoldenBackups(t *testing.T) {
	for _, size := range sizes {
		for name, c := range map[string]struct {
			mend func(*Options)
			keys []string
		}{
			"worst": {}, "store": {nil, []string{"G", "k"}}, "inside": {nil, []string{"G", "k", "enter", "j", "space", "j", "j", "j", "space"}},
			"no-colour": {func(o *Options) { o.NoColor, o.ASCII = true, true }, []string{"G", "k"}},
			"absent":    {func(o *Options) { o.Fleet, o.Backups = withPolicies(sources.Absent, ""), nil }, nil},
			"away": {func(o *Options) {
				o.Fleet = withPolicies(sources.Reconnecting, "backups: list records: unreachable: connection refused (is the object store up?)")
			}, []string{"G", "k"}},
			"never-read": {func(o *Options) {
				o.Fleet, o.Backups = withPolicies(sources.NoAuth, "backups: list records: unauthorised (set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"), recovery.NewFeed(records{}, time.Now)
			}, nil},
			"then":   {nil, []string{"G", "k", "enter", "j", "j", "a"}},
			"none":   {func(o *Options) { o.Fleet = filled() }, nil},
			"filter": {nil, []string{"/", "s", "t", "o", "r", "e", "enter"}},
		} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m := backupsConsole(t, size[0], size[1], c.mend)
				press(t, m, c.keys...)
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
	}
}

func frameOf(m *Model) string { return ansi.Strip(m.Frame()) }

// The service under the cursor is the one that is selected everywhere, and the moment is a snapshot's.
func TestBackupsShareTheCursor(t *testing.T) {
	m := backupsConsole(t, 160, 48, nil)
	press(t, m, "G", "k")
	if c := m.selectedCover(); c == nil || c.Service != "shop_store" {
		t.Fatalf("the cursor is on %+v", c)
	}
	if got := m.services.selected(); got != "shop_store" {
		t.Errorf("%q is selected in the services", got)
	}
	press(t, m, "enter", "j", "a")
	want := noon.Add(-34 * time.Hour)
	if !m.when.at.Equal(want) {
		t.Errorf("the moment is %v, want the snapshot's, %v", m.when.at, want)
	}
	if s := m.backups.saved; s.byID[s.ids[0]].at().After(want) {
		t.Errorf("at that moment a snapshot of %v is shown", s.byID[s.ids[0]].at())
	}
	press(t, m, "0", "esc")
	if m.backups.inside {
		t.Error("esc stays in the snapshots")
	}
	press(t, m, "l")
	if m.view != viewLogs || m.subject() != "shop_store" {
		t.Errorf("l shows view %d of %q", m.view, m.subject())
	}
	// And the other way round.
	press(t, m, "1")
	m.gotoService("shop_cart")
	press(t, m, "8")
	if c := m.selectedCover(); c == nil || c.Service != "shop_cart" {
		t.Errorf("with shop_cart selected the cursor is on %+v", c)
	}
	press(t, m, "enter", "enter")
	if m.view != viewTasks || m.tasks.service != "shop_cart" || !m.when.at.Equal(noon.Add(-50*time.Hour)) {
		t.Errorf("enter on a snapshot: view %d of %q at %v", m.view, m.tasks.service, m.when.at)
	}
}

func TestBackupsCompareTwo(t *testing.T) {
	m := backupsConsole(t, 160, 48, nil)
	press(t, m, "G", "k", "space")
	if len(m.backups.saved.marks) != 0 {
		t.Error("a service is marked as a snapshot")
	}
	press(t, m, "enter", "space")
	if !strings.Contains(frameOf(m), "A is 00001000") {
		t.Errorf("one mark says nothing:\n%s", frameOf(m))
	}
	press(t, m, "j", "j", "j", "space")
	f := frameOf(m)
	for _, want := range []string{"A 00001003", "B 00001000", "3d apart", "976MiB → 1GiB, +48MiB (+5 %)", "server 15.7 → 15.8"} {
		if !strings.Contains(f, want) {
			t.Errorf("no %q among the differences:\n%s", want, f)
		}
	}
	press(t, m, "j", "space") // a third: the oldest mark goes
	if s := &m.backups.saved; len(s.marks) != 2 || slices.Contains(s.marks, rowSnapshot+idOf(0x1000)) {
		t.Errorf("marks %q", s.marks)
	}
	press(t, m, "esc", "g", "enter") // another service
	if len(m.backups.saved.marks) != 0 {
		t.Errorf("marks of another service stay: %q", m.backups.saved.marks)
	}
}

// Snapshots, drills and restores are marks of the shared timeline, and lead back to where they are listed.
func TestBackupsAreOnTheTimeline(t *testing.T) {
	m := backupsConsole(t, 160, 48, nil)
	press(t, m, "6", "{", "{", "{", "{", "{", "{", "/", "s", "n", "a", "p", "s", "h", "o", "t", "enter")
	f := frameOf(m)
	if !strings.Contains(f, "backups 17") || !strings.Contains(f, "00001000, scheduled") {
		t.Fatalf("no snapshots on the timeline:\n%s", f)
	}
	m.timeline.selectID(func() string {
		for _, id := range m.timeline.ids {
			if r := m.timeline.byID[id]; r.of != nil && r.of.Ref == idOf(0x1002) {
				return id
			}
		}
		return ""
	}())
	press(t, m, "enter")
	if m.view != viewBackups || !m.backups.inside || m.backups.saved.selected() != rowSnapshot+idOf(0x1002) {
		t.Errorf("enter leads to view %d, row %q", m.view, m.backups.saved.selected())
	}
	// A catalogue that was read anew wakes the console.
	if m.o.Backups.Changed() == nil {
		t.Error("nothing wakes the console")
	}
}

// The keys ask for plans: without a deck they say why nothing can be done, and where there is no snapshot they say that.
func TestBackupsKeysAsk(t *testing.T) {
	m := backupsConsole(t, 120, 40, nil)
	for _, k := range []string{"B", "D", "r"} {
		press(t, m, "G", "k", k)
		if !strings.Contains(m.toast.text, "nothing can be done here") {
			t.Errorf("%s says %q", k, m.toast.text)
		}
	}
	press(t, m, "g", "j", "j")
	for _, k := range []string{"D", "r"} {
		if press(t, m, k); !strings.Contains(m.toast.text, "no policy saves it") {
			t.Errorf("%s on %+v says %q", k, m.selectedCover().Name(), m.toast.text)
		}
	}
	// What was read of the store may be older than the first backup: a plan is asked for, which looks again.
	m = backupsConsole(t, 120, 40, func(o *Options) { o.Backups = feedOf(t, records{}) })
	press(t, m, "g")
	for range 20 {
		if c := m.selectedCover(); c.Service != "" && c.State != recovery.CoverNotCovered && c.State != recovery.CoverExempt && c.State != recovery.CoverBadPolicy {
			break
		}
		press(t, m, "j")
	}
	for _, k := range []string{"D", "r"} {
		if press(t, m, k); !strings.Contains(m.toast.text, "nothing can be done here") {
			t.Errorf("%s on %+v says %q", k, m.selectedCover().Name(), m.toast.text)
		}
	}
}

// TestBackupsFromThePalette: what is asked for by name is of the selected service, or of none.
func TestBackupsFromThePalette(t *testing.T) {
	m, _ := console(t, 120, 40, func(o *Options) { o.Fleet, o.Backups = withPolicies(sources.Live, ""), saved(t) })
	for service, want := range map[string]string{"shop_store": "nothing can be done here", "shop_web": "shop_web has nothing here that could be saved"} {
		m.gotoService(service)
		press(t, m, ":")
		m.overlay.paste("backups: backup now")
		press(t, m, "enter")
		if m.view != viewBackups || !strings.Contains(m.toast.text, want) {
			t.Errorf("with %s selected: view %d, %q", service, m.view, m.toast.text)
		}
	}
	press(t, m, "B") // now that the row is seen
	if !strings.Contains(m.toast.text, "nothing can be done here") {
		t.Errorf("B on the row under the cursor says %q", m.toast.text)
	}
}

func TestBackupsByMouse(t *testing.T) {
	m := backupsConsole(t, 160, 48, nil)
	r := m.layout()
	m.Update(tea.MouseClickMsg{X: 5, Y: r.table.y + 2 + 1, Button: tea.MouseLeft})
	if m.backups.index != 1 || m.backups.inside {
		t.Errorf("a click on the second row puts the cursor on %d", m.backups.index)
	}
	press(t, m, "G", "k")
	m.Update(tea.MouseClickMsg{X: 5, Y: r.about.y + 2 + m.savedHead(r.about.h) + 2, Button: tea.MouseLeft})
	if !m.backups.inside || m.backups.saved.index != 2 {
		t.Errorf("a click on the third snapshot: inside %v, row %d", m.backups.inside, m.backups.saved.index)
	}
	press(t, m, "1")
	x := 0
	for m.tabAt(x) != "8" && x < m.w {
		x++
	}
	m.clickTab(tea.MouseClickMsg{}, x)
	if m.view != viewBackups {
		t.Errorf("a click on the tab opens view %d", m.view)
	}
}

// What records and labels say is drawn harmless.
func TestBackupsOfHostileRecords(t *testing.T) {
	evil := "\x1b[2J\x1b]0;owned\x07\u202e日本"
	r := records{}
	save(t, r, &recovery.Snapshot{ID: idOf(1), Service: "shop_store", Engine: recovery.Postgres, DB: "orders", Node: evil, Origin: recovery.Origin(evil), Run: evil, Taken: noon.Add(-time.Hour), Ended: noon.Add(-90000 * time.Hour), Size: -1 << 62, Added: 1 << 62, Server: evil + strings.Repeat("x", 9000)})
	for _, d := range []recovery.Drill{{Run: "x", Service: "shop_store", Snapshot: evil, Began: noon, OK: true, RTO: -1e300, RPO: 1e300, Actor: evil, Verified: &recovery.Verified{Command: evil, Exit: -1, Output: evil}},
		{Run: "y", Service: "shop_store", Began: noon.Add(-time.Hour), Reason: strings.Repeat(evil, 500)}} {
		if err := recovery.SaveDrill(t.Context(), r, &d); err != nil {
			t.Fatal(err)
		}
	}
	feed := recovery.NewFeed(r, func() time.Time { return noon })
	if err := feed.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		m := backupsConsole(t, size[0], size[1], func(o *Options) { o.Backups = feed })
		for range m.backups.ids {
			press(t, m, "j")
			checkFrame(t, m)
			press(t, m, "enter")
			for range 3 {
				checkFrame(t, m)
				press(t, m, "j", "space")
			}
			press(t, m, "esc")
		}
		press(t, m, "6")
		checkFrame(t, m)
	}
}

// A service that is gone can still be brought back: that there are snapshots of it is said, though it has no row.
func TestBackupsOfServicesThatAreGone(t *testing.T) {
	r := records{}
	save(t, r, &recovery.Snapshot{ID: idOf(1), Service: "shop_gone", Engine: recovery.Volume, Taken: noon.Add(-time.Hour), Ended: noon})
	feed := recovery.NewFeed(r, func() time.Time { return noon })
	if err := feed.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := backupsConsole(t, 160, 48, func(o *Options) { o.Backups = feed })
	if f := frameOf(m); !strings.Contains(f, "of 1 service that the swarm does not have") {
		t.Errorf("nothing tells of it:\n%s", f)
	}
	if f := frameOf(backupsConsole(t, 160, 48, nil)); strings.Contains(f, "does not have") {
		t.Errorf("none is gone, and the title says one is:\n%s", f)
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Hour: "0s", 0: "0s", 40 * time.Second: "40s", 221 * time.Second: "3m41s", 15 * time.Minute: "15m", 10 * time.Minute: "10m", 26 * time.Hour: "26h",
		90*time.Minute + 20*time.Second: "1h30m", 72 * time.Hour: "3d"} {
		if got := brief(d); got != want {
			t.Errorf("brief(%v) = %q, want %q", d, got, want)
		}
	}
}
