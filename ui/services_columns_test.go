package ui

import (
	"fmt"
	"testing"
)

// TestNamesBeforeSparklines: long names take the room of the sparklines, and of nothing else (where columns were dropped anyway, what that left); what is
// short enough leaves all as it is.
func TestNamesBeforeSparklines(t *testing.T) {
	for _, c := range []struct{ w, longest, name, sparks int }{{78, 13, 14, 2}, {78, 14, 14, 2}, {78, 19, 20, 1}, {78, 60, 20, 1}, {84, 20, 20, 2}, {60, 60, 14, 0}, {40, 60, 19, 0}} {
		t.Run(fmt.Sprintf("%d cells, names of %d", c.w, c.longest), func(t *testing.T) {
			plain, asked := serviceColumns(false), serviceColumns(false)
			widenName(asked, c.w, c.longest)
			figures := func(cols []column) (list []int, name, sparks int) {
				shown, widths := fitColumns(cols, c.w)
				for i, col := range shown {
					switch col {
					case colName:
						name = widths[i]
					case colCPUSpark, colMemorySpark:
						sparks++
						continue
					}
					list = append(list, col)
				}
				return list, name, sparks
			}
			before, _, _ := figures(plain)
			after, name, sparks := figures(asked)
			if fmt.Sprint(before) != fmt.Sprint(after) || name != c.name || sparks != c.sparks {
				t.Errorf("columns %v, before %v; the name has %d cells, there are %d sparklines", after, before, name, sparks)
			}
		})
	}
}
