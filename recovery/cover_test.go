package recovery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// picture is a snapshot of services, with the object store in a state.
func picture(state sources.State, detail string, list ...*sources.Service) *fleet.Snapshot {
	s := &fleet.Snapshot{At: noon, Sources: []sources.Status{{Name: fleet.BackupsName, State: state, Detail: detail}}}
	for _, x := range list {
		s.Services = append(s.Services, &fleet.Service{Service: *x})
	}
	return s
}

// contents are a catalogue's, each service's in the order in which they are given.
func contents(snapshots []Snapshot, drills ...Drill) *Contents {
	c := &Contents{Read: noon, Snapshots: map[string][]Snapshot{}, Drills: map[string][]Drill{}}
	for _, s := range snapshots {
		c.Snapshots[s.Service] = append(c.Snapshots[s.Service], s)
	}
	for _, d := range drills {
		c.Drills[d.Service] = append(c.Drills[d.Service], d)
	}
	return c
}

func drillOf(ago time.Duration, ok bool, rto time.Duration) Drill {
	return Drill{Run: "d", Service: "shop_db", Began: noon.Add(-ago), Ended: noon.Add(-ago + rto), OK: ok, RTO: rto.Seconds(), RPO: 3600, Reason: map[bool]string{false: "verify said no"}[ok]}
}

func changed(s Snapshot, f func(*Snapshot)) Snapshot {
	f(&s)
	return s
}

