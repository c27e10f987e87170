package loki

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// TestCalledOff: a question that is called off is answered at once, and Loki is not hung up on while it is about to answer; what takes long
// is hung up on, and so is all when the client is closed or the time is up.
func TestCalledOff(t *testing.T) {
	const never = time.Hour
	for name, c := range map[string]struct {
		after   time.Duration
		end     func(cancel context.CancelFunc, c *Client, release func())
		hungUp  bool
		timeout time.Duration
	}{
		"it answers soon":     {never, func(cancel context.CancelFunc, _ *Client, release func()) { cancel(); release() }, false, never},
		"it takes too long":   {time.Millisecond, func(cancel context.CancelFunc, _ *Client, _ func()) { cancel() }, true, never},
		"it is closed":        {never, func(cancel context.CancelFunc, c *Client, _ func()) { cancel(); _ = c.Close() }, true, never},
		"it had its time":     {never, func(context.CancelFunc, *Client, func()) {}, true, 50 * time.Millisecond},
		"nobody calls it off": {never, func(_ context.CancelFunc, _ *Client, release func()) { release() }, false, never},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			asked, released, ended := make(chan bool), make(chan bool), make(chan bool, 1)
			h := func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/query_range") {
					return false
				}
				asked <- true
				select {
				case <-released:
					ended <- false
				case <-r.Context().Done():
					ended <- true
				}
				return false
			}
			f.before.Store(&h)
			l, err := New(Options{Access: sources.Access{Source: name, Address: f.URL, Timeout: c.timeout}})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			l.patient.after = c.after
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			said := make(chan error, 1)
			go func() {
				_, _, err := l.fetch(ctx, `{a="b"}`, 1, 2, 1, true, 1)
				said <- err
			}()
			<-asked
			releases := false
			c.end(cancel, l, func() {
				if releases = true; ctx.Err() != nil { // the caller has its answer before Loki has
					if err := <-said; !errors.Is(err, context.Canceled) {
						t.Errorf("the caller was told %v", err)
					}
					said <- nil
				}
				close(released)
			})
			if got := <-ended; got != c.hungUp {
				t.Errorf("hung up: %t, want %t", got, c.hungUp)
			}
			if err := <-said; (err == nil) != releases {
				t.Errorf("the caller was told %v", err)
			}
		})
	}
}
