package incident

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources/fleet"
)

// childEnv holds the job of a child: the test's own binary, run as another process.
const childEnv = "QUARTERDECK_INCIDENT_CHILD"

// job is what a child does: it starts an incident, or writes notes to the one that is open.
type job struct {
	Dir, Actor string
	Start      bool
	Notes      int
}

func child() int {
	var x job
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &x); err != nil {
		fmt.Println(err)
		return 1
	}
	k, err := deskIn(x.Dir, x.Actor, time.Now)
	if err == nil && x.Start {
		_, err = k.Start(Opening{Title: "from " + x.Actor, Services: []string{"web"}})
	}
	for i := 0; err == nil && i < x.Notes; i++ {
		_, err = k.Do("", Entry{Phase: Note, Text: fmt.Sprintf("%s %d", x.Actor, i)})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// deskIn is a desk on a journal, with a fleet that nothing is known of.
func deskIn(dir, actor string, now func() time.Time) (*Desk, error) {
	j, err := journal.Open(dir)
	if err != nil {
		return nil, err
	}
	k := &Desk{Deck: &actions.Deck{Fleet: fleet.New(now), Journal: j, Now: now, Policy: actions.Policy{Actor: actor, Host: "host-" + actor, Context: "test"}}}
	k.Listen()
	return k, k.Load()
}
