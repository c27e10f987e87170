package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// noon is now in these tests.
var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// service is one with a volume and labels as NAME=VALUE without their prefix, which has been there for a year.
func service(name string, labels ...string) sources.Service {
	s := sources.Service{ID: "id-" + name, Name: name, Mode: sources.Replicated, Created: noon.AddDate(-1, 0, 0), Updated: noon.AddDate(-1, 0, 0), Labels: map[string]string{},
		Mounts: []sources.Mount{{Type: "volume", Source: name, Target: "/data"}}}
	for _, l := range append([]string{"engine=volume", "verify=true"}, labels...) {
		k, v, _ := strings.Cut(l, "=")
		s.Labels["qd.backup."+k] = v
	}
	return s
}

// world is a swarm of services.
func world(list ...sources.Service) *fleet.Snapshot {
	f := fleet.New(func() time.Time { return noon }, fleet.SwarmName)
	f.Fold(sources.Change{World: &sources.World{At: noon, Services: list}})
	return f.Snapshot()
}

// saved is a catalogue in which services have a snapshot that was taken some time ago, and drills that began then: "NAME 2h", "NAME drill 40d".
func saved(t *testing.T, what ...string) *recovery.Contents {
	t.Helper()
	c := &recovery.Contents{Read: noon, Snapshots: map[string][]recovery.Snapshot{}, Drills: map[string][]recovery.Drill{}}
	for i, text := range what {
		f := strings.Fields(text)
		ago, err := time.ParseDuration(f[len(f)-1])
		if err != nil {
			t.Fatal(err)
		}
		name, at := f[0], noon.Add(-ago)
		if len(f) == 3 {
			c.Drills[name] = append(c.Drills[name], recovery.Drill{Run: fmt.Sprint(i), Service: name, Began: at, OK: f[1] == "drill"})
			continue
		}
		c.Snapshots[name] = append(c.Snapshots[name], recovery.Snapshot{ID: strings.Repeat(fmt.Sprint(i), 64), Service: name, Engine: recovery.Volume, Volume: name, Origin: recovery.Scheduled, Taken: at})
	}
	return c
}

