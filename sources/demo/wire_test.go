package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// request is a call's status and trimmed body.
func request(t testing.TB, method, address, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", string(b)))
}

// What the lab's Prometheus 2.42 and Loki 3.7.8 answer to the same questions, or what Loki's source says.
func TestErrorsAreTheRealOnes(t *testing.T) {
	p := start(t, Options{})
	loki, pr := p.LokiAddr()+"/loki/api/v1/", p.PrometheusURL()+"/api/v1/"
	q := url.QueryEscape
	foo := q(`{foo="a"}`)
	for address, want := range map[string]string{
		loki + "query_range?query=" + q(`{a="b"}`) + "&limit=6000":         "400 max entries limit per query exceeded, limit > max_entries_limit_per_query (6000 > 5000)",
		loki + "query_range?query=" + foo + "&limit=0":                     "400 limit must be a positive value",
		loki + "query_range?query=" + foo + "&limit=x":                     `400 strconv.Atoi: parsing "x": invalid syntax`,
		loki + "query_range?query=" + foo + "&direction=sideways":          "400 invalid direction 'sideways'",
		loki + "query_range?query=" + foo + "&start=x":                     `400 could not parse 'start' parameter: strconv.ParseInt: parsing "x": invalid syntax`,
		loki + "query_range?query=" + foo + "&since=x":                     `400 could not parse 'since' parameter: not a valid duration string: "x"`,
		loki + "query_range?query=" + foo + "&start=2000000000&end=1":      "400 end timestamp must not be before or equal to start time",
		loki + "query_range?query=" + foo + "&step=0":                      "400 zero or negative query resolution step widths are not accepted. Try a positive integer",
		loki + "query_range?query=" + foo + "&since=24h&step=1":            "400 exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter",
		loki + "query_range?query=" + foo + "&interval=-1":                 "400 interval must be >= 0",
		loki + "query_range?query=" + q(`{foo="bar"`):                      "400 parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,",
		loki + "query_range?query=" + q(`{foo="a"} |= `):                   "400 parse error at line 1, col 14: syntax error: unexpected $end, expecting STRING or ip",
		loki + "query_range?query=" + q(`{foo="a"} | nope`):                "400 parse error at line 1, col 17: syntax error: unexpected $end",
		loki + "query_range?query=" + q(`sum(count_over_time({foo="a"}))`): "400 parse error at line 1, col 30: syntax error: unexpected )",
		loki + "query_range?query=":                                        "400 parse error : syntax error: unexpected $end",
		loki + "query_range?query=" + q(`{foo=~".*"}`):                     `400 parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, app=~".*" does not meet this requirement, but app=~".+" will`,
		loki + "query?query=" + foo:                                        "400 log queries are not supported as an instant query type, please change your query to a range query type",
		loki + "series":                                                    "400 0 matcher groups supplied",
		loki + "tail?query=" + foo + "&delay_for=9":                        "400 delay_for can't be greater than 5",
		loki + "tail?query=" + foo + "&delay_for=-1":                       "400 delay_for value -1 is out of range [0, 4294967295]",
		loki + "nothing":                                       "404 404 page not found",
		p.LokiAddr() + "/ready":                                "200 ready",
		pr + "query?query=" + q("sum("):                        `400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis"}`,
		pr + "query_range?query=up&start=0&end=1000000&step=1": `400 {"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"}`,
		pr + "query_range?query=up&start=2&end=1&step=1":       `400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"end\": end timestamp must not be before start time"}`,
		pr + "query_range?query=up&start=1&end=2&step=0":       `400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"}`,
		pr + "query?query=up&time=x":                           `400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": Invalid time value for 'time': cannot parse \"x\" to a valid timestamp"}`,
		pr + "query?query=nothing":                             `200 {"status":"success","data":{"resultType":"vector","result":[]}}`,
		pr + "query?query=" + q("up * on(job) up"):             `422 {"status":"error","errorType":"execution","error":"found duplicate series for the match group {job=\"node-exporter\"} on the right hand-side of the operation: [{__name__=\"up\", instance=\"10.20.0.12:9100\", job=\"node-exporter\", node=\"node2\"}, {__name__=\"up\", instance=\"10.20.0.11:9100\", job=\"node-exporter\", node=\"node1\"}];many-to-many matching not allowed: matching labels must be unique on one side"}`,
		pr + "series":                   `400 {"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}`,
		pr + "query?query=up&timeout=0": `503 {"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`,
	} {
		got := request(t, http.MethodGet, address, "")
		if strings.HasPrefix(want, "422") || strings.HasPrefix(want, "503") { // the details hang on the order of things
			got, want = got[:min(len(got), 60)], want[:60]
		}
		if got != want {
			t.Errorf("%s\n got %.400s\nwant %s", address, got, want)
		}
	}
	for _, address := range []string{loki + "labels", pr + "query"} {
		if got := request(t, http.MethodDelete, address, ""); !strings.HasPrefix(got, "405") {
			t.Errorf("DELETE %s: %s", address, got)
		}
	}
}