func TestCoverOfOneService(t *testing.T) {
	db := func(ago time.Duration) Snapshot { return snapshotOf("shop_db", int(ago.Hours())+1, ago) }
	proven := drillOf(48*time.Hour, true, 4*time.Minute)
	with := func(more ...string) *sources.Service {
		return labelled(append(append([]string(nil), good...), more...)...)
	}
	for _, c := range []struct {
		name    string
		service *sources.Service
		have    *Contents
		state   CoverState
		drill   DrillState
		says    string // part of the problem; "": none
		set     string
	}{
		{"fresh, and proven", with(), contents([]Snapshot{db(11 * time.Hour)}, proven), CoverFresh, DrillOK, "", ""},
		{"late", with(), contents([]Snapshot{db(27 * time.Hour)}, proven), CoverLate, DrillOK, "27h old, and may be 26h", ""},
		{"at the very limit", with(), contents([]Snapshot{db(26 * time.Hour)}, proven), CoverFresh, DrillOK, "was due", ""},
		{"a max-age of its own", with("max-age=10m"), contents([]Snapshot{db(11 * time.Minute)}, proven), CoverLate, DrillOK, "may be 10m", ""},
		{"none", with(), contents(nil), CoverNone, DrillNever, "quarterdeck backup shop_db", ""},
		{"another's do not count", with(), contents([]Snapshot{snapshotOf("shop_web", 1, time.Hour)}), CoverNone, DrillNever, "no snapshot has been made", ""},
		{"nobody could look", with(), nil, CoverUnknown, DrillUnknown, "unreachable", ""},
		{"only a safety backup", with(), contents([]Snapshot{changed(db(time.Hour), func(s *Snapshot) { s.Origin = Safety })}), CoverNone, DrillNever, "no snapshot has been made", ""},
		{"of another database", with("db=users"), contents([]Snapshot{db(time.Hour)}), CoverNone, DrillNever, "none of what the policy names now", ""},
		{"of another engine", labelled("engine=volume", "verify=true"), contents([]Snapshot{db(time.Hour)}), CoverNone, DrillNever, "none of what the policy names now", ""},
		{"from the future", with(), contents([]Snapshot{db(-2 * time.Hour)}), CoverNone, DrillNever, "dated in the future", ""},
		{"a clock that is a little ahead", with(), contents([]Snapshot{db(-2 * time.Minute)}, proven), CoverFresh, DrillOK, "", ""},
		{"from the future, and a late one below", with(), contents([]Snapshot{db(-48 * time.Hour), db(30 * time.Hour)}, proven), CoverLate, DrillOK, "30h old", ""},
		{"records that cannot be read", with(), &Contents{Unreadable: []string{snapshotsDir + "shop_db/x.json", snapshotsDir + "shop_db2/x.json"}}, CoverUnknown, DrillNever, "1 record of its snapshots", ""},
		{"a bad policy", labelled("engine=postgres", "secret=s"), contents([]Snapshot{db(time.Hour)}, proven), CoverBadPolicy, DrillOK, LabelDB + " is missing", LabelDB + "=the database's name"},
		{"a bad policy where nobody could look", labelled("engine=postgres"), nil, CoverBadPolicy, DrillUnknown, LabelDB + " is missing", LabelDB + "=the database's name"},
		{"explicit none", labelled("engine=none"), contents(nil), CoverExempt, DrillNone, "", ""},
		{"no policy", labelled(), contents(nil), CoverNotCovered, DrillNone, "volume shop_data is saved by nobody", LabelEngine + "=postgres"},
		{"no policy, and nobody could look", labelled(), nil, CoverNotCovered, DrillNone, "saved by nobody", LabelEngine + "=postgres"},
		{"never drilled", with(), contents([]Snapshot{db(time.Hour)}), CoverFresh, DrillNever, "no drill has shown", ""},
		{"drill failed", with(), contents([]Snapshot{db(time.Hour)}, drillOf(time.Hour, false, time.Minute), proven), CoverFresh, DrillFailed, "verify said no", ""},
		{"drill overdue", with(), contents([]Snapshot{db(time.Hour)}, drillOf(32*24*time.Hour, true, time.Minute)), CoverFresh, DrillOverdue, "32d old", ""},
		{"drill slow", with(), contents([]Snapshot{db(time.Hour)}, drillOf(time.Hour, true, 16*time.Minute)), CoverFresh, DrillSlow, "took 16m, and may take 15m", LabelRTO},
		{"half of it is gone", with(), contents([]Snapshot{changed(db(time.Hour), func(s *Snapshot) { s.Size = 400 << 20 }), db(25 * time.Hour)}, proven), CoverFresh, DrillOK, "less than half", ""},
		{"not read back", with(), contents([]Snapshot{changed(db(time.Hour), func(s *Snapshot) { s.Verified = false })}, proven), CoverFresh, DrillOK, "could not be read back", ""},
		{"due, and did not come", with("schedule=0 * * * *"), contents([]Snapshot{db(5 * time.Hour)}, proven), CoverFresh, DrillOK, "was due 4h ago", ""},
		{"a lesser fault of the policy", labelled("engine=postgres", "db=orders", "secret=s"), contents([]Snapshot{db(time.Hour)}, proven), CoverFresh, DrillOK, LabelVerify + " is missing", LabelVerify + "=" + verifyLike[Postgres]},
	} {
		rows := Cover(picture(sources.Reconnecting, "backups: list: unreachable", c.service), c.have, noon)
		if len(rows) != 1 {
			t.Errorf("%s: %d rows: %+v", c.name, len(rows), rows)
			continue
		}
		r := rows[0]
		if r.State != c.state || r.DrillState != c.drill || r.Set != c.set {
			t.Errorf("%s: %q, drill %q, set %q; want %q, %q, %q", c.name, r.State, r.DrillState, r.Set, c.state, c.drill, c.set)
		}
		if (c.says == "") != (r.Problem == "") || !strings.Contains(r.Problem, c.says) {
			t.Errorf("%s: says %q, want %q", c.name, r.Problem, c.says)
		}
	}
}

// What was fresh when the store was last read may be fresh still: that nobody could look is not that nothing was saved.
func TestCoverOfAStoreThatWentAway(t *testing.T) {
	c := contents([]Snapshot{snapshotOf("shop_db", 1, 30*time.Hour)}, drillOf(48*time.Hour, true, time.Minute))
	c.Read = noon.Add(-10 * time.Hour)
	s := picture(sources.Reconnecting, "backups: list: unreachable: connection refused", labelled(good...))
	if r := Cover(s, c, noon)[0]; r.State != CoverUnknown || !strings.Contains(r.Problem, "connection refused") || r.Newest == nil {
		t.Errorf("%q: %s", r.State, r.Problem)
	}
	c.Read = noon.Add(-time.Hour) // it was late then
	if r := Cover(s, c, noon)[0]; r.State != CoverLate {
		t.Errorf("%q: %s", r.State, r.Problem)
	}
}

