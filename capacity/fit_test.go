package capacity

import (
	"math"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func TestFits(t *testing.T) {
	end := time.Now().Truncate(time.Hour)
	for _, c := range []struct {
		name                  string
		cores                 float64 // reserved, as those that follow
		bytes                 int64
		limitCores, usesCores float64
		usesBytes             float64
		hours                 int
		nano, mebibytes       int64 // what fits
		saves                 float64
		why                   string
	}{
		{"less of both", 1, gib, 0, 0.1, 100 << 20, 48, 12e7, 120, 2 * (0.88*0.1 + 904.0/1024*0.05), ""},
		{"up to the next hundredth of a core", 1, gib, 0, 0.1001, gib, 48, 13e7, 1232, 2 * (0.87*0.1 - 208.0/1024*0.05), ""},
		{"more", 0.1, 0, 2, 0.5, 10 << 20, 48, 6e8, 0, 2 * -0.5 * 0.1, ""},
		{"by less than a tenth", 1, 0, 0, 0.9, 0, 48, 1e9, 0, 0, "fit what it uses"},
		{"above its limit", 0.1, 0, 0.5, 0.45, 0, 48, 1e8, 0, 0, "CPU would have to be reserved above its limit"},
		{"the step alone is above its limit", 0.1, 0, 0.545, 0.454, 0, 48, 545e6, 0, 2 * -0.445 * 0.1, ""},
		{"nothing used", 1, gib, 0, 0, 0, 48, 1e7, 4, 2 * (0.99*0.1 + 1020.0/1024*0.05), ""},
		{"nothing reserved", 0, 0, 0, 0.5, gib, 48, 0, 0, 0, "reserves nothing"},
		{"too little known", 1, gib, 0, 0.1, gib, 23, 1e9, 1024, 0, "fewer than 24 hours"},
	} {
		w := &world{}
		w.Nodes = []sources.Node{node("n1", "manager", 4, 8, map[string]string{PriceLabel: "0.8"})}
		s, tasks := service("api", c.cores, c.bytes, "n1", "n1")
		s.Resources.LimitNanoCPUs = int64(c.limitCores * 1e9)
		w.add(s, tasks)
		flat := func(v float64) func(int) float64 { return func(int) float64 { return v } }
		h := &History{Start: end.Add(-48 * time.Hour), End: end, Cores: map[string][]sources.Point{"api": series(end, c.hours, flat(2*c.usesCores))},
			Bytes: map[string][]sources.Point{"api": series(end, c.hours, flat(2*c.usesBytes))}, Counts: map[string][]sources.Point{"api": series(end, c.hours, flat(2))}}
		f := Fits(w.snapshot(), h)[0]
		if f.NanoCPUs != c.nano || f.Bytes != c.mebibytes<<20 || !strings.Contains(f.Why, c.why) || (f.Why == "") != (c.why == "") || f.Fits() != (c.why == "fit what it uses") {
			t.Errorf("%s: %+v", c.name, f)
		}
		near(t, c.name+" saves", f.Saves, c.saves)
		if f.Spares() != (c.saves > 0) {
			t.Errorf("%s: spares %v", c.name, f.Spares())
		}
		if unit := f.NanoCPUs != f.BeforeNanoCPUs && c.why == ""; unit && float64(f.NanoCPUs) < 1e9*spare*c.usesCores-1 {
			t.Errorf("%s: %d are less than what is used and a fifth", c.name, f.NanoCPUs)
		}
		w.Nodes[0].Labels = nil
		f = Fits(w.snapshot(), h)[0]
		if less := c.why == "" && c.saves > 0 && c.name != "up to the next hundredth of a core"; !math.IsNaN(f.Saves) && f.Saves != 0 || f.Spares() != less {
			t.Errorf("%s, without a price: %+v", c.name, f)
		}
	}
}

func TestDemote(t *testing.T) {
	w := &world{}
	w.Nodes = []sources.Node{node("n1", "manager", 2, 4, nil), node("n2", "manager", 2, 4, nil), node("n3", "manager", 2, 4, nil), node("n4", "worker", 2, 4, nil)}
	for _, c := range []struct {
		away string // which manager does not answer
		id   string
		left int
		why  string
	}{
		{"", "id-n1", 2, ""},
		{"id-n2", "id-n1", 2, "only 1 answer"},
		{"id-n2", "id-n2", 2, ""}, // the one that does not answer is the best to go
		{"", "id-n4", 3, ""},
	} {
		for i := range w.Nodes {
			if w.Nodes[i].Role == "manager" {
				w.Nodes[i].Reachability = "reachable"
			}
			if w.Nodes[i].ID == c.away {
				w.Nodes[i].Reachability = "unreachable"
			}
		}
		if left, why := Demote(w.snapshot(), c.id); left != c.left || !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%s with %q away: %d, %q", c.id, c.away, left, why)
		}
	}
	w.Nodes = w.Nodes[2:]
	w.Nodes[0].Reachability = "reachable"
	if _, why := Demote(w.snapshot(), "id-n3"); why != "it is the last manager" {
		t.Errorf("%q", why)
	}
}