type logsJSON struct {
	Data struct {
		Result []struct{ Values [][2]string }
	}
}

// times is the times of all lines, in the order of the answer.
func (l *logsJSON) times() (out []string) {
	for _, s := range l.Data.Result {
		for _, v := range s.Values {
			out = append(out, v[0])
		}
	}
	return out
}

// limit, direction and since decide which lines of a range come.
func TestLokiRanges(t *testing.T) {
	p := start(t, Options{})
	base := p.LokiAddr() + "/loki/api/v1/query_range?query=" + url.QueryEscape(`{swarm_service="shop_web", source="stdout"} | detected_level="info" | keep swarm_service`)
	end := time.Now().Add(-time.Minute).UnixNano()
	window := fmt.Sprintf("&start=%d&end=%d", end-60e9, end)
	whole := ask[logsJSON](t, base+window+"&limit=5000&direction=forward")
	all := whole.times()
	if len(all) < 50 {
		t.Fatalf("%d lines in a minute", len(all))
	}
	oldest, newest := ask[logsJSON](t, base+window+"&limit=7&direction=forward"), ask[logsJSON](t, base+window+"&limit=7")
	if got := fmt.Sprint(oldest.times()); got != fmt.Sprint(all[:7]) {
		t.Errorf("forward: %s, want %v", got, all[:7])
	}
	for i, at := range newest.times() {
		if want := all[len(all)-1-i]; at != want {
			t.Errorf("backward %d: %s, want %s", i, at, want)
		}
	}
	if n := len(ask[logsJSON](t, base+window).Data.Result[0].Values); n != 100 && n != len(all) {
		t.Errorf("the default limit gave %d of %d lines", n, len(all))
	}
	since := ask[logsJSON](t, base+fmt.Sprintf("&since=30s&end=%d&limit=5000&direction=forward", end))
	got := since.times()
	if first := fmt.Sprint(end - 30e9); len(got) == 0 || got[0] < first || len(got) >= len(all) {
		t.Errorf("since 30s: %d of %d lines, from %v", len(got), len(all), got[:1])
	}
}

// dial opens a tail.
func dial(t *testing.T, p *Platform, query string) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, strings.Replace(p.LokiAddr(), "http", "ws", 1)+"/loki/api/v1/tail?query="+query, nil) //nolint:bodyclose // a WebSocket has none
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	return conn, ctx
}

// batch reads one answer of a tail: how many lines, and their first and last time.
func batch(t *testing.T, ctx context.Context, conn *websocket.Conn) (times []string) { //nolint:revive // t goes first in a test
	t.Helper()
	_, raw, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Streams []struct{ Values [][2]string }
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Streams {
		for _, v := range s.Values {
			times = append(times, v[0])
		}
	}
	return times
}

func TestTailFollowsAndIsCut(t *testing.T) {
	p := start(t, Options{})
	conn, ctx := dial(t, p, url.QueryEscape(`{swarm_service="shop_api"} |= "burst"`))
	if err := p.Burst("shop_api", 150); err != nil {
		t.Fatal(err)
	}
	for seen := 0; seen < 150; {
		n := len(batch(t, ctx, conn))
		if seen += n; n > 100 {
			t.Errorf("%d entries in a batch", n)
		}
	}
	p.DropConnections()
	if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the tail lives on: %v", err)
	}
}

// limit bounds the look-back to its newest lines, start says how far back it goes, delay_for holds lines back.
func TestTailLookBack(t *testing.T) {
	p := start(t, Options{})
	q := url.QueryEscape(`{swarm_service="shop_web"}`)
	began := time.Now()
	conn, ctx := dial(t, p, q+"&limit=5")
	if got := batch(t, ctx, conn); len(got) != 5 || got[0] < fmt.Sprint(began.Add(-time.Minute).UnixNano()) {
		t.Errorf("limit 5: %v", got)
	}
	began = time.Now()
	conn, ctx = dial(t, p, q+fmt.Sprintf("&limit=5000&start=%d", began.Add(-10*time.Second).UnixNano()))
	if got := batch(t, ctx, conn); len(got) == 0 || got[0] < fmt.Sprint(began.Add(-10*time.Second).UnixNano()) {
		t.Errorf("start ten seconds ago: %d lines", len(got))
	}
	conn, ctx = dial(t, p, q+fmt.Sprintf("&delay_for=2&start=%d", time.Now().UnixNano()))
	first := batch(t, ctx, conn)
	if late := time.Now().Add(-2 * time.Second).UnixNano(); len(first) == 0 || first[0] > fmt.Sprint(late) {
		t.Errorf("a line of %v came before its two seconds had passed", first)
	}
}

