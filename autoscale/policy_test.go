package autoscale

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quarterdeck/sources"
)

// labelled is a service with a reservation and labels as NAME=VALUE without their prefix.
func labelled(labels ...string) *sources.Service {
	s := &sources.Service{ID: "id", Name: "shop_web", Mode: sources.Replicated, Labels: map[string]string{}, Resources: sources.Resources{ReserveNanoCPUs: 5e8, ReserveBytes: 256 << 20}}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		s.Labels[prefix+k] = v
	}
	return s
}

func TestParsePolicy(t *testing.T) {
	p := ParsePolicy(labelled("enable=true", "mode=enforce", "min=2", "max=10", "cpu=60", "memory=75%", "query=sum(rate(requests[1m]))", "target=100/replica",
		"query.p95=p95", "target.p95=0.25", "schedule=CRON_TZ=Europe/Berlin 0 8 * * 1-5 for 10h min 4; 0 0 24 12 * for 2d min 6", "warm-up=2m"))
	if !p.Usable() || len(p.Problems) > 0 {
		t.Fatalf("%+v", p.Problems)
	}
	want := []Metric{{Kind: CPU, Target: 0.6}, {Kind: Memory, Target: 0.75}, {Kind: Query, Query: "sum(rate(requests[1m]))", Target: 100, Each: true}, {Kind: Query, Name: "p95", Query: "p95", Target: 0.25}}
	if len(p.Metrics) != len(want) {
		t.Fatalf("%+v", p.Metrics)
	}
	for i := range want {
		if p.Metrics[i] != want[i] {
			t.Errorf("%+v, want %+v", p.Metrics[i], want[i])
		}
	}
	if p.Mode != Enforce || p.Min != 2 || p.Max != 10 || len(p.Hours) != 2 || p.WarmUp != 2*time.Minute {
		t.Errorf("%+v", p)
	}
	if p := ParsePolicy(labelled("enable=1", "max=3")); !p.Usable() || p.Mode != "" || p.Min != 1 || len(p.Metrics) != 1 || p.Metrics[0] != (Metric{Kind: CPU, Target: 0.8}) {
		t.Errorf("what holds where nothing is said: %+v", p)
	}
	limit := labelled("enable=1", "max=3")
	limit.Resources = sources.Resources{LimitNanoCPUs: 2e9}
	if p := ParsePolicy(limit); !p.Usable() || Reserved(limit, CPU) != 2 {
		t.Errorf("a limit stands for a reservation: %+v", p)
	}
}

// TestFaultsAreNamed: each with the label to set.
func TestFaultsAreNamed(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, x := range []struct {
		labels string // with | between
		says   string
	}{
		{"", "has no policy: set qd.autoscale.enable=true"},
		{"enable=false|max=3", "switched off (qd.autoscale.enable)"},
		{"max=3", "qd.autoscale.enable is missing"},
		{"enable=yes|max=3", `qd.autoscale.enable is "yes", which is neither true nor false: set qd.autoscale.enable=true`},
		{"enable=true", "qd.autoscale.max is missing: nothing grows without a bound: set qd.autoscale.max=4"},
		{"enable=true|min=2|max=1", "qd.autoscale.max is 1, which is less than the minimum of 2: set qd.autoscale.max=7"},
		{"enable=true|min=0|max=3", `qd.autoscale.min is "0", which is no number of replicas from 1 to 10000`},
		{"enable=true|max=10001", `qd.autoscale.max is "10001"`},
		{"enable=true|max=-1", `qd.autoscale.max is "-1"`},
		{"enable=true|max=99999999999999999999", "qd.autoscale.max is"},
		{"enable=true|max=3|cpu=0", `qd.autoscale.cpu is "0", which is no share of the reservation from 1 to 1000 percent: set qd.autoscale.cpu=60`},
		{"enable=true|max=3|cpu=NaN", `qd.autoscale.cpu is "NaN"`},
		{"enable=true|max=3|memory=1e9", `qd.autoscale.memory is "1e9"`},
		{"enable=true|max=3|query=up", "qd.autoscale.target is missing: set qd.autoscale.target=100/replica"},
		{"enable=true|max=3|query=up|target=0", `qd.autoscale.target is "0", which is no number above 0`},
		{"enable=true|max=3|query=up|target=Inf", `qd.autoscale.target is "Inf"`},
		{"enable=true|max=3|target=5", "qd.autoscale.query is missing, and there is a target for it"},
		{"enable=true|max=3|target.a=5", "qd.autoscale.query.a is missing"},
		{"enable=true|max=3|query.A b=up|target.A b=5", "has a name that is none"},
		{"enable=true|max=3|query=up\x1b[2J|target=5", "qd.autoscale.query is no query"},
		{"enable=true|max=3|target=5|query=" + long, "qd.autoscale.query is no query: PromQL of up to 2000 bytes"},
		{"enable=true|max=3|schedule=at eight", `qd.autoscale.schedule has "at eight", which is not like`},
		{"enable=true|max=3|schedule=0 8 * * 1-5 for 10h min 4", "whose minimum is no number from 1 to the maximum of 3"},
		{"enable=true|max=3|schedule=0 8 * * 1-5 for 10s min 2", "whose length is no span of time from 1m to 7d"},
		{"enable=true|max=3|schedule=61 8 * * 1-5 for 10h min 2", "whose beginning is no schedule of cron"},
		{"enable=true|max=3|schedule=@every 1h for 10m min 2", "which has no times of its own"},
		{"enable=true|max=3|schedule=CRON_TZ=X for 10h min 2", "whose beginning is no schedule"},
		{"enable=true|max=3|cpu=" + long, "…"},
	} {
		var labels []string
		if x.labels != "" {
			labels = strings.Split(x.labels, "|")
		}
		p := ParsePolicy(labelled(labels...))
		if why := p.Why(); p.Usable() || !strings.Contains(why, x.says) || len(why) > 400 {
			t.Errorf("%.80q: usable %v, %q, want %q", x.labels, p.Usable(), why, x.says)
		}
	}
	bare := labelled("enable=true", "max=3", "memory=50")
	bare.Resources = sources.Resources{}
	if p := ParsePolicy(bare); p.Usable() || !strings.Contains(p.Why(), "reserves no memory: set deploy.resources.reservations.memory: 256M") {
		t.Error(p.Why())
	}
	for labels, says := range map[string]string{"mode=force": "is neither recommend nor enforce", "warm-up=2w": "is no span of time up to 1h", "minimum=2": "qd.autoscale.minimum is no label of a policy"} {
		p := ParsePolicy(labelled("enable=true", "max=3", labels))
		if !p.Usable() || p.Mode == Enforce || len(p.Problems) != 1 || !strings.Contains(p.Problems[0].String(), says) {
			t.Errorf("%s: usable %v, %v", labels, p.Usable(), p.Problems)
		}
	}
	many := labelled("enable=true", "max=3")
	for _, c := range "abcdefghi" {
		many.Labels[LabelQuery+"."+string(c)], many.Labels[LabelTarget+"."+string(c)] = "up", "1"
	}
	if p := ParsePolicy(many); p.Usable() || !strings.Contains(p.Why(), "at most 8 queries") {
		t.Error(p.Why())
	}
}

