package prometheus

import (
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// placeKind is what may stand at the cursor.
type placeKind int

const (
	placeNone     placeKind = iota
	placeOperand            // a metric, a function, an aggregation
	placeOperator           // what may follow an operand: and, or, offset, …
	placeAfterAgg           // by, without
	placeLabel              // a label inside braces
	placeBy                 // a label in the list of by, on, …
	placeValue              // a label's value
	placeDuration
	placeAt // start(), end()
)

// place is where the cursor is in a query, with what completes it.
type place struct {
	kind     placeKind
	from, to int    // the word that is replaced
	word     string // from..cursor
	selector string // what is known of the series so far, for labels and values: a valid selector, or ""
	label    string // whose value
	regex    bool   // the value is a regular expression
	quote    byte   // the quote that stands open, 0: none does
	matched  bool   // an operator follows the label already
	function string // whose argument the word is, "" for none
	compares bool   // the word follows a comparison
	binary   bool   // the word follows an operator between vectors
}

// listWords are the words whose parentheses hold label names.
var listWords = []parser.ItemType{parser.BY, parser.WITHOUT, parser.ON, parser.IGNORING, parser.GROUP_LEFT, parser.GROUP_RIGHT}

// opened is a bracket that stands open before the cursor.
type opened struct {
	kind     parser.ItemType
	list     bool   // label names stand in it
	function string // the function whose arguments it holds
	metric   string // before a brace
	matchers []string
	parts    []parser.Item // of the matcher that is being written
	end      int           // byte after the bracket
}

// variable is one of Grafana's or of a panel's: $service, ${stack}, $__rate_interval.
var variable = regexp.MustCompile(`\$(?:\w+|\{\w+\})`)

// masked has numbers of the same length in place of variables, for the lexer that does not know them.
func masked(query string) string {
	return variable.ReplaceAllStringFunc(query, func(v string) string { return strings.Repeat("1", len(v)-1) + "s" })
}

// lexed are the items of a query up to its end or the first that is none; failed is that one.
func lexed(query string) (items []parser.Item, failed *parser.Item) {
	text := masked(query)
	l := parser.Lex(text)
	for {
		var it parser.Item
		l.NextItem(&it)
		switch it.Typ {
		case parser.EOF:
			return items, nil
		case parser.ERROR:
			return items, &it
		case parser.COMMENT:
			if int(it.Pos)+len(it.Val) == len(text) { // it is still being written
				return items, &it
			}
		default:
			it.Val = query[it.Pos:][:len(it.Val)]
			items = append(items, it)
		}
	}
}

// placeIn finds what the cursor, before byte at, is in the middle of. It reads with PromQL's own lexer, and so knows what
// a string, a comment or a bracket is as the server does.
func placeIn(query string, at int) place {
	at = min(max(at, 0), len(query))
	items, failed := lexed(query[:at])
	if failed != nil && failed.Typ == parser.COMMENT {
		return place{}
	}
	p := place{from: at, to: at}
	var open []opened
	if failed != nil && strings.HasPrefix(failed.Val, "unterminated") {
		open = bracketsOf(items)
		return p.inString(query, open, int(failed.Pos), at)
	}
	if failed != nil && !strings.HasPrefix(failed.Val, "unexpected end") && !strings.HasPrefix(failed.Val, "unclosed") {
		open = bracketsOf(items)
		if len(open) == 0 || open[len(open)-1].kind != parser.LEFT_BRACKET { // 5 alone is no duration yet
			return place{}
		}
		return p.inBrackets(query, open[len(open)-1], at)
	}
	if n := len(items); n > 0 && wordly(items[n-1]) && int(items[n-1].Pos)+len(items[n-1].Val) == at {
		p.from, items = int(items[n-1].Pos), items[:n-1]
	}
	for p.to < len(query) && isWord(query[p.to]) {
		p.to++
	}
	p.word = query[p.from:at]
	open = bracketsOf(items)
	if len(open) > 0 {
		switch last := open[len(open)-1]; {
		case last.kind == parser.LEFT_BRACKET:
			return p.inBrackets(query, last, at)
		case last.kind == parser.LEFT_BRACE:
			return p.inBraces(query, last)
		case last.list:
			p.kind = placeBy
			return p
		default:
			p.function = last.function
		}
	}
	return p.between(items)
}

// wordly tells whether an item is a word that may still be being written.
func wordly(it parser.Item) bool { return it.Val != "" && isWord(it.Val[0]) && it.Typ != parser.STRING }

func isWord(c byte) bool {
	return c == '_' || c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// bracketsOf are the brackets that the items leave open.
func bracketsOf(items []parser.Item) []opened {
	var open []opened
	var prev parser.Item
	for _, it := range items {
		switch it.Typ {
		case parser.LEFT_PAREN, parser.LEFT_BRACE, parser.LEFT_BRACKET:
			o := opened{kind: it.Typ, list: slices.Contains(listWords, prev.Typ), end: int(it.Pos) + 1}
			if it.Typ == parser.LEFT_PAREN && wordly(prev) {
				o.function = prev.Val
			}
			if it.Typ == parser.LEFT_BRACE && isName(prev) {
				o.metric = prev.Val
			}
			open = append(open, o)
		case parser.RIGHT_PAREN, parser.RIGHT_BRACE, parser.RIGHT_BRACKET:
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		default:
			if len(open) > 0 {
				open[len(open)-1].take(it)
			}
		}
		prev = it
	}
	return open
}

func isName(it parser.Item) bool {
	return it.Typ == parser.IDENTIFIER || it.Typ == parser.METRIC_IDENTIFIER
}

// take adds an item to what stands inside a brace: a matcher is whole with its string.
func (o *opened) take(it parser.Item) {
	if o.kind != parser.LEFT_BRACE {
		return
	}
	if it.Typ == parser.COMMA {
		o.parts = nil
		return
	}
	o.parts = append(o.parts, it)
	if it.Typ != parser.STRING {
		return
	}
	switch {
	case len(o.parts) == 1: // a metric's name in quotes, if no operator follows
		o.matchers = append(o.matchers, it.Val)
	case len(o.parts) == 3:
		if o.parts[0].Typ == parser.STRING { // it was a label's name in quotes
			o.matchers = o.matchers[:len(o.matchers)-1]
		}
		if !variable.MatchString(it.Val) { // what a variable stands for is not known here
			o.matchers = append(o.matchers, o.parts[0].Val+o.parts[1].Val+it.Val)
		}
	}
}

// selector is what a brace says of its series so far: a valid selector, or "" where it says nothing.
func (o opened) selector() string {
	switch {
	case len(o.matchers) == 0:
		return o.metric
	case o.metric != "" && strings.HasPrefix(o.matchers[0], `"`) && !strings.Contains(o.matchers[0], "="):
		return o.metric
	}
	s := o.metric + "{" + strings.Join(o.matchers, ",") + "}"
	if _, err := parser.NewParser(parser.Options{}).ParseMetricSelector(s); err != nil {
		return o.metric
	}
	return s
}

// inBraces: a label's name, or after its operator a value that has no quotes yet.
func (p place) inBraces(query string, o opened) place {
	p.selector = o.selector()
	switch len(o.parts) {
	case 0:
		p.kind = placeLabel
		rest := strings.TrimLeft(query[p.to:], " ")
		p.matched = strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, "!")
	case 2:
		if p.word == "" {
			p.kind, p.label = placeValue, unquoted(o.parts[0].Val)
			p.regex = o.parts[1].Typ == parser.EQL_REGEX || o.parts[1].Typ == parser.NEQ_REGEX
		}
	}
	return p
}

// inString: the value of a label, if the string is one. It is replaced to its end, or to the last | of an expression.
func (p place) inString(query string, open []opened, quoteAt, at int) place {
	if len(open) == 0 || open[len(open)-1].kind != parser.LEFT_BRACE || quoteAt >= at {
		return place{}
	}
	o := open[len(open)-1]
	p.quote, p.from = query[quoteAt], quoteAt+1
	p.selector = o.selector()
	switch len(o.parts) {
	case 0:
		p.kind, p.label = placeValue, "__name__"
	case 2:
		p.kind, p.label = placeValue, unquoted(o.parts[0].Val)
		p.regex = o.parts[1].Typ == parser.EQL_REGEX || o.parts[1].Typ == parser.NEQ_REGEX
	default:
		return place{}
	}
	for p.to < len(query) && query[p.to] != p.quote && query[p.to] != '\n' && (!p.regex || query[p.to] != '|') {
		if strings.IndexByte(",{}()", query[p.to]) >= 0 { // the quote was never closed: what follows is not the value's
			p.to = at
			break
		}
		p.to++
	}
	p.word = query[p.from:at]
	if p.regex {
		p.from += strings.LastIndexByte(p.word, '|') + 1
		p.word = query[p.from:at]
	}
	return p
}

func unquoted(label string) string { return strings.Trim(label, "\"'`") }

// inBrackets: the duration of a range, or after a colon of a subquery's step.
func (p place) inBrackets(query string, o opened, at int) place {
	p.kind, p.from = placeDuration, o.end
	if colon := strings.LastIndexByte(query[o.end:at], ':'); colon >= 0 {
		p.from += colon + 1
	}
	for p.from < at && query[p.from] == ' ' {
		p.from++
	}
	for p.to = at; p.to < len(query) && (isWord(query[p.to]) || query[p.to] == '$') && query[p.to] != ':'; {
		p.to++
	}
	p.word = query[p.from:at]
	return p
}

// between: outside of all lists, the item before the word tells what may follow it.
func (p place) between(items []parser.Item) place {
	p.kind = placeOperand
	if len(items) == 0 {
		return p
	}
	last := items[len(items)-1]
	switch {
	case last.Typ == parser.OFFSET:
		p.kind = placeDuration
	case last.Typ == parser.AT:
		p.kind = placeAt
	case last.Typ.IsAggregator():
		p.kind = placeAfterAgg
	case slices.Contains(listWords, last.Typ):
		p.kind = placeNone // an opening parenthesis
	case last.Typ == parser.RIGHT_PAREN && closesList(items):
		p.kind = placeOperand
	case last.Typ == parser.RIGHT_PAREN || last.Typ == parser.RIGHT_BRACE || last.Typ == parser.RIGHT_BRACKET,
		last.Typ == parser.NUMBER || last.Typ == parser.DURATION || isName(last):
		p.kind = placeOperator
	case last.Typ == parser.STRING:
		p.kind = placeNone
	case last.Typ.IsOperator():
		p.compares, p.binary = last.Typ.IsComparisonOperator(), len(items) > 1
	}
	return p
}

// closesList tells whether the last parenthesis closes a list of labels.
func closesList(items []parser.Item) bool {
	depth := 0
	for i := len(items) - 1; i >= 0; i-- {
		switch items[i].Typ {
		case parser.RIGHT_PAREN:
			depth++
		case parser.LEFT_PAREN:
			if depth--; depth == 0 {
				return i > 0 && slices.Contains(listWords, items[i-1].Typ)
			}
		}
	}
	return false
}

// metricsIn are the names of metrics in a query, at most three.
func metricsIn(query string) []string {
	items, _ := lexed(query)
	var out []string
	for i, it := range items {
		if !isName(it) || i+1 < len(items) && items[i+1].Typ == parser.LEFT_PAREN {
			continue
		}
		open := bracketsOf(items[:i])
		if n := len(open); n > 0 && (open[n-1].kind != parser.LEFT_PAREN || open[n-1].list) {
			continue
		}
		if !slices.Contains(out, it.Val) {
			out = append(out, it.Val)
		}
		if len(out) == 3 {
			break
		}
	}
	return out
}
