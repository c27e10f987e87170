package sources

import (
	"regexp"
	"sync"
)

// LazyRegexp is an expression that is compiled when it is asked for first: one that is seldom needed costs a console no memory and no time
// at its start. Safe for concurrent use. An expression that is none panics then.
func LazyRegexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
