package loki

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"quarterdeck/sources"
)

// logql is a query in LogQL: the stream selector with its braces, and the pipeline after it.
type logql struct{ selector, pipeline string }

func (l logql) String() string {
	if l.pipeline == "" {
		return l.selector
	}
	return l.selector + " " + l.pipeline
}

// and narrows the selector by one more matcher.
func (l logql) and(matcher string) logql {
	return logql{strings.TrimSuffix(l.selector, "}") + ", " + matcher + "}", l.pipeline}
}

// Explain is the LogQL that a query becomes, so that people can repeat it in Grafana or logcli. The
// range and the limit are not part of LogQL. Where the query cannot become LogQL, it is the reason.
func (c *Client) Explain(q sources.LogQuery) string {
	l, err := c.build(q)
	if err != nil {
		return err.Error()
	}
	return l.String()
}

// build makes LogQL of a query. Each text of the user ends up inside a quoted string.
func (c *Client) build(q sources.LogQuery) (logql, error) {
	l := logql{}
	if q.Expr != "" {
		var err error
		if l.selector, l.pipeline, err = splitSelector(q.Expr); err != nil {
			return l, err
		}
	} else {
		l.selector = c.selector(q)
	}
	var stages []string
	for _, f := range []struct{ name, op, text string }{
		{"contains", "|=", q.Contains}, {"regexp", "|~", q.Regexp}, {"exclude", "!~", q.Exclude},
	} {
		if f.text == "" {
			continue
		}
		if f.op != "|=" {
			if _, err := regexp.Compile(f.text); err != nil {
				return l, badQuestion("correct the "+f.name+" pattern (RE2 syntax)", err)
			}
		}
		stages = append(stages, f.op+" "+quote(f.text))
	}
	if q.Pattern != "" {
		stages = append(stages, "|> "+quote(q.Pattern))
	}
	if len(q.Levels) > 0 {
		stages = append(stages, "| "+levelFilter(q.Levels, true))
	}
	if len(stages) == 0 {
		return l, nil
	}
	if l.pipeline != "" {
		l.pipeline += "\n" // a comment may end what the user wrote
	}
	l.pipeline += strings.Join(stages, " ")
	return l, nil
}

func badQuestion(next string, err error) error {
	return &sources.Error{Source: name, Op: "read the query", Kind: sources.BadQuestion, Next: next, Err: err}
}

func (c *Client) selector(q sources.LogQuery) string {
	var m []string
	if len(q.Services) > 0 {
		m = append(m, matchAny(c.labels.Service, q.Services))
	}
	if q.Stack != "" {
		m = append(m, matchAny(c.labels.Stack, []string{q.Stack}))
	}
	if len(q.Tasks) > 0 {
		m = append(m, c.matchTasks(q.Tasks))
	}
	if len(m) == 0 {
		m = append(m, c.labels.Service+`=~".+"`)
	}
	return "{" + strings.Join(m, ", ") + "}"
}

// matchTasks matches the tasks' own label, or the end of the container's name: web.1.<task id>.
func (c *Client) matchTasks(ids []string) string {
	if c.labels.Task != "" {
		return matchAny(c.labels.Task, ids)
	}
	return c.labels.Container + "=~" + quote(`.+\.`+alternatives(ids))
}

// matchAny matches a label that has one of the values. A selector's values never match an absent label here.
func matchAny(label string, values []string) string {
	if len(values) == 1 {
		return label + "=" + quote(values[0])
	}
	return label + "=~" + quote(alternatives(values))
}

func alternatives(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return "(" + strings.Join(quoted, "|") + ")"
}

// levelWords are the words of detected_level for a level. Loki folds to the first of each, and fatal
// also to critical; labels that people set themselves have the others.
var levelWords = map[sources.Level][]string{
	sources.LevelUnknown: {"unknown"},
	sources.LevelTrace:   {"trace"},
	sources.LevelDebug:   {"debug"},
	sources.LevelInfo:    {"info"},
	sources.LevelWarn:    {"warn", "warning"},
	sources.LevelError:   {"error", "err"},
	sources.LevelFatal:   {"fatal", "critical", "panic", "emergency", "alert"},
}

// levelFilter filters by detected_level. undetected lets lines pass whose level Loki did not look
// for (before 3.0, or discover_log_levels off): the client then judges them by their text.
func levelFilter(levels []sources.Level, undetected bool) string {
	var words []string
	for _, l := range slices.Sorted(slices.Values(levels)) {
		words = append(words, levelWords[l]...)
	}
	alt := "(" + strings.Join(slices.Compact(words), "|") + ")"
	if undetected {
		alt += "?"
	}
	return detectedLevel + "=~" + quote("(?i)"+alt)
}

// quote makes a LogQL string that means exactly s. A raw string reads better where there are
// backslashes, and is only used where it can hold s: LogQL drops carriage returns in it.
func quote(s string) string {
	raw := strings.Contains(s, `\`) && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '`' || r < ' ' || r == 0x7f || r == 0xfeff
	})
	if raw {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

// splitSelector cuts a user's LogQL after its stream selector. What does not begin with one is a
// metric query or a mistake, and neither gives lines.
func splitSelector(expr string) (selector, rest string, err error) {
	i := 0
	for i < len(expr) { // white space and comments may come first
		switch {
		case strings.IndexByte(" \t\r\n", expr[i]) >= 0:
			i++
			continue
		case expr[i] == '#':
			n := strings.IndexByte(expr[i:], '\n')
			if n < 0 {
				n = len(expr) - i
			}
			i += n
			continue
		}
		break
	}
	if i == len(expr) || expr[i] != '{' {
		return "", "", badQuestion(`begin with a stream selector: {swarm_service="web"}; a query of numbers belongs into the metrics view`,
			fmt.Errorf("%.60q is no query of log lines", expr))
	}
	end := selectorEnd(expr[i:])
	if end < 0 {
		return "", "", badQuestion("close the selector with }", fmt.Errorf("the selector of %.60q has no end", expr))
	}
	return expr[i : i+end], strings.TrimSpace(expr[i+end:]), nil
}

// selectorEnd is the index after the } that closes the selector at s[0], or -1.
func selectorEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '}':
			return i + 1
		case '#':
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				return -1
			}
			i += n
		case '`', '"':
			n := stringEnd(s[i:])
			if n < 0 {
				return -1
			}
			i += n - 1
		}
	}
	return -1
}

// stringEnd is the index after the quoted string that begins at s[0], or -1.
func stringEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return i + 1
		case s[i] == '\\' && s[0] == '"':
			i++
		}
	}
	return -1
}