func TestCoverSaysWhyNobodyCouldLook(t *testing.T) {
	for state, want := range map[sources.State]string{sources.Absent: "set --s3", sources.Connecting: "not answered yet", sources.NoAuth: "the keys are refused"} {
		detail := ""
		if state == sources.NoAuth {
			detail = "backups: the keys are refused"
		}
		if r := Cover(picture(state, detail, labelled(good...)), nil, noon)[0]; r.State != CoverUnknown || !strings.Contains(r.Problem, want) || strings.HasPrefix(r.Problem, "backups:") {
			t.Errorf("%s: %q: %s", state, r.State, r.Problem)
		}
	}
	if rows := Cover(nil, nil, noon); rows != nil {
		t.Errorf("of nothing: %+v", rows)
	}
}

func TestCoverTellsOfTheLast(t *testing.T) {
	var list []Snapshot
	for i := range 20 {
		s := snapshotOf("shop_db", i+1, time.Duration(i)*24*time.Hour+2*time.Hour)
		s.Size = int64(100-i) << 20
		list = append(list, s)
	}
	r := Cover(picture(sources.Live, "", labelled(append(good, "schedule=0 10 * * *")...)), contents(list, drillOf(time.Hour, true, time.Minute)), noon)[0]
	if r.Kept != 20 || r.Newest.Run != "r1" || r.Age != 2*time.Hour || len(r.Sizes) != TrendMost {
		t.Errorf("kept %d, newest %s, age %v, %d sizes", r.Kept, r.Newest.Run, r.Age, len(r.Sizes))
	}
	if first, last := r.Sizes[0], r.Sizes[TrendMost-1]; !first.T.Before(last.T) || last.V != 100<<20 {
		t.Errorf("sizes from %v to %v", first, last)
	}
	if want := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC); !r.Next.Equal(want) {
		t.Errorf("next %v, want %v", r.Next, want)
	}
	if r.DrillAge != time.Hour || r.Drill == nil {
		t.Errorf("drill %v old", r.DrillAge)
	}
}

func service(name, image string, labels []string, volumes ...string) *sources.Service {
	s := labelled(labels...)
	s.Name, s.Image, s.Mounts = name, image, []sources.Mount{{Type: "bind", Source: "/etc/x", Target: "/x"}, {Type: "volume", Target: "/anonymous"}}
	for _, v := range volumes {
		source, target, _ := strings.Cut(v, ":")
		s.Mounts = append(s.Mounts, sources.Mount{Type: "volume", Source: source, Target: target})
	}
	return s
}

