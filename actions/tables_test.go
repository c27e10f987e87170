package actions

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

func TestHours(t *testing.T) {
	at := func(s string) time.Time {
		out, err := time.Parse("Mon 15:04:05", s)
		if err != nil {
			t.Fatal(err)
		}
		day := map[string]int{"Mon": 23, "Tue": 24, "Wed": 25, "Thu": 26, "Fri": 27, "Sat": 28, "Sun": 29}[s[:3]]
		return time.Date(2026, 11, day, out.Hour(), out.Minute(), out.Second(), 0, time.UTC)
	}
	for _, c := range []struct {
		hours string
		in    string // moments, with commas between
		out   string
	}{
		{"22:00-06:00", "Mon 22:00:00,Tue 05:59:59,Sun 23:30:00", "Mon 21:59:59,Tue 06:00:00,Wed 12:00:00"},
		{"fri-sun 16:00-24:00", "Fri 16:00:00,Sun 23:59:59", "Fri 15:59:59,Mon 16:00:00,Sat 00:00:00,Thu 20:00:00"},
		{"mon,wed 22:00-06:00", "Mon 22:00:00,Tue 05:00:00,Wed 23:00:00,Thu 00:00:00", "Mon 05:00:00,Tue 22:00:00,Fri 01:00:00,Wed 03:00:00"},
		{"FRI 00:00-24:00", "Fri 00:00:00,Fri 23:59:59", "Sat 00:00:00,Thu 23:59:59"},
		{"sat-mon 09:00-10:00", "Sat 09:00:00,Sun 09:30:00,Mon 09:59:59", "Tue 09:30:00,Fri 09:30:00,Mon 10:00:00"},
		{"sun 12:00-12:00", "Sun 12:00:00,Mon 11:59:59", "Sun 11:59:59,Mon 12:00:00"}, // a whole day from noon
	} {
		h, err := ParseHours(c.hours)
		if err != nil || h.Text != c.hours {
			t.Errorf("%q: %v", c.hours, err)
			continue
		}
		for want, list := range map[bool]string{true: c.in, false: c.out} {
			for _, m := range strings.Split(list, ",") {
				if h.In(at(m)) != want {
					t.Errorf("%q holds %s: %v, want %v", c.hours, m, !want, want)
				}
			}
		}
	}
	for _, bad := range []string{"", "always", "22:00", "22:00-", "-06:00", "25:00-26:00", "fri", "fri- 01:00-02:00", "funday 01:00-02:00", "fri-xxx 01:00-02:00", "fri 1-2", "a b c", "fri, 01:00-02:00"} {
		if _, err := ParseHours(bad); err == nil || !strings.Contains(err.Error(), "22:00-06:00") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestVersions(t *testing.T) {
	tags := []string{"latest", "1.9", "2.0-rc1", "1.10", "stable", "2.0", "1.9.1", "v3"}
	sortVersions(tags)
	if got := strings.Join(tags, " "); got != "v3 2.0 2.0-rc1 1.10 1.9.1 1.9 stable latest" {
		t.Error(got)
	}
}

func TestNewReference(t *testing.T) {
	for _, c := range []struct{ now, asked, want string }{
		{"reg:5000/app:1.0", "", "reg:5000/app:1.0"},
		{"reg:5000/app:1.0", ":1.1", "reg:5000/app:1.1"},
		{"reg:5000/app", ":1.1", "reg:5000/app:1.1"},
		{"reg:5000/a/b:1@sha256:00", ":2", "reg:5000/a/b:2"},
		{"app", " other/app:3 ", "other/app:3"},
		{"app:1", "app@sha256:00", "app@sha256:00"},
	} {
		if got, err := newReference(c.now, c.asked); err != nil || got != c.want {
			t.Errorf("%s with %q is %q, %v; want %q", c.now, c.asked, got, err, c.want)
		}
	}
	if _, err := newReference("app", "a b"); sources.KindOf(err) != sources.BadQuestion {
		t.Error(err)
	}
}

func TestNextName(t *testing.T) {
	for _, c := range []struct {
		name, taken, want string
	}{
		{"cert", "", "cert_v2"},
		{"cert_v2", "", "cert_v3"},
		{"cert_v2", "cert_v3 cert_v4", "cert_v5"},
		{"cert-9", "", "cert-10"},
		{"cert.v1", "", "cert.v2"},
		{"key2", "", "key2_v2"},
		{"cert_v99999999999999999999", "", "cert_v2"},
	} {
		taken := map[string]bool{}
		for _, n := range strings.Fields(c.taken) {
			taken[n] = true
		}
		if got := nextName(c.name, taken); taken[got] || got != c.want && c.name != "cert_v99999999999999999999" {
			t.Errorf("%s, %q taken: %s, want %s", c.name, c.taken, got, c.want)
		}
	}
}

func specOf(t *testing.T, text string) sources.Spec {
	t.Helper()
	s, err := sources.NewSpec([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOrder(t *testing.T) {
	service := func(name, env string, labels map[string]string) sources.ServiceState {
		st := sources.ServiceState{Spec: specOf(t, `{"TaskTemplate":{"ContainerSpec":{"Env":[`+env+`],"Args":["--upstream","http://cache:80"]}}}`)}
		if env == "" {
			st.Spec = specOf(t, `{}`)
		}
		st.Name, st.Stack, st.Labels = "shop_"+name, "shop", labels
		return st
	}
	for name, c := range map[string]struct {
		states []sources.ServiceState
		want   map[string]int
	}{
		"a chain": {[]sources.ServiceState{service("web", `"API=http://api:8080/x"`, nil), service("api", `"DSN=postgres://u:p@db.internal:5432/x"`, nil), service("db", "", nil), service("cache", "", nil)},
			map[string]int{"web": 2, "api": 1, "db": 0, "cache": 0}},
		"a label beats what is found": {[]sources.ServiceState{service("web", `"A=api"`, map[string]string{dependsLabel: "db, shop_cache"}), service("api", "", nil), service("db", "", nil), service("cache", "", nil)},
			map[string]int{"web": 1, "api": 0, "db": 0, "cache": 0}},
		"an empty label: it depends on nothing": {[]sources.ServiceState{service("web", `"A=api"`, map[string]string{dependsLabel: ""}), service("api", "", nil)}, map[string]int{"web": 0, "api": 0}},
		"a circle is cut":                       {[]sources.ServiceState{service("a", `"X=b"`, nil), service("b", `"X=c"`, nil), service("c", `"X=a"`, nil)}, map[string]int{"a": 2, "b": 1, "c": 0}},
		"itself is no dependency":               {[]sources.ServiceState{service("web", `"NAME=web"`, nil)}, map[string]int{"web": 0}},
		"a name within a word is none":          {[]sources.ServiceState{service("web", `"A=database dbx"`, nil), service("db", "", nil)}, map[string]int{"web": 0, "db": 0}},
	} {
		got := groupsOf(c.states)
		for n, want := range c.want {
			if got["shop_"+n] != want {
				t.Errorf("%s: %s is in group %d, want %d", name, n, got["shop_"+n], want)
			}
		}
	}
}

func TestPackGroups(t *testing.T) {
	p := Plan{Changes: []Change{{Group: 3}, {Group: 0}, {Group: 7}, {Group: 3}}}
	p.packGroups()
	var got []int
	for _, c := range p.Changes {
		got = append(got, c.Group)
	}
	if !slices.Equal(got, []int{1, 0, 2, 1}) {
		t.Error(got)
	}
}

func TestSteps(t *testing.T) {
	two := []Change{{Service: "a"}, {Service: "b"}}
	grouped := []Change{{Service: "a"}, {Service: "b", Group: 1}, {Service: "c", Group: 1}}
	m := &MaterialChange{Kind: sources.Secret, Old: "key_v1", OldID: "x", New: "key_v2"}
	for name, c := range map[string]struct {
		plan Plan
		want string
	}{
		"one":               {Plan{Changes: two[:1]}, "update a, verify a"},
		"together":          {Plan{Changes: two}, "update a, update b, verify 2 services of group 1"},
		"in groups":         {Plan{Changes: grouped}, "update a, verify a, update b, update c, verify 2 services of group 2"},
		"without a verdict": {Plan{Changes: grouped, NoWait: true}, "update a, update b, update c"},
		"rotate":            {Plan{Changes: two[:1], Material: m}, "create secret key_v2, update a, verify a, remove secret key_v1"},
		"rotate unproven":   {Plan{Changes: two[:1], Material: m, NoWait: true}, "create secret key_v2, update a"},
		"undo of a rotate":  {Plan{Changes: two[:1], Material: &MaterialChange{Kind: sources.Secret, Old: "key_v2", OldID: "y"}}, "update a, verify a, remove secret key_v2"},
		"keep":              {Plan{Material: &MaterialChange{Kind: sources.Config, Old: "c", New: "c_v2"}}, "create config c_v2"},
		"nothing":           {Plan{}, ""},
	} {
		if got := strings.Join(c.plan.lines(), ", "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWord(t *testing.T) {
	for want, p := range map[string]Plan{
		"a":          {Changes: []Change{{Service: "a"}}},
		"shop":       {Changes: []Change{{Service: "a", Stack: "shop"}, {Service: "b", Stack: "shop"}}},
		"2 services": {Changes: []Change{{Service: "a", Stack: "shop"}, {Service: "b", Stack: "ops"}}},
		"rotate":     {Action: Rotate},
		"key_v1":     {Action: Rotate, Material: &MaterialChange{Kind: sources.Secret, Old: "key_v1", New: "key_v2"}},
	} {
		if got := p.Word(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestBeforeLastDeploy(t *testing.T) {
	j, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := &Deck{Journal: j}
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	// states are those of one service, the newest first: the time before noon at which each began, its image and its replicas.
	states := func(list ...[3]int) []State {
		var out []State
		for _, x := range list {
			s := specOf(t, fmt.Sprintf(`{"Mode":{"Replicated":{"Replicas":%d}},"TaskTemplate":{"ContainerSpec":{"Image":"app:%d"}}}`, x[2], x[1]))
			if err := j.SaveSpec(s.Hash(), s.JSON()); err != nil {
				t.Fatal(err)
			}
			out = append(out, State{SpecRef: SpecRef{Spec: s.Hash()}, Since: noon.Add(-time.Duration(x[0]) * time.Second)})
		}
		return out
	}
	for name, c := range map[string]struct {
		known [][]State
		ago   int // seconds before noon; -1: there is no deploy
	}{
		"nothing is known":          {[][]State{states([3]int{0, 1, 1})}, -1},
		"scaled alone":              {[][]State{states([3]int{0, 1, 5}, [3]int{60, 1, 1})}, -1},
		"one":                       {[][]State{states([3]int{30, 2, 1}, [3]int{600, 1, 1})}, 30},
		"a scaling after it":        {[][]State{states([3]int{5, 2, 4}, [3]int{30, 2, 1}, [3]int{600, 1, 1})}, 30},
		"a burst over the services": {[][]State{states([3]int{0, 2, 1}, [3]int{900, 1, 1}), states([3]int{100, 2, 1}, [3]int{900, 1, 1}), states([3]int{200, 2, 1}, [3]int{900, 1, 1})}, 200},
		"an earlier deploy is none": {[][]State{states([3]int{0, 3, 1}, [3]int{400, 2, 1}, [3]int{900, 1, 1}), states([3]int{500, 2, 1}, [3]int{900, 1, 1})}, 0},
	} {
		got := d.beforeLastDeploy(c.known)
		if want := noon.Add(-time.Duration(c.ago)*time.Second - time.Nanosecond); c.ago < 0 && !got.IsZero() || c.ago >= 0 && !got.Equal(want) {
			t.Errorf("%s: %s, want %d s before noon", name, got, c.ago)
		}
	}
}
