package runner

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"quarterdeck/recovery"
)

// progressEvery is how often bytes are told at most.
const progressEvery = 500 * time.Millisecond

// reporter writes Events, a line each. Safe for concurrent use. A writer that fails is of no matter: the Result is in the object store too.
type reporter struct {
	mu    sync.Mutex
	out   io.Writer
	phase string
	last  time.Time // when bytes were told last
}

// begin opens a phase.
func (r *reporter) begin(phase, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase, r.last = phase, time.Time{}
	r.write(recovery.Event{Text: text})
}

// say tells something within the phase.
func (r *reporter) say(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(recovery.Event{Text: text})
}

// bytes tells how far it is, if the last time is long enough ago. Total 0: not known.
func (r *reporter) bytes(done, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.last) >= progressEvery {
		r.last = now
		r.write(recovery.Event{Done: done, Total: total})
	}
}

// end tells what came of it.
func (r *reporter) end(res *recovery.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = "ended"
	r.write(recovery.Event{Result: res})
}

func (r *reporter) write(e recovery.Event) {
	e.QD, e.Time, e.Phase = 1, time.Now().UTC(), r.phase
	if line, err := json.Marshal(e); err == nil {
		_, _ = r.out.Write(append(line, '\n'))
	}
}

// counter counts what passes, and tells it.
type counter struct {
	to    io.Writer
	tell  *reporter
	n     int64
	total int64
}

// Write passes on.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	c.tell.bytes(c.n, c.total)
	return n, err
}
