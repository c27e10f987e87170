package autoscale

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// recorded is a load of so many hours, in cores by the time since noon, that really had so many replicas.
func recorded(hours int, real float64, load func(time.Duration) float64) *Load {
	l := &Load{Start: noon, Step: time.Minute, CPU: 1, Memory: 1 << 30, Values: [][]float64{nil}}
	for m := range hours * 60 {
		l.Values[0] = append(l.Values[0], load(time.Duration(m)*time.Minute))
		l.Replicas = append(l.Replicas, real)
	}
	return l
}

func policy(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// TestReplay: an hour of ten times the load between hours of little, with ten replicas all the time.
func TestReplay(t *testing.T) {
	l := recorded(4, 10, func(d time.Duration) float64 {
		if d >= time.Hour && d < 2*time.Hour {
			return 5.4
		}
		return 0.54
	})
	o := Replay(policy(t, "min=1,max=20,cpu=60"), l)
	if o.Least != 1 || o.Most != 10 || o.Flaps != 0 || o.Unmeasured != 0 || o.AtMax != 0 {
		t.Errorf("%d to %d, %d flaps, %s unmeasured, %s at max", o.Least, o.Most, o.Flaps, o.Unmeasured, o.AtMax)
	}
	all := o.UnderTarget + o.OverTarget
	if want := 4*time.Hour - time.Minute; all != want || o.OverTarget < time.Minute || o.OverTarget > 10*time.Minute {
		t.Errorf("%s at the target, %s over it, of %s", o.UnderTarget, o.OverTarget, want)
	}
	if math.Abs(o.RealTaskHours-10*all.Hours()) > 0.01 || o.RealOver != 0 || o.TaskHours > 18 || o.TaskHours < 12 {
		t.Errorf("%.1f task-hours, really %.1f; over for %s", o.TaskHours, o.RealTaskHours, o.RealOver)
	}
	up, why := 0, ""
	for _, m := range o.Moments {
		if m.Decision.Recommended > m.Decision.Current {
			if up++; why == "" {
				why = m.Decision.Reason
			}
		}
	}
	if up != o.Ups || up < 3 || !strings.HasPrefix(why, "CPU 540% of target 60%, 1 -> 3") {
		t.Errorf("%d times up, %d counted; first %q", up, o.Ups, why)
	}
	tight := Replay(policy(t, "min=1,max=4,cpu=60"), l)
	if tight.Most != 4 || tight.AtMax < 50*time.Minute || tight.OverTarget < 55*time.Minute || tight.TaskHours >= o.TaskHours {
		t.Errorf("with a smaller maximum: to %d, %s at it, %s over the target, %.1f task-hours", tight.Most, tight.AtMax, tight.OverTarget, tight.TaskHours)
	}
}

// TestReplayHoles: what was not measured is told, and takes nothing away; of an empty past nothing is said.
func TestReplayHoles(t *testing.T) {
	l := recorded(3, 6, func(d time.Duration) float64 {
		if d >= time.Hour && d < 2*time.Hour {
			return math.NaN()
		}
		return 0.1
	})
	o := Replay(policy(t, "min=1,max=20,cpu=60"), l)
	if o.Unmeasured < 59*time.Minute || o.Unmeasured > 61*time.Minute {
		t.Errorf("%s unmeasured", o.Unmeasured)
	}
	for _, m := range o.Moments {
		if math.IsNaN(m.Of) && m.Decision.Recommended < m.Decision.Current {
			t.Fatalf("taken away: %s", m.Decision.Reason)
		}
	}
	for _, empty := range []*Load{{Start: noon, Step: time.Minute, Values: [][]float64{nil}}, recorded(1, math.NaN(), func(time.Duration) float64 { return math.NaN() })} {
		if o := Replay(policy(t, "min=3,max=9,cpu=60"), empty); o.UnderTarget+o.OverTarget+o.RealHours != 0 || o.Most > 3 || o.Ups+o.Downs != 0 {
			t.Errorf("of nothing: %+v", o)
		}
	}
}

// TestReplayOfLatency: a query's value that replicas do not share is that of as many as there were.
func TestReplayOfLatency(t *testing.T) {
	l := recorded(1, 4, func(time.Duration) float64 { return 0.5 })
	o := Replay(policy(t, "min=1,max=20,query=p95,target=0.25"), l)
	if last := o.Moments[len(o.Moments)-1]; last.Replicas != 8 || math.Abs(last.Of-1) > 0.01 {
		t.Errorf("%d replicas, at %.2f of the target", last.Replicas, last.Of)
	}
}

// archive is a Prometheus that remembers one service.
type archive struct {
	meter
	asked   []string
	nothing bool
}

func (a *archive) Standard(_ context.Context, service string, w sources.Window, names ...string) ([]sources.Reading, error) {
	a.asked = append(a.asked, fmt.Sprint(names))
	r := sources.Reading{Name: names[0], Reason: "no sample of it"}
	if !a.nothing {
		r.Reason = ""
		r.Answer.Series = []sources.Series{{Points: steps(w, 2)}}
	}
	return []sources.Reading{r}, nil
}

func (a *archive) Range(_ context.Context, query string, w sources.Window) (sources.MetricsAnswer, error) {
	a.asked = append(a.asked, query)
	if strings.HasPrefix(query, "count (") {
		return sources.MetricsAnswer{Series: []sources.Series{{Points: steps(w, 4)}}}, nil
	}
	return sources.MetricsAnswer{Series: []sources.Series{{Labels: map[string]string{"service": "other"}}, {Labels: map[string]string{"service": "shop_web"}, Points: steps(w, 9)}}}, nil
}

func steps(w sources.Window, v float64) (out []sources.Point) {
	for t := w.Start; !t.After(w.End); t = t.Add(w.Step) {
		out = append(out, sources.Point{T: t, V: v})
	}
	return out
}

// TestReadPast: one question for each metric of all policies together, and each policy sees its own.
func TestReadPast(t *testing.T) {
	s := labelled()
	a, b := policy(t, "max=9,cpu=60,query=lag,target=5"), policy(t, "max=9,cpu=80,memory=50")
	m := &archive{}
	x, err := ReadPast(t.Context(), m, s, []*Policy{a, b}, noon.Add(-7*24*time.Hour), noon)
	if err != nil {
		t.Fatal(err)
	}
	if want := `[count (container_memory_working_set_bytes{container_label_com_docker_swarm_service_name="shop_web"}) [cpu] lag [memory]]`; fmt.Sprint(m.asked) != want {
		t.Errorf("asked %v", m.asked)
	}
	if x.Step != 2*time.Minute || len(x.Replicas) > pastPoints {
		t.Errorf("%d points %s apart", len(x.Replicas), x.Step)
	}
	la, lb := x.Load(a), x.Load(b)
	if la.Values[0][7] != 2 || la.Values[1][7] != 9 || lb.Values[1][7] != 2 || la.Replicas[0] != 4 || la.CPU != 0.5 || lb.Memory != 256<<20 {
		t.Errorf("%v %v", la.CPU, lb.Memory)
	}
	if _, err := ReadPast(t.Context(), &archive{nothing: true}, s, []*Policy{b}, noon.Add(-time.Hour), noon); err == nil || err.Error() != "no sample of it" {
		t.Errorf("of what is not known: %v", err)
	}
	if x, err = ReadPast(t.Context(), &archive{nothing: true}, s, []*Policy{a}, noon.Add(-time.Hour), noon); err != nil || x.Missing["cpu"] == "" || !math.IsNaN(x.Load(a).Values[0][0]) {
		t.Errorf("of what is known in part: %v %+v", err, x)
	}
}
