package alerts

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual *bool  `json:"isEqual,omitempty"`
	re      *regexp.Regexp
}

func (m *matcher) matches(v string) bool {
	hit := v == m.Value
	if m.IsRegex && m.re != nil {
		hit = m.re.MatchString(v)
	}
	return hit == (m.IsEqual == nil || *m.IsEqual)
}

func matchesAll(ms []matcher, l map[string]string) bool {
	for i := range ms {
		if !ms[i].matches(l[ms[i].Name]) {
			return false
		}
	}
	return true
}

// concerns tells whether a silence passes a filter: its matchers are taken for labels, as Alertmanager does.
func (x *silence) concerns(filter []matcher) bool {
	l := map[string]string{}
	for i := range x.Matchers {
		l[x.Matchers[i].Name] = x.Matchers[i].Value
	}
	return matchesAll(filter, l)
}

func sameMatchers(a, b []matcher) bool {
	return slices.EqualFunc(a, b, func(x, y matcher) bool {
		return x.Name == y.Name && x.Value == y.Value && x.IsRegex == y.IsRegex && (x.IsEqual == nil || *x.IsEqual) == (y.IsEqual == nil || *y.IsEqual)
	})
}

var filterForm = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*$`)

// parseFilters reads filter=name="value".
func parseFilters(r *http.Request) ([]matcher, error) {
	var out []matcher
	for _, f := range r.URL.Query()["filter"] {
		f = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(f), "{"), "}")
		p := filterForm.FindStringSubmatch(f)
		if p == nil {
			return nil, fmt.Errorf("bad matcher format: %s", f)
		}
		equal := p[2][0] == '='
		m := matcher{Name: p[1], Value: p[3], IsRegex: strings.HasSuffix(p[2], "~"), IsEqual: &equal}
		if v, err := strconv.Unquote(p[3]); err == nil {
			m.Value = v
		}
		if err := m.compile(); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (m *matcher) compile() (err error) {
	if m.IsRegex {
		m.re, err = regexp.Compile("^(?:" + m.Value + ")$")
	}
	return err
}
