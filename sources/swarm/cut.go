package swarm

import (
	"bytes"
	"fmt"
	"sort"
)

// cutter cuts a JSON array of objects that comes in pieces into its elements, and holds no more of it than the element
// that is not whole yet. The elements' own validity is left to the decoder that reads them.
type cutter struct {
	element func(raw []byte, end int) // is given each one, and the offset behind it
	done    int                       // elements that were given or skipped
	rest    []byte                    // what has come behind the last of them
	at      int                       // rest's offset
	again   int                       // how long rest must be to be looked at again
	closed  bool                      // the array has ended; what stands behind it is nobody's business
}

// skip passes over a piece that is as it was in an array whose elements had these ends.
func (c *cutter) skip(ends []int, piece []byte) {
	from := c.at + len(c.rest)
	to := from + len(piece)
	c.done += sort.SearchInts(ends[c.done:], to+1)
	if c.done > 0 && ends[c.done-1] >= from {
		c.at = ends[c.done-1]
		c.rest = append(c.rest[:0], piece[c.at-from:]...)
		return
	}
	c.rest = append(c.rest, piece...)
}

// feed takes the next piece.
func (c *cutter) feed(piece []byte) {
	if c.closed {
		return
	}
	if c.rest = append(c.rest, piece...); len(c.rest) >= c.again {
		c.cut()
	}
}

// cut gives the elements that are whole.
func (c *cutter) cut() {
	i := 0
	for !c.closed {
		start := c.start(i)
		if start < 0 {
			break
		}
		end := elementEnd(c.rest, start)
		if end < 0 {
			break
		}
		c.element(c.rest[start:end], c.at+end)
		c.done++
		i = end
	}
	c.at += i
	c.rest = c.rest[:copy(c.rest, c.rest[i:])]
	c.again = 2 * len(c.rest) // an element of many pieces must not be looked through with each
}

// start is where the element behind the index i begins, or -1. It sees where the array is closed.
func (c *cutter) start(i int) int {
	i = skipSpace(c.rest, i)
	before := byte(',')
	if c.done == 0 {
		before = '['
	}
	if i >= len(c.rest) {
		return -1
	}
	if c.done > 0 && c.rest[i] == ']' {
		c.closed = true
		return -1
	}
	if c.rest[i] != before {
		return -1
	}
	i = skipSpace(c.rest, i+1)
	if i < len(c.rest) && c.rest[i] == ']' && c.done == 0 {
		c.closed = true
		return -1
	}
	return i
}

// finish is called when all has come. wrong is not nil where that was no array of objects: text at which a decoder fails in
// the same way, or the whole text, if no element was cut.
func (c *cutter) finish() (wrong []byte, err error) {
	if c.cut(); c.closed {
		return nil, nil
	}
	if c.done == 0 {
		return append([]byte{}, c.rest...), nil
	}
	if i := c.start(0); i >= 0 && i < len(c.rest) && !bytes.ContainsRune([]byte("{]"), rune(c.rest[i])) {
		return nil, fmt.Errorf("%w: element %d of the list is no object", errNotEngine, c.done+1)
	}
	return append([]byte("[{}"), c.rest...), nil
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
