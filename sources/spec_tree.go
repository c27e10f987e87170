package sources

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// keyedList is a JSON list whose elements have names of their own, so that two versions of it can be compared by element.
type keyedList struct {
	keys  []string // in the list's order
	items map[string]any
}

func envName(v any) string {
	text, _ := v.(string)
	name, _, _ := strings.Cut(text, "=")
	return name
}

func itself(v any) string { text, _ := v.(string); return text }

func field(names ...string) func(any) string {
	return func(v any) string {
		m, _ := v.(map[string]any)
		var parts []string
		for _, n := range names {
			if x, ok := m[n]; ok && x != nil {
				parts = append(parts, fmt.Sprint(x))
			}
		}
		return strings.Join(parts, "/")
	}
}

// fileName names a reference to a secret or a config by the file that the container sees.
func fileName(v any) string {
	m, _ := v.(map[string]any)
	if f, ok := m["File"].(map[string]any); ok {
		if n, ok := f["Name"].(string); ok {
			return n
		}
	}
	return field("SecretName", "ConfigName")(v)
}

// keyedLists are the lists of a ServiceSpec whose elements have names (Docker Engine API, ServiceSpec).
var keyedLists = map[string]func(any) string{
	"TaskTemplate.ContainerSpec.Env":            envName,
	"TaskTemplate.ContainerSpec.Mounts":         field("Target"),
	"TaskTemplate.ContainerSpec.Secrets":        fileName,
	"TaskTemplate.ContainerSpec.Configs":        fileName,
	"TaskTemplate.ContainerSpec.Hosts":          itself,
	"TaskTemplate.ContainerSpec.CapabilityAdd":  itself,
	"TaskTemplate.ContainerSpec.CapabilityDrop": itself,
	"TaskTemplate.ContainerSpec.Groups":         itself,
	"TaskTemplate.Placement.Constraints":        itself,
	"TaskTemplate.Networks":                     field("Target"),
	"Networks":                                  field("Target"),
	"EndpointSpec.Ports":                        field("TargetPort", "Protocol", "PublishedPort"),
}

// keyed makes named lists of the lists that have names; path is where v is.
func keyed(v any, path string) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = keyed(e, dotJoin(path, k))
		}
		return out
	case []any:
		name := keyedLists[path]
		if name == nil {
			return v
		}
		l := &keyedList{items: make(map[string]any, len(x))}
		for _, e := range x {
			k := name(e)
			if _, twice := l.items[k]; twice || k == "" { // names that do not tell apart: compare the list as a whole
				return v
			}
			l.keys, l.items[k] = append(l.keys, k), e
		}
		return l
	}
	return v
}

func dotJoin(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// unkeyed makes plain JSON of it again.
func unkeyed(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = unkeyed(e)
		}
		return out
	case *keyedList:
		out := make([]any, 0, len(x.keys))
		for _, k := range x.keys {
			out = append(out, unkeyed(x.items[k]))
		}
		return out
	}
	return v
}

func (s Spec) keyedTree() map[string]any { return keyed(s.tree(), "").(map[string]any) } //nolint:forcetypeassert // an object stays one

// leaf is one value of a spec with the way to it.
type leaf struct {
	path  []string
	value any
}

// leaves are all values, by the way to them. What is empty (null, "", {}, [], false) is the same as not there, as the engine has it.
func (s Spec) leaves() map[string]leaf {
	out := map[string]leaf{}
	collect(s.keyedTree(), nil, out)
	return out
}

const pathSep = "\x00"

func collect(v any, path []string, out map[string]leaf) {
	switch x := v.(type) {
	case nil:
		return
	case map[string]any:
		for k, e := range x {
			collect(e, append(slices.Clip(path), k), out)
		}
		return
	case *keyedList:
		for _, k := range x.keys {
			collect(x.items[k], append(slices.Clip(path), k), out)
		}
		return
	case []any:
		if len(x) == 0 {
			return
		}
	case string:
		if x == "" {
			return
		}
	}
	if v == false && path[len(path)-1] != "Init" { // clients write false for what was left out; Init alone has a third state, the engine's own
		return
	}
	key := strings.Join(path, pathSep)
	if n, ok := v.(json.Number); ok && n.String() == "0" && zeroIsAbsent[key] {
		return
	}
	out[key] = leaf{path, v}
}

// zeroIsAbsent are the numbers that mean the same whether they are 0 or left out.
var zeroIsAbsent = map[string]bool{"TaskTemplate" + pathSep + "ForceUpdate": true, "TaskTemplate" + pathSep + "Placement" + pathSep + "MaxReplicas": true}