// The eleventh tail is closed with 1011 and Loki's words; when one ends, there is room again.
func TestTailLimit(t *testing.T) {
	p := start(t, Options{})
	q := url.QueryEscape(`{swarm_service="shop_web"}`)
	var conns []*websocket.Conn
	for range 10 {
		conn, _ := dial(t, p, q)
		conns = append(conns, conn)
	}
	conn, ctx := dial(t, p, q)
	_, _, err := conn.Read(ctx)
	if websocket.CloseStatus(err) != websocket.StatusInternalError || !strings.Contains(fmt.Sprint(err), "max concurrent tail requests limit exceeded, count > limit (11 > 10)") {
		t.Errorf("the eleventh: %v", err)
	}
	_ = conns[0].CloseNow()
	eventually(t, "room for one more", func() bool {
		conn, ctx := dial(t, p, q)
		defer func() { _ = conn.CloseNow() }()
		_, _, err := conn.Read(ctx)
		return err == nil
	})
}

func TestSilences(t *testing.T) {
	p := start(t, Options{})
	type alert struct {
		Labels map[string]string
		Status struct{ State string }
	}
	list := func() []alert { return ask[[]alert](t, p.AlertmanagerURL()+"/api/v2/alerts") }
	if err := p.StartScenario("certificate-expiring"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the certificate's alert", func() bool { return len(list()) > 0 })
	base := p.AlertmanagerURL() + "/api/v2/"
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	body := func(id, value, from, to string) string {
		return fmt.Sprintf(`{"id":%q,"matchers":[{"name":"alertname","value":%q,"isRegex":true}],"startsAt":%q,"endsAt":%q,"createdBy":"t","comment":"t"}`, id, value, from, to)
	}
	post := func(b string) string {
		var out struct{ SilenceID string }
		got := request(t, http.MethodPost, base+"silences", b)
		if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "200 ")), &out); err != nil {
			t.Fatalf("%s: %s", b, got)
		}
		return out.SilenceID
	}
	type silence struct {
		ID, StartsAt string
		Status       struct{ State string }
	}
	first := post(body("", "Cert.*", at(0), at(time.Hour)))
	if got := list(); len(got) != 1 || got[0].Status.State != "suppressed" {
		t.Errorf("%v", got)
	}
	if n := len(ask[[]alert](t, base+"alerts?silenced=false")); n != 0 {
		t.Errorf("silenced=false: %d", n)
	}
	s := ask[silence](t, base+"silence/"+first)
	if same := post(body(first, "Cert.*", s.StartsAt, at(2*time.Hour))); same != first {
		t.Error("a longer end made another silence")
	}
	second := post(body(first, "Node.*", at(0), at(time.Hour)))
	if second == first || ask[silence](t, base+"silence/"+first).Status.State != "expired" || list()[0].Status.State != "active" {
		t.Error("other matchers must end the old silence and make a new one")
	}
	if got := ask[[]silence](t, base+"silences?filter="+url.QueryEscape(`alertname="Node.*"`)); len(got) != 1 || got[0].ID != second {
		t.Errorf("filtered: %v", got)
	}
	unknown := "00000000-0000-4000-8000-000000000000"
	for call, want := range map[string]string{
		"DELETE silence/" + second:  "200",
		"GET silence/" + unknown:    "404",
		"DELETE silence/" + unknown: "404",
		"GET silence/nope":          `422 {"code":601,"message":"silenceID in path must be of type uuid: \"nope\""}`,
		"GET alerts?filter=%3D%3D":  `400 "bad matcher format: =="`,
		"GET nope":                  `404 {"code":404,"message":"path /api/v2/nope was not found"}`,
		"POST silences " + "{}":     `422 {"code":602,"message":"comment in body is required"}`,
		"POST silences " + "{":      `400 "parsing silence body from \"\" failed, because unexpected end of JSON input"`,
		"POST silences " + body(unknown, "x", at(0), at(time.Hour)):        `404 "silence not found"`,
		"POST silences " + body("", "x", at(-2*time.Hour), at(-time.Hour)): `400 "Failed to create silence: end time can't be in the past"`,
		"POST silences " + body("", "x", at(time.Hour), at(time.Minute)):   `400 "Failed to create silence: start time must be before end time"`,
		"POST silences " + body("", ".*", at(0), at(time.Hour)):            `400 "invalid silence: at least one matcher must not match the empty string"`,
	} {
		method, rest, _ := strings.Cut(call, " ")
		path, b, _ := strings.Cut(rest, " ")
		if got := request(t, method, base+path, b); got != want {
			t.Errorf("%s\n got %s\nwant %s", call, got, want)
		}
	}
}
