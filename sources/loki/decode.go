package loki

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"quarterdeck/sources"
)

// row is one line as it was read: an Entry before it is public.
type row struct {
	t    int64 // nanoseconds since 1970
	line string
	from *origin
}

// level is what the labels say, else what the line says.
func (r row) level() sources.Level {
	if r.from.leveld {
		return r.from.level
	}
	return sources.LevelOf(r.line)
}

// answer is what a query of lines came to.
type answer struct {
	rows []row
	// kind is streams, matrix, vector or scalar; rows are of streams only.
	kind   string
	status string
	err    string
}

// frame is one message of the tail.
type frame struct {
	rows    []row
	dropped bool // the server says that it left lines out
}

// decoder reads Loki's log answers in one pass without an intermediate tree: half of the time of a
// 50,000-line catch-up would go there (see BenchmarkDecode).
type decoder struct {
	*jsontext.Decoder
	streams *interner
	key     []byte // scratch: a stream object's bytes, then a metadata object's
}

func newDecoder(r io.Reader, n *interner) *decoder {
	// What Loki stores is not always valid UTF-8, and a doubled name is not worth a check on each object.
	return &decoder{Decoder: jsontext.NewDecoder(r, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)), streams: n}
}

// decodeAnswer reads a whole answer of query_range. rows is appended to.
func decodeAnswer(r io.Reader, n *interner, rows []row) (answer, error) {
	d := newDecoder(r, n)
	a := answer{rows: rows}
	err := d.object(func(key string) (err error) {
		switch key {
		case "status":
			a.status, err = d.text()
		case "error":
			a.err, err = d.text()
		case "data":
			err = d.data(&a)
		default:
			err = d.SkipValue()
		}
		return err
	})
	return a, err
}

// decodeFrame reads one message of the tail.
func decodeFrame(b []byte, n *interner) (frame, error) {
	d := newDecoder(bytes.NewReader(b), n)
	var f frame
	err := d.object(func(key string) error {
		switch key {
		case "streams":
			return d.streamList(&f.rows)
		case "dropped_entries":
			return d.array(func() error { f.dropped = true; return d.SkipValue() })
		}
		return d.SkipValue()
	})
	return f, err
}

func (d *decoder) data(a *answer) error {
	if d.PeekKind() != '{' {
		return d.SkipValue()
	}
	return d.object(func(key string) (err error) {
		switch {
		case key == "resultType":
			a.kind, err = d.text()
		case key == "result" && (a.kind == "streams" || a.kind == ""):
			err = d.streamList(&a.rows)
		default:
			err = d.SkipValue()
		}
		return err
	})
}

func (d *decoder) streamList(rows *[]row) error {
	return d.array(func() error { return d.stream(rows) })
}

// stream reads {"stream":{labels},"values":[…]}.
func (d *decoder) stream(rows *[]row) error {
	known := false
	var early []byte // values that came before their stream
	err := d.object(func(key string) error {
		switch key {
		case "stream":
			raw, err := d.ReadValue()
			if err != nil {
				return err
			}
			d.key, known = append(d.key[:0], raw...), true
			return nil
		case "values":
			if !known {
				raw, err := d.ReadValue()
				early = bytes.Clone(raw)
				return err
			}
			return d.values(rows)
		}
		return d.SkipValue()
	})
	if err != nil || early == nil {
		return err
	}
	if !known {
		return errors.New("a stream without labels")
	}
	late := newDecoder(bytes.NewReader(early), d.streams)
	late.key = d.key
	return late.values(rows)
}

// values reads [["<ns>","<line>"],["<ns>","<line>",{metadata}],…].
func (d *decoder) values(rows *[]row) error {
	n := len(d.key)
	plain, err := d.streams.origin(d.key, n)
	if err != nil {
		return err
	}
	last := plain
	return d.array(func() error {
		if err := d.open('['); err != nil {
			return err
		}
		t, err := d.nano()
		if err != nil {
			return err
		}
		line, err := d.text()
		if err != nil {
			return err
		}
		from := plain
		for i := 0; d.PeekKind() != ']'; i++ {
			raw, err := d.ReadValue()
			if err != nil {
				return err
			}
			if i > 0 || raw.Kind() != '{' || len(raw) == 2 {
				continue
			}
			if !bytes.Equal(d.key[n:], raw) {
				d.key = append(d.key[:n], raw...)
				if last, err = d.streams.origin(d.key, n); err != nil {
					return err
				}
			}
			from = last
		}
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		*rows = append(*rows, row{t, line, from})
		return nil
	})
}

func (d *decoder) object(member func(key string) error) error {
	if err := d.open('{'); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		key, err := d.text()
		if err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// array reads an array, or null for an empty one.
func (d *decoder) array(element func() error) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	if err := d.open('['); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func (d *decoder) open(kind jsontext.Kind) error {
	tok, err := d.ReadToken()
	if err != nil {
		return cut(err)
	}
	if tok.Kind() != kind {
		return fmt.Errorf("%s where %s was expected at byte %d", tok.Kind(), kind, d.InputOffset())
	}
	return nil
}

func (d *decoder) text() (string, error) {
	tok, err := d.ReadToken()
	if err != nil {
		return "", cut(err)
	}
	if tok.Kind() != '"' {
		return "", fmt.Errorf("%s where a string was expected at byte %d", tok.Kind(), d.InputOffset())
	}
	return tok.String(), nil
}

// nano reads a time: a string of nanoseconds since 1970.
func (d *decoder) nano() (int64, error) {
	raw, err := d.ReadValue()
	if err != nil {
		return 0, cut(err)
	}
	if len(raw) < 3 || raw[0] != '"' {
		return 0, fmt.Errorf("no time of an entry at byte %d", d.InputOffset())
	}
	t, err := strconv.ParseInt(string(raw[1:len(raw)-1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("time of an entry: %w", err)
	}
	return t, nil
}

// cut makes the plain end of input in the middle of an answer an unexpected one.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
