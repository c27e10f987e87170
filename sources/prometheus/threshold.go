package prometheus

import (
	"errors"
	"math"

	"github.com/prometheus/prometheus/promql/parser"

	"quarterdeck/sources"
)

// maxQuery bounds what is parsed: an alert's link can be anybody's.
const maxQuery = 64 << 10

// maxDepth bounds how deep a query is looked into.
const maxDepth = 200

// queries is the server's own parser, with what newer servers know.
var queries = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})

// ThresholdOf takes a rule's query apart at its outermost comparison with a number. "A > 5 and B" is watched as A, since its samples
// are the alert's value; "A or B" has two that may be compared with different numbers, and so none.
func ThresholdOf(query string) sources.Threshold {
	none := func(why string) sources.Threshold { return sources.Threshold{Watched: query, Reason: why} }
	if len(query) > maxQuery {
		return none("the query is too long to be taken apart")
	}
	e, err := queries.ParseExpr(query)
	if err != nil {
		var pe parser.ParseErrors
		if errors.As(err, &pe) && len(pe) > 0 {
			return none("the query cannot be parsed here: " + pe[0].Err.Error())
		}
		return none("the query cannot be parsed here")
	}
	t := sources.Threshold{}
	if why := take(&t, e, 0); why != "" {
		return none(why)
	}
	return t
}

// take fills t from an expression, or tells why it cannot.
func take(t *sources.Threshold, e parser.Expr, depth int) (why string) {
	if depth > maxDepth {
		return "the query is nested too deep to be taken apart"
	}
	switch e := e.(type) {
	case *parser.ParenExpr:
		return take(t, e.Expr, depth+1)
	case *parser.StepInvariantExpr:
		return take(t, e.Expr, depth+1)
	case *parser.BinaryExpr:
		return takeBinary(t, e, depth)
	}
	return "the rule fires where its query has any value: it compares nothing with a number"
}

func takeBinary(t *sources.Threshold, e *parser.BinaryExpr, depth int) string {
	switch {
	case e.Op == parser.LAND || e.Op == parser.LUNLESS:
		if why := take(t, e.LHS, depth+1); why != "" {
			return why
		}
		also := e.Op.String() + " " + e.RHS.String()
		if t.Also != "" {
			also = t.Also + " " + also
		}
		t.Also = also
		return ""
	case e.Op == parser.LOR:
		return "the rule fires on one of several conditions (or): they have no threshold in common"
	case !e.Op.IsComparisonOperator():
		return "the rule fires where its query has any value: it compares nothing with a number"
	case e.ReturnBool:
		return "its comparison gives 0 or 1 (bool), and the rule fires on both"
	}
	if v, ok := constant(e.RHS, depth); ok {
		t.Watched, t.Op, t.Value = e.LHS.String(), e.Op.String(), v
		return ""
	}
	if v, ok := constant(e.LHS, depth); ok {
		t.Watched, t.Op, t.Value = e.RHS.String(), turned(e.Op).String(), v
		return ""
	}
	return "it compares two series with each other, and not with a number"
}

// turned is the operator with its sides changed.
func turned(op parser.ItemType) parser.ItemType {
	switch op {
	case parser.LSS:
		return parser.GTR
	case parser.GTR:
		return parser.LSS
	case parser.LTE:
		return parser.GTE
	case parser.GTE:
		return parser.LTE
	}
	return op
}

// constant is the value of an expression that is a number, such as -5, 80 / 100 or (2 * 1024).
func constant(e parser.Expr, depth int) (float64, bool) {
	if depth > maxDepth {
		return 0, false
	}
	switch e := e.(type) {
	case *parser.NumberLiteral:
		return e.Val, true
	case *parser.ParenExpr:
		return constant(e.Expr, depth+1)
	case *parser.StepInvariantExpr:
		return constant(e.Expr, depth+1)
	case *parser.UnaryExpr:
		v, ok := constant(e.Expr, depth+1)
		if e.Op == parser.SUB {
			v = -v
		}
		return v, ok
	case *parser.BinaryExpr:
		a, okA := constant(e.LHS, depth+1)
		b, okB := constant(e.RHS, depth+1)
		v, ok := compute(e.Op, a, b)
		return v, ok && okA && okB
	}
	return 0, false
}

func compute(op parser.ItemType, a, b float64) (float64, bool) {
	switch op {
	case parser.ADD:
		return a + b, true
	case parser.SUB:
		return a - b, true
	case parser.MUL:
		return a * b, true
	case parser.DIV:
		return a / b, true
	case parser.MOD:
		return math.Mod(a, b), true
	case parser.POW:
		return math.Pow(a, b), true
	}
	return 0, false
}
