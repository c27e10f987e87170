package ui

import (
	"fmt"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/sources"
	"quarterdeck/ui/logview"
)

// TestGoldenLogs holds what stands over and beside the lines at each size.
func TestGoldenLogs(t *testing.T) {
	for _, size := range sizes {
		for _, c := range []struct {
			name string
			do   func(r *runner)
		}{
			{"histogram", func(r *runner) {
				r.press("V")
				r.until("the counts", func() bool { return !r.m.logs.volume.end.IsZero() })
			}},
			{"moment", func(r *runner) {
				r.press("V")
				r.m.when.set(noon.Add(-5*time.Minute), noon)
				r.until("the counts", func() bool { r.update(nil); return !r.m.logs.volume.end.IsZero() && !r.m.logs.volume.asking })
			}},
			{"patterns", func(r *runner) {
				r.press("P")
				r.until("patterns", func() bool { return !r.m.overlay.(*patternsBox).loading })
			}},
			{"facets", func(r *runner) {
				r.press("T")
				r.until("fields", func() bool { return !r.m.overlay.(*facetsBox).loading })
				b := r.m.overlay.(*facetsBox)
				b.fields.selectID("status")
				b.wantValues(r.m)
				r.press("enter")
			}},
			{"query", func(r *runner) {
				r.press("Q")
				r.until("offers", func() bool { return len(r.m.overlay.(*queryBox).list.ids) > 0 })
			}},
			{"chips-columns", func(r *runner) {
				v := r.m.logs.view
				_ = v.Add(logview.FieldTerm{Key: "order", Op: ">", Value: "100"})
				_ = v.Exclude(logview.Term{Text: "refund"})
				v.SetFieldColumns([]string{"order", "status"})
				r.update(nil)
				r.until("all lines looked through", v.Scanned)
			}},
			{"context", func(r *runner) {
				r.press("k", "k", "enter")
				r.until("the task's lines", func() bool { return r.m.logs.aside != nil && !r.m.logs.aside.older })
			}},
		} {
			t.Run(fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1]), func(t *testing.T) {
				r, _ := archived(t, size[0], size[1])
				c.do(r)
				r.m.toast.text = ""
				checkFrame(t, r.m)
				golden.RequireEqual(t, r.m.Frame()+"\n")
			})
		}
	}
}

var _ sources.Logs = (*archive)(nil)
