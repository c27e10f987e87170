package actions

import (
	"fmt"
	"testing"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources/fleet"
)

// TestEndedIsNotInterrupted: a run that ends while somebody looks for interrupted ones, between the look at the journal and the look at the run's lock, is not one of them.
func TestEndedIsNotInterrupted(t *testing.T) {
	j, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := &Deck{Journal: j, Fleet: fleet.New(time.Now, fleet.SwarmName), Now: time.Now}
	over := make(chan error, 1)
	go func() {
		over <- func() error {
			for i := range 60 {
				id := fmt.Sprintf("run-%d", i)
				release, err := j.Hold(id)
				if err != nil {
					return err
				}
				for _, phase := range []string{phaseBegin, phaseEnd} {
					if _, err := d.write(journal.Entry{Run: id, Action: "scale", Target: "shop_web", Phase: phase, Result: ResultDone}); err != nil {
						return err
					}
				}
				release()
			}
			return nil
		}()
	}()
	for looks := 1; ; looks++ {
		open, err := d.Unfinished()
		if err != nil {
			t.Fatal(err)
		}
		if len(open) > 0 {
			t.Fatalf("look %d takes %s for interrupted: it has ended", looks, open[0].ID)
		}
		select {
		case err := <-over:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}
