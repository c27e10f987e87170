package docker

import (
	"bytes"
	"net/http"
	"strconv"
	"sync/atomic"
)

// Cut is where the connection of a change, a POST or a DELETE, is cut.
type Cut int32

// The moments at which a connection can be cut. What the client sees is the same for the first two.
const (
	CutBefore Cut = iota + 1 // the change is not made
	CutAfter                 // it is made, and nothing is answered
	CutWithin                // it is made, and half of its answer is sent
)

// Faults are what goes wrong on purpose. The zero value is no fault. Safe for concurrent use.
type Faults struct{ next atomic.Int32 }

// CutNext cuts the connection of the next change, and of that one alone. 0 takes it back.
func (f *Faults) CutNext(c Cut) { f.next.Store(int32(c)) }

// Pending tells whether a cut is still to come.
func (f *Faults) Pending() bool { return f.next.Load() != 0 }

func (f *Faults) serve(rw http.ResponseWriter, r *http.Request, do func(http.ResponseWriter)) {
	cut := Cut(0)
	if r.Method == http.MethodPost || r.Method == http.MethodDelete {
		cut = Cut(f.next.Swap(0))
	}
	if cut == 0 {
		do(rw)
		return
	}
	if cut != CutBefore {
		whole := &kept{ResponseWriter: rw, status: http.StatusOK}
		do(whole)
		if cut == CutWithin {
			whole.half()
		}
	}
	panic(http.ErrAbortHandler)
}

// kept holds an answer back.
type kept struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader is http.ResponseWriter's.
func (k *kept) WriteHeader(status int) { k.status = status }

// Write is http.ResponseWriter's.
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }

// half sends the head of the answer, and of its body half of what the head promises; an answer without a body promises
// one byte that never comes.
func (k *kept) half() {
	body := k.body.Bytes()
	if k.status == http.StatusNoContent { // it could promise nothing
		k.status = http.StatusOK
	}
	k.Header().Set("Content-Length", strconv.Itoa(max(len(body), 1)))
	k.ResponseWriter.WriteHeader(k.status)
	_, _ = k.ResponseWriter.Write(body[:len(body)/2])
	_ = http.NewResponseController(k.ResponseWriter).Flush()
}
