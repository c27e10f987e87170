package logview

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// fewFirst is with how many bytes a match may begin, at most, for texts to be run through by the byte alone: more of them stop too often.
const fewFirst = 8

// firstBytes are the bytes with which a match of an expression can begin: what lies between them is passed over without a step of the
// automaton, as RE2 does with a prefix. All bytes beyond ASCII count as one.
type firstBytes struct {
	few   bool // there are few enough, and no match is empty
	one   bool // there is one: the machine's search for a byte finds it
	only  byte
	is    [256]bool
	after [256]*autoState // the state of rest after a byte
}

// begins is made from where the expression leads to without a character, whatever it wants to stand before it.
func (a *automaton) begins() firstBytes {
	var f firstBytes
	reached, empty := a.closure([]uint32{uint32(a.prog.Start)}, ^syntax.EmptyOp(0)) //nolint:gosec // bounded by automatonInst
	if empty {
		return f
	}
	n := 0
	for c := range endOfText {
		for _, pc := range reached {
			if a.prog.Inst[pc].MatchRune(rune(c)) {
				f.is[c], f.only = true, byte(c)
				n++
				break
			}
		}
	}
	beyond := slices.ContainsFunc(reached, func(pc uint32) bool { return beyondASCII(&a.prog.Inst[pc]) })
	for c := endOfText; c < len(f.is); c++ {
		f.is[c] = beyond
	}
	f.few, f.one = n <= fewFirst, n == 1 && !beyond
	return f
}

// beyondASCII tells whether the instruction takes a character beyond ASCII.
func beyondASCII(i *syntax.Inst) bool {
	switch i.Op {
	case syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	case syntax.InstRune, syntax.InstRune1:
		if len(i.Rune) > 1 {
			return i.Rune[len(i.Rune)-1] >= endOfText
		}
		return i.Rune[0] >= endOfText || i.MatchRune('\u017f') || i.MatchRune('\u212a') // s and k without case
	}
	return false
}

// next is how many bytes of s are before the first with which a match can begin; -1: there is none.
func (f *firstBytes) next(s string) int {
	if f.one {
		return strings.IndexByte(s, f.only)
	}
	for i := range len(s) {
		if f.is[s[i]] {
			return i
		}
	}
	return -1
}