// put sets a value in a keyed tree, and with nil takes it out.
func put(root map[string]any, path []string, value any) {
	var at any = root
	dotted := ""
	for i, key := range path {
		dotted = dotJoin(dotted, key)
		last := i == len(path)-1
		switch x := at.(type) {
		case map[string]any:
			if last {
				if value == nil {
					delete(x, key)
				} else {
					x[key] = value
				}
				return
			}
			if !isContainer(x[key]) {
				if value == nil {
					return
				}
				x[key] = newContainer(dotted)
			}
			at = x[key]
		case *keyedList:
			if last || !isContainer(x.items[key]) {
				if value == nil {
					delete(x.items, key)
					x.keys = slices.DeleteFunc(x.keys, func(k string) bool { return k == key })
					return
				}
				if _, there := x.items[key]; !there {
					x.keys = append(x.keys, key)
				}
				if last {
					x.items[key] = value
					return
				}
				x.items[key] = map[string]any{}
			}
			at = x.items[key]
		}
	}
}

func isContainer(v any) bool {
	switch v.(type) {
	case map[string]any, *keyedList:
		return true
	}
	return false
}

func newContainer(dotted string) any {
	if keyedLists[dotted] != nil {
		return &keyedList{items: map[string]any{}}
	}
	return map[string]any{}
}

// prune takes elements of named lists out that have lost all their values.
func prune(v any) {
	switch x := v.(type) {
	case map[string]any:
		for _, e := range x {
			prune(e)
		}
	case *keyedList:
		x.keys = slices.DeleteFunc(x.keys, func(k string) bool {
			m, ok := x.items[k].(map[string]any)
			if !ok {
				return false
			}
			rest := map[string]leaf{}
			collect(m, nil, rest)
			if len(rest) > 0 {
				return false
			}
			delete(x.items, k)
			return true
		})
	}
}

// FieldChange is one value that differs between two specs.
type FieldChange struct {
	// Path is where it is in the ServiceSpec; elements of lists are named (an environment variable by its name, a mount by its target).
	Path []string
	// Field is the same in the docker command's words: "replicas", "image", "env LOG_LEVEL".
	Field string
	// Before and After are JSON values (string, json.Number, bool, or a list); nil: it was, or will be, not there.
	Before, After any
}

// Diff is what differs between two specs, the well-known fields first. Two specs that mean the same have none.
func Diff(before, after Spec) []FieldChange {
	a, b := before.leaves(), after.leaves()
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	var out []FieldChange
	for k := range maps.Keys(keys) {
		x, y := a[k], b[k]
		if same(x.value, y.value) {
			continue
		}
		path := x.path
		if path == nil {
			path = y.path
		}
		out = append(out, FieldChange{Path: path, Field: fieldName(path), Before: x.value, After: y.value})
	}
	slices.SortFunc(out, func(x, y FieldChange) int {
		if d := fieldRank(x.Path) - fieldRank(y.Path); d != 0 {
			return d
		}
		return slices.Compare(x.Path, y.Path)
	})
	return out
}

// Same tells whether two specs mean the same.
func Same(a, b Spec) bool { return a.raw == b.raw || len(Diff(a, b)) == 0 }

func same(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// Revert takes back what lies between before and after, and leaves alone what else has changed since: each field that still
// has its value of after gets its value of before. Fields that were changed again are conflicts, and are not touched; Before of a conflict is what
// it would be taken back to, After what it is now. A count of forced updates is not taken back: it only ever goes up.
func Revert(now, before, after Spec) (out Spec, conflicts []FieldChange) {
	current := now.leaves()
	root := now.keyedTree()
	for _, c := range Diff(before, after) {
		key := strings.Join(c.Path, pathSep)
		if isForce(c.Path) {
			continue
		}
		at := current[key].value
		switch {
		case same(at, c.Before): // taken back already
		case same(at, c.After):
			put(root, c.Path, c.Before)
		default:
			conflicts = append(conflicts, FieldChange{Path: c.Path, Field: c.Field, Before: c.Before, After: at})
		}
	}
	prune(root)
	return specOf(unkeyed(root).(map[string]any)), conflicts //nolint:forcetypeassert // an object stays one
}

func isForce(path []string) bool { return strings.Join(path, ".") == "TaskTemplate.ForceUpdate" }

// Restored is an earlier spec as it is gone back to: the count of forced updates goes on, and unless withReplicas the number of
// replicas stays what it is now.
func Restored(now, earlier Spec, withReplicas bool) Spec {
	out := earlier
	if n := now.ForceUpdate(); n > 0 || earlier.ForceUpdate() > 0 {
		out = out.with(json.Number(fmt.Sprint(n)), "TaskTemplate", "ForceUpdate")
	}
	n, replicated := now.Replicas()
	if _, was := earlier.Replicas(); replicated && was && !withReplicas {
		out = out.WithReplicas(n)
	}
	return out
}
