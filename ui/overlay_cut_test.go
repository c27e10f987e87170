package ui

import (
	"testing"

	"quarterdeck/ui/plain"
)

// A box may be laid over any text: what is left of it and right of it keeps its cells, wherever a wide character is parted.
func TestCutsKeepTheirCells(t *testing.T) {
	for _, line := range []string{"plain letters only", "日本語日本語日本語", "a👍⚠️a👩‍👩‍👧‍👦🇩🇪👍⚠️", "\x1b[1mab\x1b[31m日本\x1b[m語cd", "é́é́é́"} {
		w := plain.Width(line)
		for x := range w + 1 {
			if got := plain.Width(cutBefore(line, x)); got != x {
				t.Errorf("%q before %d: %d cells", line, x, got)
			}
			if got := plain.Width(cutAfter(line, x, w)); got != w-x {
				t.Errorf("%q from %d of %d on: %d cells", line, x, w, got)
			}
		}
	}
}
