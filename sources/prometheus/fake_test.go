package prometheus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
)

// fake is a server that answers queries by the first rule whose text is part of the query. It keeps what it was asked.
type fake struct {
	*httptest.Server
	rules []rule
	paths map[string]string // other paths and their whole answers

	mu      sync.Mutex
	queries []url.Values
	now, up int // requests under way, and the most there ever were
	// hold, where set, keeps every request until it is closed; arrived then tells of each.
	hold, arrived chan struct{}
}

// rule: data is the answer's data, or "bad_data: " and why the query is refused.
type rule struct{ part, data string }

func newFake(t *testing.T, rules ...rule) *fake {
	t.Helper()
	f := &fake{rules: rules, paths: map[string]string{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) client(t *testing.T, o Options) *Client {
	t.Helper()
	o.Access.Address = f.URL
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	f.mu.Lock()
	f.queries = append(f.queries, r.Form)
	f.now++
	f.up = max(f.up, f.now)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.now--; f.mu.Unlock() }()
	if f.hold != nil {
		if f.arrived != nil {
			f.arrived <- struct{}{}
		}
		select {
		case <-f.hold:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	f.mu.Lock()
	body, ok := f.paths[r.URL.Path]
	rules := f.rules
	f.mu.Unlock()
	if ok {
		_, _ = w.Write([]byte(body))
		return
	}
	for _, rule := range rules {
		if strings.Contains(r.Form.Get("query"), rule.part) {
			if msg, ok := strings.CutPrefix(rule.data, "bad_data: "); ok {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":%q}`, msg)
				return
			}
			_, _ = fmt.Fprintf(w, `{"status":"success","data":%s}`, rule.data)
			return
		}
	}
	kind := "vector"
	if strings.HasSuffix(r.URL.Path, "query_range") {
		kind = "matrix"
	} else if !strings.HasSuffix(r.URL.Path, "query") {
		http.NotFound(w, r)
		return
	}
	_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":[]}}`, kind)
}

func (f *fake) asked(part string) []url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []url.Values
	for _, q := range f.queries {
		if strings.Contains(q.Get("query"), part) {
			out = append(out, q)
		}
	}
	return out
}

// vector makes an instant answer of rows `{labels} value`.
func vector(rows ...string) string {
	out := make([]string, len(rows))
	for i, r := range rows {
		ls, v, _ := strings.Cut(r, "} ")
		out[i] = fmt.Sprintf(`{"metric":%s},"value":[1795508477.5,%q]}`, ls, v)
	}
	return `{"resultType":"vector","result":[` + strings.Join(out, ",") + `]}`
}

// matrix makes a range answer of rows `{labels} value value …`, 15 s apart.
func matrix(rows ...string) string {
	out := make([]string, len(rows))
	for i, r := range rows {
		ls, vs, _ := strings.Cut(r, "} ")
		var points []string
		for j, v := range strings.Fields(vs) {
			points = append(points, fmt.Sprintf(`[%d,%q]`, 1795508475+15*j, v))
		}
		out[i] = fmt.Sprintf(`{"metric":%s},"values":[%s]}`, ls, strings.Join(points, ","))
	}
	return `{"resultType":"matrix","result":[` + strings.Join(out, ",") + `]}`
}

const swarmLabel = "container_label_com_docker_swarm_service_name"

// labelled is what the discovery sees of two services.
var labelled = rule{"count by (job, ", vector(
	`{"job":"cadvisor","`+swarmLabel+`":"shop_web"} 4`, `{"job":"cadvisor","`+swarmLabel+`":"shop_db"} 2`, `{"job":"cadvisor"} 3`)}

func lastQuarter() sources.Window {
	now := time.Now()
	return WindowFor(now.Add(-15*time.Minute), now, 100, DefaultScrape)
}

func benchClient(b *testing.B, f *fake) (*Client, func()) {
	b.Helper()
	f.Server = httptest.NewServer(f)
	c, err := New(Options{Access: sources.Access{Address: f.URL}, ScrapeInterval: DefaultScrape})
	if err != nil {
		b.Fatal(err)
	}
	return c, func() { _ = c.Close(); f.Close() }
}
