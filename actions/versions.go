package actions

import (
	"cmp"
	"slices"
	"strings"

	"github.com/maruel/natural"
)

// sortVersions puts tags in falling order, numbers by their value: 1.10 before 1.9. "latest" and its like, which say nothing, come last.
func sortVersions(tags []string) {
	slices.SortStableFunc(tags, func(a, b string) int {
		switch {
		case wordRank(a) != wordRank(b):
			return cmp.Compare(wordRank(a), wordRank(b))
		case natural.Less(b, a):
			return -1
		case natural.Less(a, b):
			return 1
		}
		return 0
	})
}

// wordRank is 1 for tags without a digit.
func wordRank(tag string) int {
	if strings.ContainsAny(tag, "0123456789") {
		return 0
	}
	return 1
}
