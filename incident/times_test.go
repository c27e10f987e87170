package incident

import (
	"strings"
	"testing"
	"time"
)

func at(minutes float64, by string) Moment {
	return Moment{At: noon.Add(time.Duration(minutes * float64(time.Minute))), By: by, Source: aPerson}
}

func seconds(t *testing.T, s Span) float64 {
	t.Helper()
	if s.Seconds == nil {
		t.Fatalf("unavailable: %s", s.Reason)
	}
	return *s.Seconds
}

// All times are from one beginning, so that they can be read beside each other.
func TestTimes(t *testing.T) {
	x := &Incident{Impact: at(0, "ada"), Detected: at(2, "alert"), Started: at(3, "ada"), Acknowledged: at(4, "bo"), Mitigated: at(10, "bo"), Resolved: at(30, "ada")}
	got := TimesOf(x, nil)
	if seconds(t, got.Detect) != 120 || seconds(t, got.Acknowledge) != 240 || seconds(t, got.Mitigate) != 600 || seconds(t, got.Resolve) != 1800 {
		t.Errorf("%+v", got)
	}
}

// A missing time is unavailable and says why; it is never 0.
func TestMissingTimes(t *testing.T) {
	x := &Incident{Detected: at(2, "alert"), Started: at(3, "ada")}
	got := TimesOf(x, nil)
	for what, s := range map[string]Span{"set when the impact began": got.Detect, "acknowledged": got.Acknowledge, "no run": got.Mitigate, "not resolved": got.Resolve} {
		if s.Seconds != nil || !strings.Contains(s.Reason, what) {
			t.Errorf("%s: %+v", what, s)
		}
	}
	x.Impact = at(5, "ada") // after the detection
	if s := TimesOf(x, nil).Detect; s.Seconds != nil || !strings.Contains(s.Reason, "before its beginning") {
		t.Errorf("%+v", s)
	}
}

func TestMitigatedByARun(t *testing.T) {
	x := &Incident{Impact: at(0, "ada"), Detected: at(1, "ada"), Started: at(1, "ada"), Resolved: at(20, "ada")}
	run := func(id, result string, ended float64) Mitigation {
		m := Mitigation{Run: id, Actor: "bo", Result: result}
		if ended > 0 {
			e := noon.Add(time.Duration(ended * float64(time.Minute)))
			m.Ended = &e
		}
		return m
	}
	runs := []Mitigation{run("first", "done", 5), run("bad", "failed", 9), run("good", "done", 12), run("late", "done", 25), run("open", "", 0)}
	got := TimesOf(x, runs).Mitigate
	if seconds(t, got) != 720 || got.By != "run good, by bo" {
		t.Errorf("%+v", got)
	}
	x.Mitigated = at(7, "cy")
	if got := TimesOf(x, runs).Mitigate; seconds(t, got) != 420 || got.By != "cy" {
		t.Errorf("what somebody has said counts more: %+v", got)
	}
}

func TestMedians(t *testing.T) {
	of := func(s ...float64) (out []Times) {
		for _, v := range s {
			x := Times{}
			if v >= 0 {
				x.Detect.Seconds = &v
			}
			out = append(out, x)
		}
		return out
	}
	for _, c := range []struct {
		in   []float64
		want float64
		n    int
	}{{nil, -1, 0}, {[]float64{-1}, -1, 0}, {[]float64{7}, 7, 1}, {[]float64{-1, 9, 1, -1, 5}, 5, 3}, {[]float64{4, 2, 8, 6}, 5, 4}} {
		m := MediansOf(of(c.in...)).Detect
		if m.N != c.n || (m.Seconds == nil) != (c.want < 0) || m.Seconds != nil && *m.Seconds != c.want {
			t.Errorf("%v: %+v", c.in, m)
		}
	}
}
