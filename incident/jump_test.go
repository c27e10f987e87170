package incident

import (
	"math"
	"testing"
	"time"

	"quarterdeck/sources"
)

func points(values ...float64) (out []sources.Point) {
	for i, v := range values {
		out = append(out, sources.Point{T: noon.Add(time.Duration(i) * time.Minute), V: v})
	}
	return out
}

func TestJump(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name   string
		values []float64
		at     int // -1: none
	}{
		{"steady", []float64{1, 1, 1, 1, 1, 1}, -1},
		{"a jump that lasts", []float64{1, 1, 2, 1, 20, 22, 19}, 4},
		{"one point alone is noise", []float64{1, 1, 1, 1, 50, 1, 1}, -1},
		{"from nothing", []float64{0, 0, 0, 0, 8, 9}, 4},
		{"below the floor", []float64{0, 0, 0, 0, 2, 2}, -1},
		{"too little is known of before", []float64{0, 9, 9, 9, 9}, -1},
		{"holes", []float64{0, nan, 0, nan, 0, 9, 9}, 5},
		{"the one that holds most", []float64{0, 0, 0, 5, 6, 0, 0, 40, 60, 50, 0, 9, 9}, 7},
		{"at the very end there is no second point", []float64{0, 0, 0, 0, 9}, -1},
		{"nothing", nil, -1},
	} {
		j, ok := jump(points(c.values...), 3)
		when, to := j.at, j.top
		if ok != (c.at >= 0) || ok && (!when.Equal(noon.Add(time.Duration(c.at)*time.Minute)) || to < c.values[c.at]) {
			t.Errorf("%s: %v %s %v", c.name, ok, when, to)
		}
	}
}

func TestErrorsBy(t *testing.T) {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	got := errorsBy([]sources.VolumePoint{{Time: at(30), Counts: map[sources.Level]float64{sources.LevelError: 2, sources.LevelFatal: 1, sources.LevelInfo: 50}},
		{Time: at(60), Counts: map[sources.Level]float64{sources.LevelError: 4}}}, noon, at(90), 15*time.Second)
	want := []float64{0, 3, 0, 4, 0, 0} // from the first step that begins after noon on: a step without a line is a zero
	if len(got) != len(want) || !got[0].T.Equal(at(15)) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i].V != want[i] {
			t.Errorf("step %d: %v, want %v", i, got[i].V, want[i])
		}
	}
	if errorsBy(nil, noon, at(90), 15*time.Second) != nil {
		t.Error("of nothing there is nothing to be counted")
	}
}

func TestChartSaysWhatIsNotKnown(t *testing.T) {
	v := func(f float64) *float64 { return &f }
	c := Chart{Unit: "1", Start: noon, End: noon.Add(72 * time.Minute), Points: []Sample{{noon, v(0)}, {noon.Add(time.Minute), v(8)}, {noon.Add(2 * time.Minute), nil}, {noon.Add(3 * time.Minute), v(4)}}}
	lines := c.draw([]mark{{noon.Add(time.Minute), 'I'}})
	if len(lines) != chartHeight+2 {
		t.Fatalf("%q", lines)
	}
	ground := []rune(lines[chartHeight-1])
	if got := string(ground[5:11]); got != "▁█·█··" {
		t.Errorf("the ground is %q", got)
	}
	if top := []rune(lines[0]); string(top[5:9]) != " █  " {
		t.Errorf("the top is %q", lines[0])
	}
	if axis := []rune(lines[chartHeight]); axis[6] != 'I' {
		t.Errorf("the marks are %q", lines[chartHeight])
	}
}
