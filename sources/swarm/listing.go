package swarm

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// A swarm's tasks have no events, so they are listed again and again, and almost always nothing has changed. Decoding
// megabytes of JSON to find that out would cost more than everything else together. So the guard takes the array apart,
// hashes its elements, and hands the moby client only those that were not seen before; the rest comes from memory.

// lister is the context's key under which a *listing tells the guard to do so.
type lister struct{}

// listing is one listing under way.
type listing struct {
	known func(uint64) bool
	// last is the whole body's hash of the listing before, and lastOrder its elements.
	last      uint64
	lastOrder []uint64

	// What came of it.
	whole uint64
	order []uint64 // every element's hash, in the answer's order
	fresh []uint64 // of the elements that the client was given
	bytes int
}

// take reads a body whole, and gives the body that is left for the client.
func (l *listing) take(body io.Reader, size int64) (io.ReadCloser, error) {
	buf := buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer buffers.Put(buf)
	if size > 0 && size < sources.MaxAnswer {
		buf.Grow(int(size) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(body, sources.MaxAnswer+1))
	if err != nil {
		return nil, err
	}
	if n > sources.MaxAnswer {
		return nil, sources.ErrTooLarge
	}
	raw := buf.Bytes()
	l.bytes, l.whole = len(raw), xxhash.Sum64(raw)
	if l.whole == l.last && l.lastOrder != nil {
		l.order = l.lastOrder
		return io.NopCloser(bytes.NewReader([]byte("[]"))), nil
	}
	left := []byte{'['}
	ok := eachElement(raw, func(element []byte) {
		h := xxhash.Sum64(element)
		l.order = append(l.order, h)
		if l.known(h) {
			return
		}
		if len(l.fresh) > 0 {
			left = append(left, ',')
		}
		l.fresh = append(l.fresh, h)
		left = append(left, element...)
	})
	if !ok { // null, or no array: the client's decoder says what is wrong with it
		l.order, l.fresh, l.whole = nil, nil, 0
		return io.NopCloser(bytes.NewReader(bytes.Clone(raw))), nil
	}
	return io.NopCloser(bytes.NewReader(append(left, ']'))), nil
}

// eachElement calls f with each element of the JSON array raw, and tells whether raw is one. The elements' own validity is
// left to the decoder that reads them.
func eachElement(raw []byte, f func([]byte)) bool {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '[' {
		return false
	}
	i = skipSpace(raw, i+1)
	if i < len(raw) && raw[i] == ']' {
		return skipSpace(raw, i+1) == len(raw)
	}
	var elements [][]byte // f is called only once the whole is known to be an array
	for {
		end := elementEnd(raw, i)
		if end < 0 || end == i {
			return false
		}
		elements = append(elements, raw[i:end])
		i = skipSpace(raw, end)
		if i >= len(raw) {
			return false
		}
		if raw[i] == ']' {
			break
		}
		if raw[i] != ',' {
			return false
		}
		i = skipSpace(raw, i+1)
	}
	if skipSpace(raw, i+1) != len(raw) {
		return false
	}
	for _, e := range elements {
		f(e)
	}
	return true
}

// elementEnd is the index after the object at raw[i], or -1: an engine's lists hold nothing but objects.
func elementEnd(raw []byte, i int) int {
	if i >= len(raw) || raw[i] != '{' {
		return -1
	}
	depth := 0
	for ; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			if i = stringEnd(raw, i+1); i < 0 {
				return -1
			}
		}
	}
	return -1
}

// stringEnd is the index of the quote that ends the string begun before i, or -1.
func stringEnd(raw []byte, i int) int {
	for {
		q := bytes.IndexByte(raw[i:], '"')
		if q < 0 {
			return -1
		}
		end := i + q
		slashes := 0
		for k := end - 1; k >= i && raw[k] == '\\'; k-- {
			slashes++
		}
		if slashes%2 == 0 {
			return end
		}
		i = end + 1
	}
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t') {
		i++
	}
	return i
}

// memory keeps one kind of object as it was last read. Not safe for concurrent use: a watch has its own.
type memory[T any] struct {
	byHash map[uint64]T
	whole  uint64
	order  []uint64 // the last whole listing's elements
	bytes  int      // its size
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
		l.last, l.lastOrder = m.whole, m.order
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
	m.whole, m.order, m.bytes = l.whole, l.order, l.bytes
}