// told is an agenda in words: kind, service, how long it has been due, attempts, how long it waits.
func told(list []Task) string {
	var out []string
	for _, t := range list {
		text := fmt.Sprintf("%s %s %s", t.Kind, t.Service, noon.Sub(t.Due))
		if t.Due.IsZero() {
			text = fmt.Sprintf("%s %s never", t.Kind, t.Service)
		}
		if t.Tries > 0 {
			text += fmt.Sprintf(" tried %d", t.Tries)
		}
		if !t.Ready(noon) {
			text += " waits"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func TestAgenda(t *testing.T) {
	hourly, daily := "schedule=30 * * * *", "schedule=0 3 * * *"
	young := service("young", daily)
	young.Created = noon.Add(-time.Hour)
	job := service("job", hourly)
	job.Labels[recovery.LabelRun] = "20261130-115900-abcde"
	good := &recovery.Audit{Began: noon.Add(-time.Hour), OK: true}
	try := func(kind Kind, name string, due time.Duration, count int, next time.Duration) map[string]Try {
		x := Task{Kind: kind, Service: name}
		return map[string]Try{x.key(): {Due: noon.Add(-due), Count: count, Last: noon.Add(next - time.Minute), Next: noon.Add(next)}}
	}
	for _, x := range []struct {
		name  string
		facts Facts
		want  string
	}{
		{"the oldest first", Facts{Snap: world(service("a", hourly), service("b", daily), service("c", hourly)), Contents: saved(t, "a 2h", "b 30h", "c 2h"), Audit: good}, "backup b 9h0m0s; backup a 30m0s; backup c 30m0s"},
		{"only some", Facts{Snap: world(service("shop_a", hourly), service("other_b", hourly)), Contents: saved(t, "shop_a 2h", "other_b 30h"), Audit: good, Only: "shop_*"}, "backup shop_a 30m0s"},
		{"nothing", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 10m"), Audit: good}, ""},
		{"nobody could look", Facts{Snap: world(service("a", hourly)), Audit: good}, ""},
		{"no swarm yet", Facts{Snap: &fleet.Snapshot{}, Contents: saved(t), Audit: good}, ""},
		{"young, a run's own, without a policy, bad", Facts{Snap: world(young, job, sources.Service{ID: "x", Name: "bare", Mode: sources.Replicated}, service("odd", "engine=mongo")), Contents: saved(t), Audit: good}, ""},
		{"the first audit waits for a snapshot", Facts{Snap: world(service("a", hourly)), Contents: saved(t)}, "backup a 30m0s"},
		{"the first audit", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 10m")}, "audit qd.repository never"},
		{"backups before the audit", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 2h"), Audit: &recovery.Audit{Began: noon.Add(-8 * 24 * time.Hour), OK: true}}, "backup a 30m0s; audit qd.repository 24h0m0s"},
		{"no drills unless they are wanted", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 10m"), Audit: good}, ""},
		{"drills last", Facts{Snap: world(service("a", hourly), service("b", hourly), service("c", hourly), service("d", hourly)), Audit: good, Drills: true,
			Contents: saved(t, "a 2h", "b 10m", "b drill 768h", "c 10m", "c drill 700h", "d 10m", "d bad 1h")}, "backup a 30m0s; drill b 24h0m0s; drill a 2h0m0s"},
		{"nothing to drill", Facts{Snap: world(service("a", daily)), Contents: saved(t), Audit: good, Drills: true}, "backup a 9h0m0s"},
		{"tried, and waits", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 2h"), Audit: good, Tries: try(Backup, "a", 30*time.Minute, 1, time.Minute)}, "backup a 30m0s tried 1 waits"},
		{"tried, and may again", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 2h"), Audit: good, Tries: try(Backup, "a", 30*time.Minute, 2, 0)}, "backup a 30m0s tried 2"},
		{"given up", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 2h"), Audit: good, Tries: try(Backup, "a", 30*time.Minute, 3, -time.Hour)}, "backup a 30m0s tried 3 waits"},
		{"given up at another time", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 2h"), Audit: good, Tries: try(Backup, "a", 90*time.Minute, 3, 0)}, "backup a 30m0s"},
		{"tried by a clock that was ahead", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 2h"), Audit: good, Tries: try(Backup, "a", 30*time.Minute, 1, 300*time.Hour)}, "backup a 30m0s tried 1"},
		{"an audit that was given up yesterday", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 10m"), Audit: &recovery.Audit{Began: noon.Add(-9 * 24 * time.Hour), OK: true},
			Tries: try(Audit, recovery.Repository, 48*time.Hour, 3, -25*time.Hour)}, "audit qd.repository 48h0m0s"},
		{"an audit that was given up just now", Facts{Snap: world(service("a", hourly)), Contents: saved(t, "a 10m"), Audit: &recovery.Audit{Began: noon.Add(-9 * 24 * time.Hour), OK: true},
			Tries: try(Audit, recovery.Repository, 48*time.Hour, 3, -time.Hour)}, "audit qd.repository 48h0m0s tried 3 waits"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := told(Agenda(&x.facts, noon)); got != x.want {
				t.Errorf("%s\nwant %s", got, x.want)
			}
		})
	}
}

// TestPauses: each is longer than the one before, and not the same for all.
func TestPauses(t *testing.T) {
	task := Task{Kind: Backup, Service: "a", Due: noon.Add(-time.Hour)}
	differs := map[time.Duration]bool{}
	for range 50 {
		for tries, bounds := range [][2]time.Duration{{45 * time.Second, 75 * time.Second}, {3 * time.Minute, 5 * time.Minute}, {11*time.Minute + 15*time.Second, 18*time.Minute + 45*time.Second}} {
			task.Tries = tries
			x := failed(&task, "why", noon)
			if d := x.Next.Sub(noon); d < bounds[0] || d > bounds[1] || x.Count != tries+1 || !x.Due.Equal(task.Due) {
				t.Fatalf("after %d attempts: %v, %+v", tries+1, d, x)
			}
			differs[x.Next.Sub(noon)] = true
		}
	}
	if len(differs) < 100 {
		t.Errorf("only %d different pauses of 150", len(differs))
	}
}

// TestNext: what is due now, else what comes.
func TestNext(t *testing.T) {
	s := service("a", "schedule=30 * * * *")
	p := recovery.ParsePolicy(&s)
	for what, want := range map[string]time.Duration{"a 2h": -30 * time.Minute, "a 10m": 30 * time.Minute} {
		if got := Next(&Facts{Snap: world(s), Contents: saved(t, what)}, "a", &p, noon); !got.Equal(noon.Add(want)) {
			t.Errorf("%s: %v", what, got)
		}
	}
	if got := Next(&Facts{Snap: world(s)}, "a", &p, noon); !got.Equal(noon.Add(30 * time.Minute)) {
		t.Errorf("where nobody could look: %v", got)
	}
}
