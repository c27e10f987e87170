package prometheus

import (
	"testing"
	"time"

	"quarterdeck/sources"
)

// Rows as Grafana's rule gives them, its rounding of range/points to "nice" intervals left out.
func TestWindowFor(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 7, 500e6, time.UTC)
	for _, tc := range []struct {
		name   string
		span   time.Duration
		points int
		scrape time.Duration
		step   time.Duration
	}{
		{"15 min in 100 points: the scrape interval is the floor", 15 * time.Minute, 100, 15 * time.Second, 15 * time.Second},
		{"15 min in 100 points, scraped each 5 s", 15 * time.Minute, 100, 5 * time.Second, 9 * time.Second},
		{"an hour in 150 points", time.Hour, 150, 15 * time.Second, 24 * time.Second},
		{"six hours in 1000 points, up to whole seconds", 6 * time.Hour, 1000, 15 * time.Second, 22 * time.Second},
		{"a day in 200 points", 24 * time.Hour, 200, 15 * time.Second, 432 * time.Second},
		{"a year in 100,000 points: 11,000 is the bound", 365 * 24 * time.Hour, 100_000, 15 * time.Second, 2867 * time.Second},
		{"no points asked for", 24 * time.Hour, 0, time.Second, 8 * time.Second},
		{"no scrape interval known", time.Minute, 100, 0, DefaultScrape},
		{"scraped faster than a second", 30 * time.Second, 100, 200 * time.Millisecond, 300 * time.Millisecond},
		{"no time at all", 0, 100, 15 * time.Second, 15 * time.Second},
		{"turned round", -time.Hour, 100, 15 * time.Second, 15 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := WindowFor(at.Add(-tc.span), at, tc.points, tc.scrape)
			if w.Step != tc.step {
				t.Errorf("step %v, want %v", w.Step, tc.step)
			}
			checkWindow(t, w)
		})
	}
}

func checkWindow(t *testing.T, w sources.Window) {
	t.Helper()
	if w.Start.UnixNano()%int64(w.Step) != 0 || w.End.UnixNano()%int64(w.Step) != 0 {
		t.Errorf("start %v or end %v is not on a multiple of %v", w.Start, w.End, w.Step)
	}
	if w.End.Before(w.Start) {
		t.Errorf("ends before it starts: %+v", w)
	}
	if n := w.End.Sub(w.Start) / w.Step; n > maxPoints {
		t.Errorf("%d steps: Prometheus refuses it", n)
	}
}

func FuzzWindowFor(f *testing.F) {
	f.Add(int64(1795508477), int64(900), 100, int64(15e9))
	f.Add(int64(-5), int64(11000*15), 11000, int64(1))
	f.Add(int64(0), int64(1e9), 3, int64(-1))
	f.Fuzz(func(t *testing.T, start, span int64, points int, scrape int64) {
		if start < -1e9 || start > 8e9 || span < 0 || span > 4e9 || scrape > int64(1000*time.Hour) {
			t.Skip("no time that a Prometheus stores")
		}
		from := time.Unix(start, 0)
		w := WindowFor(from, from.Add(time.Duration(span)*time.Second), points, time.Duration(scrape))
		checkWindow(t, w)
		if points > 0 && int64(w.End.Sub(w.Start)/w.Step) > int64(points)+1 {
			t.Errorf("%d steps where %d points were asked for", w.End.Sub(w.Start)/w.Step, points)
		}
		if r := RateWindow(w.Step, time.Duration(scrape)); r <= w.Step {
			t.Errorf("rate window %v leaves gaps between steps of %v", r, w.Step)
		}
	})
}

func TestRateWindow(t *testing.T) {
	for _, tc := range []struct{ step, scrape, want time.Duration }{
		{15 * time.Second, 15 * time.Second, time.Minute},
		{9 * time.Second, 5 * time.Second, 20 * time.Second},
		{5 * time.Minute, 15 * time.Second, 315 * time.Second},
		{0, 30 * time.Second, 2 * time.Minute},
		{time.Second, 0, time.Minute},
	} {
		if got := RateWindow(tc.step, tc.scrape); got != tc.want {
			t.Errorf("RateWindow(%v, %v) = %v, want %v", tc.step, tc.scrape, got, tc.want)
		}
	}
}
