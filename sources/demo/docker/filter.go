package docker

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// filters is the decoded "filters" parameter: a name's values are alternatives, names add up.
type filters map[string][]string

// parseFilters reads {"name":{"value":true}} and the older {"name":["value"]}.
func parseFilters(q url.Values, known ...string) (filters, error) {
	f := filters{}
	raw := q.Get("filters")
	if raw == "" {
		return f, nil
	}
	var sets map[string]map[string]bool
	if err := json.Unmarshal([]byte(raw), &sets); err == nil {
		for name, values := range sets {
			for v, on := range values {
				if on {
					f[name] = append(f[name], v)
				}
			}
		}
	} else if err := json.Unmarshal([]byte(raw), (*map[string][]string)(&f)); err != nil {
		return nil, problem{http.StatusBadRequest, "invalid filter"}
	}
	for name := range f {
		if !slices.Contains(known, name) {
			return nil, problem{http.StatusBadRequest, "invalid filter '" + name + "'"}
		}
	}
	return f, nil
}

// is tells whether one of the values equals one of the wanted.
func (f filters) is(name string, values ...string) bool {
	want, asked := f[name]
	if !asked {
		return true
	}
	for _, v := range values {
		if slices.Contains(want, v) {
			return true
		}
	}
	return false
}

// starts tells whether a value begins with one of the wanted, as ids and names in swarm's lists do.
func (f filters) starts(name string, values ...string) bool {
	want, asked := f[name]
	if !asked {
		return true
	}
	for _, w := range want {
		for _, v := range values {
			if strings.HasPrefix(v, w) {
				return true
			}
		}
	}
	return false
}

// labels tells whether all wanted labels, "key" or "key=value", are there.
func (f filters) labels(name string, have map[string]string) bool {
	for _, w := range f[name] {
		key, value, valued := strings.Cut(w, "=")
		got, ok := have[key]
		if !ok || valued && got != value {
			return false
		}
	}
	return true
}
