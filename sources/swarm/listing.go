package swarm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// A swarm's tasks have no events, so they are listed again and again, and almost always nothing has changed. Decoding
// megabytes of JSON to find that out would cost more than everything else together. So the guard takes the array apart,
// hashes its elements, and hands the moby client only those that were not seen before; the rest comes from memory. Nor are
// the megabytes held meanwhile: a piece that is as it was is let go at once, another as soon as it is cut (cut.go).

// lister is the context's key under which a *listing tells the guard to do so.
type lister struct{}

// blockSize is of the pieces that a listing is read in, and compared in with the one before.
const blockSize = 64 << 10

// blocks are what listings are read into.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// shape is what is remembered of a listing, to tell where the next one's bytes begin to differ.
type shape struct {
	whole  uint64   // the body's hash; 0: nothing is remembered
	blocks []uint64 // the hash of each blockSize bytes, of the last ones fewer
	order  []uint64 // the hash of each element
	ends   []int    // the offset behind each element
}

// listing is one listing under way.
type listing struct {
	known func(uint64) bool
	last  shape // of the listing before

	// What came of it.
	shape
	fresh []uint64 // of the elements that the client was given
	left  []byte   // these, as the beginning of an array
}

// take reads a body to its end, and gives the body that is left for the client.
func (l *listing) take(body io.Reader) (io.ReadCloser, error) {
	l.shape, l.fresh, l.left = shape{}, nil, []byte{'['}
	block := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(block)
	in := io.LimitReader(body, sources.MaxAnswer+1)
	c := cutter{element: l.element}
	same := l.last.whole != 0
	for read, end := 0, false; !end; {
		n, err := fill(block[:], in)
		if end = errors.Is(err, io.EOF); err != nil && !end {
			return nil, err
		}
		if read += n; read > sources.MaxAnswer {
			return nil, sources.ErrTooLarge
		}
		if n == 0 {
			break
		}
		l.blocks = append(l.blocks, xxhash.Sum64(block[:n]))
		i := len(l.blocks) - 1
		if same && i < len(l.last.blocks) && l.blocks[i] == l.last.blocks[i] {
			c.skip(l.last.ends, block[:n])
			continue
		}
		l.differ(&same, &c)
		c.feed(block[:n])
	}
	if same && len(l.blocks) == len(l.last.blocks) {
		l.shape = l.last
		return io.NopCloser(strings.NewReader("[]")), nil
	}
	l.differ(&same, &c)
	return l.finish(&c)
}

// fill reads until p is full. Unlike io.ReadFull it tells the end of what is read from a connection that broke.
func fill(p []byte, in io.Reader) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = in.Read(p[n:])
		n += m
	}
	return n, err
}

// differ is called where a listing is not as the one before any more: up to here it has that one's elements.
func (l *listing) differ(same *bool, c *cutter) {
	if *same {
		l.order, l.ends = slices.Clone(l.last.order[:c.done]), slices.Clone(l.last.ends[:c.done])
	}
	*same = false
}

// element takes the next one, which ends before an offset.
func (l *listing) element(raw []byte, end int) {
	h := xxhash.Sum64(raw)
	l.order, l.ends = append(l.order, h), append(l.ends, end)
	if l.known(h) {
		return
	}
	if len(l.fresh) > 0 {
		l.left = append(l.left, ',')
	}
	l.fresh, l.left = append(l.fresh, h), append(l.left, raw...)
}

// finish gives what is left for the client: the new elements, or, of what is no array of objects, what its decoder says so of.
func (l *listing) finish(c *cutter) (io.ReadCloser, error) {
	wrong, err := c.finish()
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		l.shape, l.fresh = shape{}, nil
		return io.NopCloser(bytes.NewReader(wrong)), nil
	}
	sums := make([]byte, 0, 8*len(l.blocks))
	for _, sum := range l.blocks {
		sums = binary.LittleEndian.AppendUint64(sums, sum)
	}
	l.whole = max(xxhash.Sum64(sums), 1)
	return io.NopCloser(bytes.NewReader(append(l.left, ']'))), nil
}

// memory keeps one kind of object as it was last read. Not safe for concurrent use: a watch has its own.
type memory[T any] struct {
	byHash map[uint64]T
	shape  // of the last whole listing
}

// list lists with call and converts what is new. The items are a fresh slice, never nil, and come with the hash of each
// one's JSON. A nil memory lists without one, and gives no hashes. part says that the call is filtered, so that what is
// not in its answer is not forgotten.
func list[V, T any](ctx context.Context, c *Client, m *memory[T], part bool, op string, convert func(*V) T,
	call func(context.Context, *client.Client) ([]V, error)) (items []T, hashes []uint64, err error) {
	var l *listing
	if m != nil {
		l = m.listing(part)
		ctx = context.WithValue(ctx, lister{}, l)
	}
	var raw []V
	err = c.do(ctx, op, func(ctx context.Context, api *client.Client) (err error) {
		raw, err = call(ctx, api)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if l == nil || l.whole == 0 {
		items = make([]T, len(raw))
		for i := range raw {
			items[i] = convert(&raw[i])
		}
		return items, make([]uint64, len(raw)), nil
	}
	if len(raw) != len(l.fresh) {
		return nil, nil, c.place().failure(op, fmt.Errorf("%w: %d objects in the list, %d understood", errNotEngine, len(l.fresh), len(raw)))
	}
	for i := range raw {
		m.byHash[l.fresh[i]] = convert(&raw[i])
	}
	items = make([]T, len(l.order))
	for i, h := range l.order {
		items[i] = m.byHash[h]
	}
	if !part {
		m.keep(l)
	}
	return items, l.order, nil
}

func (m *memory[T]) listing(part bool) *listing {
	if m.byHash == nil {
		m.byHash = map[uint64]T{}
	}
	l := &listing{known: func(h uint64) bool { _, ok := m.byHash[h]; return ok }}
	if !part {
		l.last = m.shape
	}
	return l
}

// keep forgets all that the whole listing l does not have.
func (m *memory[T]) keep(l *listing) {
	if len(m.byHash) > len(l.order) {
		here := make(map[uint64]T, len(l.order))
		for _, h := range l.order {
			here[h] = m.byHash[h]
		}
		m.byHash = here
	}
	m.shape = l.shape
}
