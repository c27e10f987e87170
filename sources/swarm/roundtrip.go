package swarm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// maxLost is how many fields an error names.
const maxLost = 5

// lostFields names what the JSON document before has and after has not, or has otherwise. A value that says nothing (null, "",
// 0, false, no elements) may be left out.
func lostFields(before, after []byte) ([]string, error) {
	var trees [2]any
	for i, raw := range [][]byte{before, after} {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if err := dec.Decode(&trees[i]); err != nil {
			return nil, err
		}
	}
	var lost []string
	compare("", trees[0], trees[1], &lost)
	slices.Sort(lost)
	if n := len(lost); n > maxLost {
		lost = append(lost[:maxLost], fmt.Sprintf("and %d more", n-maxLost))
	}
	return lost, nil
}

func compare(path string, before, after any, lost *[]string) {
	switch b := before.(type) {
	case map[string]any:
		a, ok := after.(map[string]any)
		if !ok && !blank(before) {
			*lost = append(*lost, strings.TrimPrefix(path, "."))
			return
		}
		for key, value := range b {
			compare(path+"."+key, value, a[key], lost)
		}
	case []any:
		a, _ := after.([]any)
		if len(a) != len(b) {
			*lost = append(*lost, strings.TrimPrefix(path, "."))
			return
		}
		for i := range b {
			compare(fmt.Sprintf("%s[%d]", path, i), b[i], a[i], lost)
		}
	default:
		if !same(before, after) && (!blank(before) || !blank(after)) {
			*lost = append(*lost, strings.TrimPrefix(path, "."))
		}
	}
}

// blank tells a value that a Go type leaves out of its JSON.
func blank(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case json.Number:
		n, ok := new(big.Rat).SetString(v.String())
		return ok && n.Sign() == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, x := range v {
			if !blank(x) {
				return false
			}
		}
		return true
	}
	return false
}

func same(a, b any) bool {
	x, ok := a.(json.Number)
	y, also := b.(json.Number)
	if !ok || !also {
		return a == b
	}
	p, ok := new(big.Rat).SetString(x.String())
	q, also := new(big.Rat).SetString(y.String())
	return ok && also && p.Cmp(q) == 0
}