func TestParseText(t *testing.T) {
	p, err := ParseText("min=2, max=10, cpu=60, query=sum by (a, b) (x), target=100/replica, schedule=0 8 * * 1,3 for 1h min 3")
	if err != nil || !p.Usable() || p.Max != 10 || len(p.Metrics) != 2 || p.Metrics[1].Query != "sum by (a, b) (x)" || len(p.Hours) != 1 {
		t.Errorf("%v: %+v", err, p)
	}
	for text, says := range map[string]string{"": "write NAME=VALUE", "max": "write NAME=VALUE", "max=x": `max is "x"`, "max=4,cpu=-1": "cpu is", "max=4,mode=force": "mode is", "max=4,mni=2": `max is "4,mni=2"`} {
		if _, err := ParseText(text); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), prefix) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func TestHours(t *testing.T) {
	p := ParsePolicy(labelled("enable=true", "min=2", "max=10", "schedule=CRON_TZ=Europe/Berlin 0 8 * * 1-5 for 10h min 4; 0 22 * * 5 for 4h min 6"))
	for at, want := range map[string]int{
		"2026-11-30T06:59:59Z": 2, "2026-11-30T07:00:00Z": 4, "2026-11-30T16:59:59Z": 4, "2026-11-30T17:00:00Z": 2, // a Monday in winter
		"2026-07-06T05:59:59Z": 2, "2026-07-06T06:00:00Z": 4, // and one in summer
		"2026-12-04T22:30:00Z": 6, "2026-12-05T01:59:59Z": 6, "2026-12-05T12:00:00Z": 2,
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if lo, hi, _ := p.Bounds(now); lo != want || hi != 10 {
			t.Errorf("%s: from %d to %d, want %d", at, lo, hi, want)
		}
	}
}

// TestAnyLabels: whatever labels say, what comes of it is in bounds, and what is not usable says why.
func TestAnyLabels(t *testing.T) {
	words := []string{"", "true", "1", "0", "-1", "3", "10000", "10001", "1e400", "NaN", "0x10", "60%", "up", "\x1b]0;x\a", "100/replica", "0 8 * * 1-5 for 10h min 2", "TZ= for 1h min 1", ";;", "CRON_TZ=A", "@daily for 1h min 1", "🂡"}
	names := []string{"enable", "mode", "min", "max", "cpu", "memory", "query", "target", "query.x", "target.x", "query.", "target.", "query.\n", "schedule", "warm-up", "", "x"}
	rapid.Check(t, func(t *rapid.T) {
		s := labelled()
		for range rapid.IntRange(0, 12).Draw(t, "labels") {
			value := rapid.SampledFrom(words).Draw(t, "word")
			if rapid.Bool().Draw(t, "any") {
				value = rapid.String().Draw(t, "text")
			}
			s.Labels[prefix+rapid.SampledFrom(names).Draw(t, "name")] = value
		}
		p := ParsePolicy(s)
		if p.Usable() != (p.Why() == "") {
			t.Fatalf("usable %v, %q", p.Usable(), p.Why())
		}
		if !p.Usable() {
			return
		}
		lo, hi, _ := p.Bounds(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))
		if p.Min < 1 || lo < p.Min || hi < lo || hi > MostReplicas || len(p.Metrics) == 0 || p.WarmUp < 0 || p.WarmUp > time.Hour {
			t.Fatalf("%+v", p)
		}
		for _, m := range p.Metrics {
			if !(m.Target > 0) || m.Target > mostTarget || len(m.Query) > mostQuery {
				t.Fatalf("%+v", m)
			}
		}
	})
}
