package logview

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

// FieldTerm compares a field of a structured line, or what its stream tells (service, stack, task, node, and each label).
type FieldTerm struct {
	Key, Op, Value string // Op is one of = != > >= < <= =~ !~
}

// String is the term as it is typed.
func (t FieldTerm) String() string {
	v := t.Value
	if strings.ContainsAny(v, " \t") || v == "" {
		v = strconv.Quote(v)
	}
	return t.Key + t.Op + v
}

var fieldTermText = regexp.MustCompile(`^([A-Za-z_@][A-Za-z0-9_.@-]*)(=~|!~|>=|<=|!=|=|>|<)(.+)$`)

// ParseFieldTerm reads key=value, key!=value, key>n and their like; false: it is none of them. Whether it is meant so, is another
// question: see [Pane.TakenAs].
func ParseFieldTerm(s string) (FieldTerm, bool) {
	t, _, ok := parseFieldTerm(s)
	return t, ok
}

// parseFieldTerm also tells whether the value stands in quotes.
func parseFieldTerm(s string) (t FieldTerm, quoted, ok bool) {
	m := fieldTermText.FindStringSubmatch(s)
	if m == nil {
		return FieldTerm{}, false, false
	}
	t = FieldTerm{m[1], m[2], m[3]}
	if len(t.Value) > 1 && t.Value[0] == '"' {
		v, err := strconv.Unquote(t.Value)
		if err != nil {
			return FieldTerm{}, false, false
		}
		t.Value, quoted = v, true
	}
	return t, quoted, true
}

// fieldTest is a FieldTerm made ready. It is immutable.
type fieldTest struct {
	FieldTerm
	re    *regexp.Regexp
	n     quantity
	level sources.Level
	plain *pattern // key=value as text, for lines that are not structured
}

func compileField(t FieldTerm) (*fieldTest, error) {
	f := &fieldTest{FieldTerm: t}
	switch t.Op {
	case "=~", "!~":
		re, err := regexp.Compile("^(?:" + t.Value + ")$")
		if err != nil {
			return nil, fmt.Errorf("regular expression %q: %w", plain.LineN(t.Value, 60), err)
		}
		f.re = re
	case ">", ">=", "<", "<=":
		n, ok := parseQuantity(t.Value)
		f.level = sources.ParseLevel(t.Value)
		if !ok && (t.Key != "level" || f.level == sources.LevelUnknown) {
			return nil, fmt.Errorf("%s: %q is no number, duration or size", plain.LineN(t.Key, 40), plain.LineN(t.Value, 40))
		}
		f.n = n
	case "=":
		f.plain = &pattern{text: t.Key + "=" + t.Value, pivot: pivot(t.Key + "=" + t.Value)}
	}
	return f, nil
}

// in tells whether a row passes. A line that has no such field passes != and !~ alone.
func (f *fieldTest) in(line string, level sources.Level, s *sources.Stream) bool {
	if f.Key == "level" {
		if ok, known := f.byLevel(level); known {
			return ok
		}
	}
	v, has := fieldValue(line, f.Key)
	if !has {
		v, has = streamValue(s, f.Key)
	}
	if !has {
		return f.Op == "!=" || f.Op == "!~" || f.plain != nil && line != "" && line[0] != '{' && f.plain.in(line)
	}
	switch f.Op {
	case "=":
		return v == f.Value
	case "!=":
		return v != f.Value
	case "=~":
		return f.re.MatchString(v)
	case "!~":
		return !f.re.MatchString(v)
	}
	n, ok := parseQuantity(v)
	if !ok || n.unit != f.n.unit {
		return false
	}
	return compares(f.Op, n.v, f.n.v)
}

// byLevel compares the level that was read out of the line, whatever word it has for it.
func (f *fieldTest) byLevel(level sources.Level) (ok, known bool) {
	want := f.level
	if want == sources.LevelUnknown {
		want = sources.ParseLevel(f.Value)
	}
	if want == sources.LevelUnknown || f.re != nil {
		return false, false
	}
	switch f.Op {
	case "=":
		return level == want, true
	case "!=":
		return level != want, true
	}
	return compares(f.Op, float64(level), float64(want)), true
}

func compares(op string, a, b float64) bool {
	switch op {
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case "<=":
		return a <= b
	}
	return false
}

// streamValue is what a stream tells under a name.
func streamValue(s *sources.Stream, key string) (string, bool) {
	if s == nil {
		return "", false
	}
	switch key {
	case "service":
		return s.Service, s.Service != ""
	case "stack":
		return s.Stack, s.Stack != ""
	case "task":
		return s.Task, s.Task != ""
	case "node":
		return s.Node, s.Node != ""
	}
	v, ok := s.Labels[key]
	return v, ok
}

// quantity is a number with what it measures: nothing, seconds or bytes.
type quantity struct {
	v    float64
	unit byte // 0, 's' or 'B'
}

var sizeUnits = []struct {
	name string
	by   float64
}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1}}

// parseQuantity reads 12, 3.5, 1e3, 250ms, 1m30s, 12MB, 4KiB, 30%.
func parseQuantity(s string) (quantity, bool) {
	if s == "" || len(s) > 32 {
		return quantity{}, false
	}
	if c := s[len(s)-1]; c >= '0' && c <= '9' || c == '.' {
		v, err := strconv.ParseFloat(s, 64)
		return quantity{v: v}, err == nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return quantity{d.Seconds(), 's'}, true
	}
	low := strings.ToLower(strings.TrimSuffix(s, "%"))
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(low, u.name); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
			return quantity{v * u.by, 'B'}, err == nil
		}
	}
	v, err := strconv.ParseFloat(low, 64)
	return quantity{v: v}, err == nil
}
