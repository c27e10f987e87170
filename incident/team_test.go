package incident

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// teamLogs answer with the entries of a journal, or with an error.
type teamLogs struct {
	sources.Logs
	entries []sources.Entry
	err     error
}

func (l *teamLogs) Query(context.Context, sources.LogQuery) (sources.LogPage, error) {
	return sources.LogPage{Entries: l.entries}, l.err
}

// TestHeardOfTheTeam: until the team's record was read it is not known what colleagues have open, and where it could not be read that is known.
func TestHeardOfTheTeam(t *testing.T) {
	ada := newDesk(t, t.TempDir(), "ada")
	if h := ada.Heard(); h != (Heard{}) {
		t.Errorf("without a team nothing is missing: %+v", h)
	}
	x, err := ada.Start(Opening{Title: "slow", Services: []string{"web"}})
	must(t, x, err)
	logs := &teamLogs{}
	if err := ada.Deck.Journal.Read(func(e journal.Entry) bool {
		line, err := json.Marshal(e)
		logs.entries = append(logs.entries, sources.Entry{Line: string(line)})
		return err == nil
	}); err != nil {
		t.Fatal(err)
	}
	bo := newDesk(t, t.TempDir(), "bo")
	bo.Team = logs
	woken := func() bool {
		select {
		case <-bo.Changed():
			return true
		default:
			return false
		}
	}
	if h := bo.Heard(); !h.Asking || woken() {
		t.Errorf("before it was asked: %+v", h)
	}
	written := logs.entries
	logs.entries, logs.err = nil, errors.New("away")
	if err := bo.LoadTeam(t.Context()); err == nil || bo.Heard().Asking || bo.Heard().Err == nil || !woken() {
		t.Errorf("where it is away: %+v, %v", bo.Heard(), err)
	}
	logs.entries, logs.err = written, nil
	if err := bo.LoadTeam(t.Context()); err != nil || bo.Heard() != (Heard{}) || !woken() || len(bo.Ongoing()) != 1 {
		t.Errorf("once it was read: %+v, %v, %+v", bo.Heard(), err, bo.Ongoing())
	}
}

// TestOfWhichSwarm: before the swarm is known the incidents of the same context are shown; once it is, those of another swarm are gone. What was read
// so is put on the timeline all the same when it is heard of, once.
func TestOfWhichSwarm(t *testing.T) {
	dir := t.TempDir()
	for cluster, name := range map[string]string{"one": "test", "two": "test", "three": "other"} {
		k := newDesk(t, dir, "ada")
		k.Deck.Policy.Context = name
		k.Deck.Fleet.Fold(sources.Change{At: time.Now(), World: &sources.World{At: time.Now(), Engine: sources.EngineInfo{ClusterID: cluster}}})
		x, err := k.Start(Opening{Title: cluster, Services: []string{"web"}, Also: true})
		must(t, x, err)
	}
	k := newDesk(t, dir, "bo")
	titles := func() map[string]bool {
		out := map[string]bool{}
		for _, x := range k.Ongoing() {
			out[x.Title] = true
		}
		return out
	}
	if got := titles(); len(got) != 2 || got["three"] {
		t.Errorf("before the swarm is known: %v", got)
	}
	k.Deck.Fleet.Fold(sources.Change{At: time.Now(), World: &sources.World{At: time.Now(), Engine: sources.EngineInfo{ClusterID: "one"}}})
	if got := titles(); len(got) != 1 || !got["one"] {
		t.Errorf("once it is: %v", got)
	}
	for range 2 {
		if err := k.Deck.Journal.Read(func(e journal.Entry) bool {
			if e.Cluster == "one" {
				k.hear(&e)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, h := range k.Deck.Fleet.Snapshot().History {
		if h.Kind == fleet.IncidentPhase {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d rows on the timeline", n)
	}
}
