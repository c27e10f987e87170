package logview

import (
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// automatonStates bounds an automaton's memory: each takes a kilobyte. Expressions as people type have some dozens.
	automatonStates = 512
	automatonInst   = 2000
	endOfText       = 128
)

// automaton tells whether an expression matches somewhere in a text of ASCII, at a nanosecond a byte: a twentieth of what package
// regexp takes where no literal helps it. It is the deterministic automaton of the compiled expression (Thompson's construction, as RE2
// does), made as far as texts lead into it. Any number of goroutines may use it at once.
type automaton struct {
	prog   *syntax.Prog
	looks  bool // the expression looks at what stands before and behind a place: ^ $ \b \B
	start  *autoState
	first  firstBytes
	full   atomic.Bool // there are too many states: it tells nothing more
	mu     sync.Mutex  // held while a state is made
	states map[string]*autoState
}

// autoState is a set of places in the compiled expression where a match may be going on, with what stands before it in the text.
type autoState struct {
	next [endOfText + 1]atomic.Pointer[autoState] // by the next byte; nil: not made yet
	pcs  []uint32
	last rune // a character of the kind that was read last; -1: none was
	rest bool // no match is going on: what no match begins with leads to a state of rest again
}

// What a step leads to beside states: a match, the end without one, and too many states.
var autoMatch, autoFail, autoFull = &autoState{}, &autoState{}, &autoState{}

// newAutomaton makes one of an expression in the syntax of package regexp; nil where it is too long.
func newAutomaton(expr string) *automaton {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil || len(prog.Inst) > automatonInst {
		return nil
	}
	a := &automaton{prog: prog, states: map[string]*autoState{}}
	a.looks = slices.ContainsFunc(prog.Inst, func(i syntax.Inst) bool { return i.Op == syntax.InstEmptyWidth })
	a.start = a.resting(-1)
	if a.first = a.begins(); a.first.few {
		for c := range a.first.after {
			a.first.after[c] = a.resting(a.kind(rune(c)))
		}
	}
	return a
}

// resting is the state in which no match is going on, after a character of this kind.
func (a *automaton) resting(last rune) *autoState {
	return a.state([]uint32{uint32(a.prog.Start)}, last) //nolint:gosec // bounded by automatonInst
}

// match tells whether the expression matches in s; ok is false where it cannot tell.
func (a *automaton) match(s string) (yes, ok bool) {
	if a.full.Load() {
		return false, false
	}
	at := a.start
	for i := 0; i < len(s); i++ {
		if at.rest && a.first.few {
			skip := a.first.next(s[i:])
			if skip < 0 {
				return false, true
			}
			if i += skip; skip > 0 {
				at = a.first.after[s[i-1]]
			}
		}
		c := s[i]
		if c >= endOfText {
			return false, false
		}
		to := at.next[c].Load()
		if to == nil {
			to = a.step(at, int(c))
		}
		if to == autoMatch {
			return true, true
		}
		if to == autoFull {
			return false, false
		}
		at = to
	}
	to := at.next[endOfText].Load()
	if to == nil {
		to = a.step(at, endOfText)
	}
	return to == autoMatch, to != autoFull
}

// step makes what a byte, or the end of the text, leads to.
func (a *automaton) step(from *autoState, c int) *autoState {
	a.mu.Lock()
	defer a.mu.Unlock()
	to := a.after(from, c)
	if to == autoFull {
		a.full.Store(true)
	}
	from.next[c].Store(to)
	return to
}

func (a *automaton) after(from *autoState, c int) *autoState {
	r := rune(c) //nolint:gosec // 0 to 128
	if c == endOfText {
		r = -1
	}
	reached, match := a.closure(from.pcs, syntax.EmptyOpContext(from.last, r))
	switch {
	case match:
		return autoMatch
	case c == endOfText:
		return autoFail
	}
	next := []uint32{uint32(a.prog.Start)} //nolint:gosec // bounded: a match may begin anywhere
	for _, pc := range reached {
		if i := &a.prog.Inst[pc]; i.MatchRune(r) {
			next = append(next, i.Out)
		}
	}
	slices.Sort(next)
	return a.state(slices.Compact(next), a.kind(r))
}

// kind is a character that stands for all that the expression cannot tell from r by looking at it from behind.
func (a *automaton) kind(r rune) rune {
	switch {
	case !a.looks:
		return ' '
	case r == '\n':
		return r
	case syntax.IsWordChar(r):
		return 'a'
	}
	return ' '
}

// closure is where the places lead to without a character: those that want one, and whether the expression is at its end.
func (a *automaton) closure(pcs []uint32, holds syntax.EmptyOp) (reached []uint32, match bool) {
	seen := make([]bool, len(a.prog.Inst))
	stack := slices.Clone(pcs)
	for len(stack) > 0 {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch i := &a.prog.Inst[pc]; i.Op {
		case syntax.InstMatch:
			return nil, true
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, i.Out, i.Arg)
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, i.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(i.Arg)&^holds == 0 { //nolint:gosec // six bits
				stack = append(stack, i.Out)
			}
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			reached = append(reached, pc)
		case syntax.InstFail:
		}
	}
	return reached, false
}

// state is the one state of these places; autoFull where there are too many.
func (a *automaton) state(pcs []uint32, last rune) *autoState {
	key := make([]byte, 0, 4*len(pcs)+1)
	key = append(key, byte(last)) //nolint:gosec // -1 or ASCII
	for _, pc := range pcs {
		key = append(key, byte(pc), byte(pc>>8)) //nolint:gosec // below automatonInst
	}
	if have := a.states[string(key)]; have != nil {
		return have
	}
	if len(a.states) >= automatonStates {
		return autoFull
	}
	made := &autoState{pcs: pcs, last: last, rest: len(pcs) == 1 && pcs[0] == uint32(a.prog.Start)} //nolint:gosec // bounded by automatonInst
	a.states[string(key)] = made
	return made
}
