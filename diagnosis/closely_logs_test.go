package diagnosis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// archive has a line a second from noon on; no question forward is answered where headless.
type archive struct {
	sources.Logs
	lines    int
	headless bool
}

func (*archive) Name() string { return "loki" }

func (a *archive) Query(_ context.Context, q sources.LogQuery) (sources.LogPage, error) {
	if a.headless && q.Forward {
		return sources.LogPage{}, errors.New("too slow")
	}
	var page sources.LogPage
	for i := range a.lines {
		if at := noon.Add(time.Duration(i) * time.Second); !at.Before(q.Since) && at.Before(q.Until) {
			page.Entries = append(page.Entries, sources.Entry{Time: at, Line: fmt.Sprint("line ", i)})
		}
	}
	if n := len(page.Entries); n > q.Limit {
		page.More = true
		if q.Forward {
			page.Entries = page.Entries[:q.Limit]
		} else {
			page.Entries = page.Entries[n-q.Limit:]
		}
	}
	return page, nil
}

// TestErrorsBeginWithTheOldest: however many error lines there are, the first that is told of is the first that was written, at each look; and that lines
// between were left away is known.
func TestErrorsBeginWithTheOldest(t *testing.T) {
	for _, c := range []struct {
		lines, read   int
		cut, headless bool
		number        string
	}{
		{3, 3, false, false, "3"},
		{errorsRead, errorsRead, false, false, "300"},
		{errorsRead + 50, errorsRead + 50, false, false, "350"},
		{5000, errorsRead + oldestRead, true, false, "at least 400"},
		{5000, errorsRead, true, true, "at least 300"},
	} {
		x := &inquiry{d: &Doctor{Logs: &archive{lines: c.lines, headless: c.headless}, Now: time.Now}}
		seen := &LogsSeen{}
		x.askErrors(t.Context(), sources.LogQuery{Services: []string{"shop_api"}, Since: noon.Add(-time.Minute), Until: noon.Add(2 * time.Hour), Limit: errorsRead}, seen)
		if len(seen.Errors) != c.read || seen.Cut != c.cut || seen.Headless != c.headless || seen.number(len(seen.Errors)) != c.number {
			t.Errorf("%d lines: %d read, cut %v, headless %v, %s", c.lines, len(seen.Errors), seen.Cut, seen.Headless, seen.number(len(seen.Errors)))
		}
		if first := seen.Errors[0].Time; !c.headless && !first.Equal(noon) {
			t.Errorf("%d lines: they begin at %s", c.lines, first)
		}
		for i := 1; i < len(seen.Errors); i++ {
			if !seen.Errors[i].Time.After(seen.Errors[i-1].Time) {
				t.Fatalf("%d lines: %q is told after %q", c.lines, seen.Errors[i].Line, seen.Errors[i-1].Line)
			}
		}
		if blind := strings.Contains(fmt.Sprint(x.looked), CouldNotLook); blind != c.headless {
			t.Errorf("%d lines: looked %v", c.lines, x.looked)
		}
	}
}
