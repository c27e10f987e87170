package recovery

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// timed is a drill that has recorded its steps.
func timed(ago time.Duration, real bool, steps ...DrillStep) Drill {
	d := drillOf(ago, true, 90*time.Second)
	d.Real, d.Steps, d.Run, d.Bytes, d.Snapshot = real, steps, map[bool]string{true: "r1", false: "d1"}[real], 1<<30, idOf(7)
	d.Verified = &Verified{Command: "test -s `x` | wc", Exit: 0}
	return d
}

func stepOf(kind string, took float64) DrillStep {
	return DrillStep{Step: Step{Name: "some " + kind, Kind: kind}, Took: took}
}

// subject is shop_db as a runbook has it.
func subject(c *Contents, labels ...string) Recoverable {
	row := Cover(picture(sources.Live, "", labelled(append(slices.Clone(good), labels...)...)), c, noon)[0]
	return Recoverable{Coverage: row, Stack: "shop", Needs: []string{"shop_cache"}, Place: []string{"node.labels.disk == fast"}, Steps: []Step{{"lock shop_db", "lock"}, {"look", "job check"}, {"try", "job drill"}, {"scale to 0", "down"}, {"replace", "job restore"}, {"verify", "prove"}, {"write the record down", "record"}}}
}

func written(t *testing.T, s *Sheet, c *Contents) (*Runbook, string) {
	t.Helper()
	s.Now = noon
	b := MakeRunbook(s, c)
	var out strings.Builder
	if err := b.Markdown(&out); err != nil {
		t.Fatal(err)
	}
	return b, out.String()
}