func TestCoverOfVolumes(t *testing.T) {
	temporary := service("qd-run-1", "postgres:15", good, "pg:/var/lib/postgresql/data")
	temporary.Labels[LabelRun] = "1"
	rows := Cover(picture(sources.Live, "",
		service("web", "nginx:1", nil),
		service("db", "postgres:15", good, "pg:/var/lib/postgresql/data", "dumps:/dumps"),
		service("files", "app:1", []string{"engine=volume", "volume=shared", "verify=true"}, "shared:/a"),
		service("reader", "app:1", nil, "shared:/b"),
		service("both", "app:1", nil, "shared:/b", "pg:/c"),
		service("half", "app:1", nil, "shared:/b", "own:/c"),
		service("bare", "registry.example.com/team/mysql-like:8", nil),
		service("scratch", "app:1", []string{"engine=none"}, "tmp:/tmp", "pad:/pad"),
		temporary,
	), contents([]Snapshot{changed(snapshotOf("files", 1, time.Hour), func(s *Snapshot) { s.Engine, s.Volume = Volume, "shared" })}), noon)
	got := map[string]CoverState{}
	for _, r := range rows {
		got[r.Name()] = r.State
	}
	want := map[string]CoverState{"db": CoverNone, "dumps": CoverNotCovered, "files": CoverFresh, "reader": CoverFresh, "both": CoverNone, "half": CoverNotCovered, "bare": CoverNotCovered, "scratch": CoverExempt}
	for name, state := range want {
		if got[name] != state {
			t.Errorf("%s: %q, want %q", name, got[name], state)
		}
	}
	if len(got) != len(want) {
		t.Errorf("rows %v", got)
	}
	for _, r := range rows {
		switch r.Name() {
		case "reader":
			if r.By != "files" {
				t.Errorf("reader is saved by %q", r.By)
			}
		case "both":
			if r.By != "db" || !strings.Contains(r.Problem, "saved by the policy of db") {
				t.Errorf("both: by %q: %s", r.By, r.Problem)
			}
		case "dumps":
			if r.Service != "" || len(r.Mounts) != 1 || r.Set != LabelVolume+"=dumps" || !strings.Contains(r.Problem, "db mounts it") {
				t.Errorf("%+v", r)
			}
		case "bare":
			if r.Set != LabelEngine+"=mysql" || !strings.Contains(r.Problem, "image") {
				t.Errorf("%q, %q", r.Set, r.Problem)
			}
		}
	}
	for i := 1; i < len(rows); i++ {
		if rows[i-1].Rank() > rows[i].Rank() {
			t.Errorf("%s stands before %s", rows[i-1].Name(), rows[i].Name())
		}
	}
	if last := rows[len(rows)-1]; last.Name() != "scratch" {
		t.Errorf("%s is last", last.Name())
	}
}

// Labels are anybody's: they are looked at, bounded, and never believed to be more than text.
func TestCoverOfHostileLabels(t *testing.T) {
	long := strings.Repeat("é", 1<<17)
	for _, labels := range [][]string{
		{"engine=" + long}, {"engine=\x1b[2J\x07"}, {"engine=postgres", "db=x", "schedule=" + long}, {"engine=volume", "volume=" + long},
		{"engine=volume", "volume=../../etc"}, {"engine=postgres", "db='; drop table orders; --", "secret=$(reboot)", "port=99999999999999999999"},
		{"engine=none", "engine.x=" + long}, {"=" + long}, {"engine=redis", "max-age=NaNd", "rto=1e308w", "keep=last=-1"},
		{"engine=postgres", "db=x", "schedule=0 0 31 2 *"}, {"engine=postgres", "db=x", "schedule=CRON_TZ=../../../etc/passwd * * * * *"},
	} {
		s := labelled(labels...)
		for _, have := range []*Contents{nil, contents(nil), contents([]Snapshot{snapshotOf("shop_db", 1, time.Hour)})} {
			rows := Cover(picture(sources.Live, "", s), have, noon)
			if len(rows) == 0 {
				t.Fatalf("%.60q: no row", labels)
			}
			for _, r := range rows {
				if len(r.Problem) > saysMost+len("…") || len(r.Set) > saysMost+len("…") {
					t.Errorf("%.60q: %d bytes of problem, %d of label", labels, len(r.Problem), len(r.Set))
				}
				if strings.Contains(r.Problem, "\x1b") {
					t.Errorf("%.60q: %q", labels, r.Problem)
				}
			}
		}
	}
}

// BenchmarkCover is a platform of 1,000 services, of which 200 have a policy, and 10,000 snapshots: it is made anew with each picture while the view is open.
func BenchmarkCover(b *testing.B) {
	var list []*sources.Service
	c := contents(nil)
	for i := range 1000 {
		s := service(fmt.Sprint("s", i), "app:1", nil)
		if i < 200 {
			s = service(s.Name, "postgres:15", good, fmt.Sprint("v", i, ":/var/lib/postgresql/data"))
			for k := range 50 {
				c.Snapshots[s.Name] = append(c.Snapshots[s.Name], snapshotOf(s.Name, i*100+k, time.Duration(k)*24*time.Hour))
			}
		}
		list = append(list, s)
	}
	snap := picture(sources.Live, "", list...)
	for b.Loop() {
		if rows := Cover(snap, c, noon); len(rows) != 200 {
			b.Fatal(len(rows))
		}
	}
}
