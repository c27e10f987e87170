package incident

import (
	"regexp"
	"slices"
)

// ofRequest is the part of a line that tells which request it was, and not what went wrong: many requests fail for one reason.
var ofRequest = regexp.MustCompile(`("?\b(?:path|url|uri|route|method|status|status_code|code)"?\s*[=:]\s*)("[^"]*"|[^\s,}]+)`)

// sameReason makes one of the patterns that differ only in which requests they are of. What is left of each is a pattern still: Loki's |> takes it.
func sameReason(found []Pattern) []Pattern {
	var out []Pattern
	keys := map[string]int{}
	for _, p := range found {
		key := ofRequest.ReplaceAllString(p.Text, "$1<_>")
		i, ok := keys[key]
		if !ok {
			keys[key] = len(out)
			out = append(out, p)
			continue
		}
		o := &out[i]
		o.Text, o.New = key, o.New && p.New
		o.Count += p.Count
		o.First = earlier(o.First, p.First)
		if p.Last.After(o.Last) {
			o.Last = p.Last
		}
	}
	slices.SortStableFunc(out, func(a, b Pattern) int {
		if a.New != b.New {
			return compareBool(b.New, a.New)
		}
		return b.Count - a.Count
	})
	return out
}
