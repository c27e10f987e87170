package incident

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// said is an entry that was written n minutes after noon.
func said(id string, n uint64, minute int, p Phase, actor string) Entry {
	at := noon.Add(time.Duration(minute) * time.Minute)
	return Entry{Phase: p, At: at, Written: at, Actor: actor, id: id, n: n, target: "web", title: "it is slow", hash: fmt.Sprint(id, n, minute, p, actor)}
}

func only(t *testing.T, list []Entry) Incident {
	t.Helper()
	out := fold(list)
	if len(out) != 1 {
		t.Fatalf("%d incidents, want one: %+v", len(out), out)
	}
	return out[0]
}

func TestPhases(t *testing.T) {
	x := only(t, []Entry{said("a", 1, 0, Start, "ada"), said("a", 2, 1, Acknowledge, "bo"), said("a", 3, 2, Note, "ada"), said("a", 4, 5, Mitigate, "bo"), said("a", 5, 9, Resolve, "ada")})
	if x.State != Resolved || x.Owner != "bo" || !x.Acknowledged.At.Equal(noon.Add(time.Minute)) || x.Mitigated.By != "bo" || !x.Resolved.At.Equal(noon.Add(9*time.Minute)) || x.Ongoing() {
		t.Errorf("%+v", x)
	}
	over := x.Entries
	x = only(t, append(over, said("a", 6, 20, Reopen, "cy")))
	if x.State != Acknowledged || x.Resolved.Known() || x.Mitigated.Known() || x.Reopened != 1 || !x.Ongoing() || x.Acknowledged.By != "bo" {
		t.Errorf("reopened: %+v", x)
	}
	x = only(t, []Entry{said("a", 1, 0, Start, "ada"), said("a", 2, 1, Acknowledge, "ada"), said("a", 3, 3, Acknowledge, "bo")})
	if x.Owner != "bo" || x.Acknowledged.By != "ada" {
		t.Errorf("taken over: owner %s, first acknowledged by %s", x.Owner, x.Acknowledged.By)
	}
}

func TestAllowed(t *testing.T) {
	want := map[State]string{ // note impact acknowledge mitigate resolve reopen start
		Open: "yyyyynn", Acknowledged: "yyyyynn", Mitigated: "yyynyyn", Resolved: "yynnnyn",
	}
	for s, row := range want {
		for i, p := range []Phase{Note, Impact, Acknowledge, Mitigate, Resolve, Reopen, Start} {
			if allowed(s, p) != (row[i] == 'y') {
				t.Errorf("%s in %s: %v", p, s, allowed(s, p))
			}
		}
	}
}

// Two consoles that do not know of each other resolve at once: the second changes nothing, and stands there.
func TestAtOnce(t *testing.T) {
	x := only(t, []Entry{said("a", 1, 0, Start, "ada"), said("a", 2, 5, Resolve, "bo"), said("a", 2, 4, Resolve, "ada"), said("a", 2, 3, Note, "cy")})
	if x.Resolved.By != "ada" || len(x.Entries) != 4 || !x.Entries[3].Idle || x.Entries[3].Actor != "bo" {
		t.Errorf("%+v", x)
	}
}

// What was written in the knowledge of something comes after it, though its clock is an hour behind.
func TestClocksDiffer(t *testing.T) {
	x := only(t, []Entry{said("a", 2, -60, Acknowledge, "bo"), said("a", 1, 0, Start, "ada"), said("a", 3, -59, Resolve, "bo")})
	if x.State != Resolved || x.Owner != "bo" || x.Entries[0].Phase != Start {
		t.Errorf("%+v", x)
	}
}

// Two consoles start one about the same service: it is one, under the first's id, and both are heard.
func TestTwoStarts(t *testing.T) {
	list := []Entry{said("b", 1, 1, Start, "bo"), said("a", 1, 0, Start, "ada"), said("b", 2, 2, Acknowledge, "bo"), said("a", 2, 3, Note, "ada")}
	x := only(t, list)
	if x.ID != "a" || !reflect.DeepEqual(x.Also, []string{"b"}) || x.Owner != "bo" || x.Started.By != "ada" || len(x.Entries) != 4 || !x.Named("b") {
		t.Errorf("%+v", x)
	}
	other := said("c", 1, 4, Start, "cy")
	other.target = "api"
	also := said("d", 1, 5, Start, "di")
	also.also = true
	if out := fold(append(list, other, also)); len(out) != 3 {
		t.Errorf("%d incidents: another service's and one that is begun on purpose are their own", len(out))
	}
	if out := fold(append(list, said("a", 3, 6, Resolve, "ada"), said("e", 1, 7, Start, "ed"))); len(out) != 2 || out[0].ID != "e" || out[0].State != Open {
		t.Errorf("one that begins after the other is resolved is its own: %+v", out)
	}
}

func TestWithoutABeginning(t *testing.T) {
	if out := fold([]Entry{said("a", 2, 1, Acknowledge, "bo")}); len(out) != 0 {
		t.Errorf("%+v", out)
	}
}

// TestOrderOfArrival: what is shown depends on what was heard, not on when.
func TestOrderOfArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []string{"a", "b", "c"}
		var list []Entry
		for _, id := range ids {
			if rapid.Bool().Draw(t, "begun") {
				e := said(id, 1, rapid.IntRange(0, 30).Draw(t, "minute"), Start, "ada")
				e.target = rapid.SampledFrom([]string{"web", "api", "api,web"}).Draw(t, "target")
				list = append(list, e)
			}
		}
		for i := range rapid.IntRange(0, 12).Draw(t, "entries") {
			e := said(rapid.SampledFrom(ids).Draw(t, "id"), rapid.Uint64Range(2, 6).Draw(t, "n"), rapid.IntRange(-5, 60).Draw(t, "minute"),
				rapid.SampledFrom([]Phase{Note, Impact, Acknowledge, Mitigate, Resolve, Reopen}).Draw(t, "phase"), rapid.SampledFrom([]string{"ada", "bo"}).Draw(t, "actor"))
			e.hash += fmt.Sprint(i)
			list = append(list, e)
		}
		want := fold(list)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if got := fold(list); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
		for _, x := range want {
			if !x.Started.Known() || len(x.Services) == 0 || x.Resolved.Known() != (x.State == Resolved) {
				t.Fatalf("%+v", x)
			}
		}
	})
}