// The times are true: a restore's own where there was one, a drill's where it does the same, and none where nothing was measured. What is not proven comes first.
func TestRunbook(t *testing.T) {
	c := contents([]Snapshot{snapshotOf("shop_db", 1, 2*time.Hour)}, timed(time.Hour, false, stepOf("lock", 1), stepOf("job check", 10), stepOf("job drill", 30)), timed(50*time.Hour, true, stepOf("lock", 2), stepOf("job restore", 40)))
	b, text := written(t, &Sheet{Context: "production", Store: "s3+https://s3.example/b/p", Image: "registry/runner:1", Repository: "qd-repository", Services: []Recoverable{subject(c)}}, c)
	s := b.Services[0]
	for i, want := range []float64{1, 10, 30, 0, 40} {
		if x := s.Steps[i]; (want == 0) != (x.Took == nil) || x.Took != nil && *x.Took != want || x.Alike {
			t.Errorf("%s: %+v, want %v", x.Name, x, want)
		}
	}
	if s.Expected != 81 || s.Unmeasured != 2 || !s.Steps[6].After || s.Steps[5].After || b.Expected != 81 {
		t.Errorf("expected %v with %d not measured, in all %v", s.Expected, s.Unmeasured, b.Expected)
	}
	if len(b.NotProven) != 0 {
		t.Errorf("doubts: %+v", b.NotProven)
	}
	for _, want := range []string{"quarterdeck restore shop_db --snapshot latest --confirm shop_db", "at least 1m21s (2 steps never measured). The policy allows 15m", "2h", "docker secret create qd-repository", "docker stack deploy --with-registry-auth -c FILE shop",
		"`node.labels.disk == fast`", "It needs shop_cache", "QUARTERDECK_S3=s3+https://s3.example/b/p", "QUARTERDECK_RUNNER_IMAGE=registry/runner:1", "| not measured ", "| it serves by then |", "; it is the only one.", "Lost at most, when all goes by the schedule"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	// Of one that was only drilled the restore's own step is the drill's, said so.
	c = contents([]Snapshot{snapshotOf("shop_db", 1, 2*time.Hour)}, timed(time.Hour, false, stepOf("job drill", 30)))
	b, text = written(t, &Sheet{Services: []Recoverable{subject(c)}}, c)
	if x := b.Services[0].Steps[4]; x.Took == nil || *x.Took != 30 || !x.Alike || !strings.Contains(text, "UTC, in a drill") {
		t.Errorf("%+v in:\n%s", x, text)
	}
	var back Runbook
	if raw, err := json.Marshal(b); err != nil || json.Unmarshal(raw, &back) != nil || len(back.Services) != 1 {
		t.Errorf("as JSON: %v %+v", err, back)
	}
}

func TestRunbookSaysFirstWhatIsNotProven(t *testing.T) {
	fresh := []Snapshot{snapshotOf("shop_db", 1, time.Hour)}
	failed := drillOf(time.Hour, false, time.Minute)
	big := contents([]Snapshot{changed(snapshotOf("shop_db", 1, time.Hour), func(s *Snapshot) { s.Size = 10 << 30 })}, timed(time.Hour, false, stepOf("job drill", 30)))
	for _, x := range []struct {
		name   string
		have   *Contents
		labels []string
		want   string
		grave  bool
	}{
		{"never", contents(fresh), nil, "nobody has ever brought it back", true},
		{"failed", contents(fresh, failed), nil, "the last drill failed, 2026-11-24 11:00:00 UTC: verify said no", true},
		{"overdue", contents(fresh, timed(40*24*time.Hour, false)), nil, "the last drill is 40d old, and may be 31d", false},
		{"slow", contents(fresh, timed(time.Hour, false)), []string{"rto=1m"}, "the last drill took 1m30s, and the policy allows 1m", true},
		{"late", contents([]Snapshot{snapshotOf("shop_db", 1, 50*time.Hour)}, timed(time.Hour, false)), nil, "late: the newest snapshot is", true},
		{"none", contents(nil), nil, "none: no snapshot has been made", true},
		{"not verified", contents(fresh, drillOf(time.Hour, true, time.Minute)), nil, "nothing looked whether it is good", false},
		{"grown", big, nil, "there is 10.0 times as much data", false},
		{"too long in all", contents(fresh, timed(time.Hour, false, stepOf("job drill", 600))), nil, "is expected to take 20m, and the policy allows 15m", false},
	} {
		b, text := written(t, &Sheet{Services: []Recoverable{subject(x.have, x.labels...)}}, x.have)
		i := slices.IndexFunc(b.NotProven, func(d Doubt) bool { return strings.Contains(d.Says, x.want) })
		if i < 0 || b.NotProven[i].Grave != x.grave {
			t.Errorf("%s: %+v", x.name, b.NotProven)
			continue
		}
		if at := strings.Index(text, "## What is not proven"); at < 0 || at > strings.Index(text, "## At a glance") || !strings.Contains(text[at:], "**shop_db**: ") {
			t.Errorf("%s:\n%s", x.name, text)
		}
	}
	// What no policy saves is there as well, before what is less.
	c := contents(fresh, timed(40*24*time.Hour, false))
	b, _ := written(t, &Sheet{Services: []Recoverable{subject(c)}, Uncovered: []Coverage{{Volume: "shop_files", Problem: "nobody saves it", State: CoverNotCovered}}}, c)
	if len(b.NotProven) == 0 || b.NotProven[0].Volume != "shop_files" {
		t.Errorf("%+v", b.NotProven)
	}
}

// Where the swarm is gone the records alone tell which services there are, and the last DR day in which order.
func TestRunbookFromRecordsAlone(t *testing.T) {
	c := contents([]Snapshot{snapshotOf("shop_a", 1, time.Hour), snapshotOf("shop_b", 2, time.Hour), changed(snapshotOf("shop_c", 3, time.Hour), func(s *Snapshot) { s.Origin = Safety })})
	c.Days = map[string][]Day{"shop": {{Run: "x", Stack: "shop", Began: noon.Add(-time.Hour), Drills: []DayDrill{{Service: "shop_b"}, {Service: "shop_a"}}}}}
	list := FromRecords(c, noon, func(r *Recoverable) []Step { return []Step{{"restore " + r.Service, "job restore"}} })
	if len(list) != 2 || list[0].Service != "shop_b" || list[1].Service != "shop_a" || list[0].Stack != "shop" || len(list[0].Steps) != 1 {
		t.Fatalf("%+v", list)
	}
	b, text := written(t, &Sheet{NoSwarm: "swarm: connection refused", Services: list}, c)
	for _, want := range []string{"**The swarm could not be read** (swarm: connection refused)", "quarterdeck restore shop_b --snapshot latest --confirm shop_b", "| not known "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	for _, d := range b.NotProven {
		if strings.Contains(d.Says, "policy") {
			t.Errorf("that no policy can be read is said of each: %+v", d)
		}
	}
}

// What records and labels say stays text, and goes into no command.
func TestRunbookOfHostileText(t *testing.T) {
	evil := "x; rm -rf / `id` | [a](http://b) <script>\x1b[2J\n# head"
	s := snapshotOf("shop_db", 1, time.Hour)
	s.Service, s.Origin, s.Server = evil, Origin(evil), evil
	d := timed(time.Hour, false, DrillStep{Step{evil, evil}, 3})
	d.Service, d.Snapshot, d.Reason, d.Verified = evil, evil, evil, &Verified{Command: evil, Output: evil}
	c := contents([]Snapshot{s}, d)
	row := Coverage{Service: evil, Newest: &s, State: CoverState(evil), Problem: evil, Policy: Policy{Declared: true, Engine: Engine(evil), DB: evil, Volume: evil, Secret: evil, Verify: evil, Schedule: evil}}
	sheet := &Sheet{Context: evil, Store: evil, Image: evil, Repository: evil, NoSwarm: evil, NoStore: evil, Uncovered: []Coverage{{Volume: evil, Problem: evil}},
		Services: []Recoverable{{Coverage: row, Stack: evil, Needs: []string{evil}, Place: []string{evil}, Link: evil, Steps: []Step{{evil, evil}}}},
		Days:     []Day{{Stack: evil, Run: evil, Began: noon}}}
	_, text := written(t, sheet, c)
	unharmed := func(text string, command bool) {
		t.Helper()
		fenced := false
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
				continue
			}
			if strings.Contains(line, "\x1b") || !fenced && strings.HasPrefix(line, "# head") || command && fenced && strings.Contains(line, "rm -rf") {
				t.Errorf("%q", line)
			}
		}
		if fenced {
			t.Error("a block of code does not end")
		}
	}
	unharmed(text, true)
	day := Day{Run: evil, Stack: evil, Actor: evil, Began: noon, Drills: []DayDrill{{Service: evil, State: DayFailed, Reason: evil, Snapshot: evil, Drill: &d}, {Service: evil, State: DayOK, Drill: &d}, {State: "odd"}}, Left: []DayLeft{{evil, evil, false}}}
	var out strings.Builder
	if err := day.Markdown(&out); err != nil {
		t.Error(err)
	}
	unharmed(out.String(), false) // it shows what was run, and asks nobody to type it
}
