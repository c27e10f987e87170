package recovery

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func dayOf(drills ...DayDrill) Day {
	return Day{Run: "20261124-110000-abc", Stack: "shop", Actor: "ada", Began: noon.Add(-time.Hour), Drills: drills, Left: []DayLeft{{"shop_files", "nobody saves it", false}, {"shop_cache", "explicit none", true}}}
}

// A DR day's record is written over itself as it goes on, and the catalogue gives it as it was written last.
func TestDayIsRecordedAsItGoesOn(t *testing.T) {
	m := &memory{}
	c := Catalogue{Objects: m}
	d := dayOf(DayDrill{Service: "shop_db", State: DayStarted, Run: "d1", Allowed: 60}, DayDrill{Service: "shop_maria", State: DayWaiting})
	if err := SaveDay(t.Context(), m, &d); err != nil {
		t.Fatal(err)
	}
	all, err := c.Read(t.Context())
	if err != nil || len(all.Days["shop"]) != 1 || !all.Days["shop"][0].Ended.IsZero() {
		t.Fatalf("%v, %+v", err, all)
	}
	// Whoever did it has died after the drill and before the day's record: the drill's own tells.
	drill := Drill{Run: "d1", Service: "shop_db", Snapshot: idOf(1), Began: noon, OK: true, RTO: 90}
	if err := SaveDrill(t.Context(), m, &drill); err != nil {
		t.Fatal(err)
	}
	if all, err = c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	known := all.Days["shop"][0].Completed(all)
	if ok, of := known.Count(); ok != 1 || of != 2 || known.Took() != 90*time.Second || !known.Drills[0].Slow() {
		t.Errorf("%d of %d in %s: %+v", ok, of, known.Took(), known.Drills)
	}
	if v := known.Verdict(); v != "1 of 2 services came back in 1m30s, 1 slower than allowed, 1 service not covered; it did not come to its end" {
		t.Errorf("the verdict is %q", v)
	}
	d.Drills[0].Record(&drill, "")
	d.Drills[1].Record(nil, "its lock is held")
	d.Ended = noon
	if err := SaveDay(t.Context(), m, &d); err != nil {
		t.Fatal(err)
	}
	back, err := ReadDay(t.Context(), m, "shop", d.Run)
	if err != nil || back.Drills[1].State != DayFailed || back.Ended.IsZero() {
		t.Errorf("%v, %+v", err, back)
	}
	if _, err := ReadDay(t.Context(), m, "shop", "another"); sources.KindOf(err) != sources.NotFound {
		t.Errorf("of one that is not there: %v", err)
	}
	var out strings.Builder
	if err := back.Markdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"**1 of 2 services came back in 1m30s, 1 slower than allowed, 1 service not covered.**", "| **1m30s**  | 1m ", "**It failed:** its lock is held", "- **shop_files**: nobody saves it", "- shop_cache: explicit none"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	m.data[daysDir+"shop/forged.json"] = m.data[d.key()]
	if all, err = c.Read(t.Context()); err != nil || len(all.Unreadable) != 1 {
		t.Errorf("a record under another's key: %v, %q", err, all.Unreadable)
	}
}

func TestBefore(t *testing.T) {
	p := ParsePolicy(labelled(good...))
	c := contents([]Snapshot{changed(snapshotOf("shop_db", 9, time.Minute), func(s *Snapshot) { s.Origin = Safety }), snapshotOf("shop_db", 1, time.Hour), changed(snapshotOf("shop_db", 8, 2*time.Hour), func(s *Snapshot) { s.Engine = Redis }), snapshotOf("shop_db", 2, 3*time.Hour)})
	if s := c.Newest("shop_db"); s == nil || s.ID != idOf(1) {
		t.Errorf("the newest is %+v", s)
	}
	for _, x := range []struct {
		ago           time.Duration
		before, after int // 0: none
	}{{0, 1, 0}, {time.Hour, 1, 0}, {time.Hour + time.Second, 2, 1}, {150 * time.Minute, 2, 1}, {3 * time.Hour, 2, 1}, {4 * time.Hour, 0, 2}} {
		before, after := c.Before("shop_db", &p, noon.Add(-x.ago))
		if (before == nil) != (x.before == 0) || before != nil && before.ID != idOf(x.before) || (after == nil) != (x.after == 0) || after != nil && after.ID != idOf(x.after) {
			t.Errorf("%s ago: %+v, %+v", x.ago, before, after)
		}
	}
}
