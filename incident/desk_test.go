package incident

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

func newDesk(t *testing.T, dir, actor string) *Desk {
	t.Helper()
	k, err := deskIn(dir, actor, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func must(t *testing.T, x Incident, err error) Incident {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// sound holds that the journal's chain is whole.
func sound(t *testing.T, dir string) {
	t.Helper()
	if v, err := journal.Verify(dir); err != nil || !v.OK() {
		t.Errorf("the chain is not whole: %+v %v", v, err)
	}
}

func TestDesk(t *testing.T) {
	dir := t.TempDir()
	k := newDesk(t, dir, "ada")
	if _, err := k.Find(""); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("none is open: %v", err)
	}
	x, err := k.Start(Opening{Title: "  it is\nslow, password=hunter2 ", Severity: "critical", Services: []string{"web", "api", "web"}, Impact: Moment{At: time.Now().Add(-time.Hour), By: "alertmanager: alert X fires"}})
	must(t, x, err)
	if x.Title != "it is slow, password=[redacted]" || strings.Join(x.Services, ",") != "api,web" || x.State != Open || !x.Impact.Known() || x.Impact.Source != "alertmanager: alert X fires" || x.Impact.By != "ada" {
		t.Errorf("%+v", x)
	}
	var taken *Taken
	if _, err := k.Start(Opening{Title: "again", Services: []string{"web"}}); !errors.As(err, &taken) || taken.Incident.ID != x.ID {
		t.Errorf("one that is open is told of: %v", err)
	}
	if y, err := k.Start(Opening{Title: "another", Services: []string{"web"}, Also: true}); err != nil || y.ID == x.ID {
		t.Errorf("%v %v", y.ID, err)
	}
	must(t, x, nil)
	for _, p := range []Phase{Acknowledge, Mitigate, Resolve} {
		x, err = k.Do(x.ID, Entry{Phase: p, Text: "so"})
		must(t, x, err)
	}
	var no *NotAllowed
	for _, p := range []Phase{Acknowledge, Mitigate, Resolve} {
		if _, err := k.Do(x.ID, Entry{Phase: p}); !errors.As(err, &no) || !strings.Contains(err.Error(), "reopen it first") {
			t.Errorf("%s of a resolved one: %v", p, err)
		}
	}
	x, err = k.Do(x.ID, Entry{Phase: Reopen})
	if must(t, x, err); x.State != Acknowledged || x.Reopened != 1 {
		t.Errorf("%+v", x)
	}
	for _, e := range []Entry{{Phase: Note}, {Phase: Impact}, {Phase: Note, Text: "x", At: time.Now().Add(time.Hour)}} {
		if _, err := k.Do(x.ID, e); sources.KindOf(err) != sources.BadQuestion {
			t.Errorf("%+v: %v", e, err)
		}
	}
	again := newDesk(t, dir, "bo") // another console, later
	if y, err := again.Find(x.ID[:len(x.ID)-2]); err != nil || y.State != Acknowledged || len(y.Entries) != len(x.Entries) {
		t.Errorf("%+v %v", y, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "journal.jsonl"))
	if err != nil || strings.Contains(string(raw), "hunter2") {
		t.Errorf("the credential is in the journal (%v)", err)
	}
	sound(t, dir)
}

func TestReadOnlyWritesNothing(t *testing.T) {
	k := newDesk(t, t.TempDir(), "ada")
	k.Deck.Policy.ReadOnly = true
	if _, err := k.Start(Opening{Title: "x", Services: []string{"web"}}); !errors.Is(err, actions.ErrReadOnly) {
		t.Errorf("%v", err)
	}
}

// TestTwoProcesses: two processes start one about the same service and write to it at the same time. It is one, nothing is lost, and the chain is whole.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	newDesk(t, dir, "parent")
	const notes = 15
	var wg sync.WaitGroup
	for _, actor := range []string{"ada", "bo"} {
		raw, _ := json.Marshal(job{Dir: dir, Actor: actor, Start: true, Notes: notes})
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+string(raw))
		wg.Go(func() {
			out, err := cmd.CombinedOutput()
			if err != nil && !strings.Contains(string(out), "is open for web") { // the other was first: it says so
				t.Errorf("%s: %v %s", actor, err, out)
			}
		})
	}
	wg.Wait()
	k := newDesk(t, dir, "cy")
	if all := k.All(); len(all) != 1 {
		t.Fatalf("%d incidents of one service", len(all))
	}
	raw, _ := json.Marshal(job{Dir: dir, Actor: "di", Notes: notes}) // a third, while this one writes
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(raw))
	wg.Go(func() {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	for i := range notes {
		if _, err := k.Do("", Entry{Phase: Note, Text: fmt.Sprint("cy ", i)}); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	x := newDesk(t, dir, "late").All()[0]
	count := map[string]int{}
	for _, e := range x.Entries {
		if e.Phase == Note {
			count[e.Actor]++
		}
	}
	if count["cy"] != notes || count["di"] != notes || count["ada"]+count["bo"] < notes {
		t.Errorf("notes by actor: %v", count)
	}
	sound(t, dir)
}

// TestHeard: what comes by the journal and by Loki, in any order and more than once, is there once, and on the timeline once.
func TestHeard(t *testing.T) {
	a := newDesk(t, t.TempDir(), "ada")
	x, err := a.Start(Opening{Title: "slow", Services: []string{"web"}})
	must(t, x, err)
	x, err = a.Do("", Entry{Phase: Acknowledge})
	must(t, x, err)
	var written []journal.Entry
	if err := a.Deck.Journal.Read(func(e journal.Entry) bool { written = append(written, e); return true }); err != nil {
		t.Fatal(err)
	}
	b := newDesk(t, t.TempDir(), "bo")
	for range 2 {
		for i := len(written) - 1; i >= 0; i-- {
			b.hear(&written[i])
		}
	}
	b.hear(&journal.Entry{Action: actions.Incident, Run: "x", Phase: "from the future", Hash: "h"})
	if all := b.All(); len(all) != 1 || all[0].State != Acknowledged || all[0].Owner != "ada" || len(all[0].Entries) != 2 {
		t.Errorf("%+v", all)
	}
	n := 0
	for _, h := range b.Deck.Fleet.Snapshot().History {
		if h.Kind == fleet.IncidentPhase && h.Run == x.ID {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d rows on the timeline, want 2", n)
	}
}

// TestBounded: a record of years does not fill the memory; the newest stay.
func TestBounded(t *testing.T) {
	k := newDesk(t, t.TempDir(), "ada")
	for i := range 3 * maxEntries {
		at := noon.Add(time.Duration(i) * time.Minute)
		k.add(Entry{Phase: Start, At: at, Written: at, id: fmt.Sprint("i", i), hash: fmt.Sprint(i), target: fmt.Sprint("s", i), n: 1})
	}
	if all := k.All(); len(all) != maxEntries || all[0].ID != fmt.Sprint("i", 3*maxEntries-1) {
		t.Errorf("%d kept, the newest is %s", len(all), all[0].ID)
	}
}

func TestSplitNote(t *testing.T) {
	for in, want := range map[string][2]string{"action: add an alert": {"action", "add an alert"}, "Lesson : x": {"lesson", "x"}, "note: x": {"", "note: x"}, "action:": {"", "action:"}, "at 12:30 it fell": {"", "at 12:30 it fell"}, "": {"", ""}} {
		if s, text := SplitNote(in); string(s) != want[0] || text != want[1] {
			t.Errorf("%q: %q %q", in, s, text)
		}
	}
}
