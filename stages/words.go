package stages

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// settling is how long a new service may take until its lines and figures are expected.
const settling = 5 * time.Minute

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func count(n int, word string) string { return counted(n, word, word+"s") }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func sortByName(subjects []Subject) {
	slices.SortFunc(subjects, func(a, b Subject) int { return strings.Compare(a.Name, b.Name) })
}
