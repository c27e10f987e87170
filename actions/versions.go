package actions

import (
	"cmp"
	"slices"
	"strings"

	"github.com/maruel/natural"
)

// sortVersions puts tags in falling order, numbers by their value: 1.10 before 1.9, and a version before what was tagged on the way to it or
// after it: 1.5.0 before 1.5.0-rc1. "latest" and its like, which say nothing, come last.
func sortVersions(tags []string) {
	slices.SortStableFunc(tags, func(a, b string) int {
		x, afterX, _ := strings.Cut(a, "-")
		y, afterY, _ := strings.Cut(b, "-")
		return cmp.Or(cmp.Compare(wordRank(a), wordRank(b)), falling(x, y), cmp.Compare(bareRank(afterX), bareRank(afterY)), falling(afterX, afterY))
	})
}

func falling(a, b string) int {
	switch {
	case natural.Less(b, a):
		return -1
	case natural.Less(a, b):
		return 1
	}
	return 0
}

// bareRank is 0 for a version without an addition.
func bareRank(addition string) int {
	if addition == "" {
		return 0
	}
	return 1
}

// wordRank is 1 for tags without a digit.
func wordRank(tag string) int {
	if strings.ContainsAny(tag, "0123456789") {
		return 0
	}
	return 1
}
