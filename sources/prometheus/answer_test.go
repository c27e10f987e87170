package prometheus

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func TestAnswers(t *testing.T) {
	f := newFake(t,
		rule{"scalar", `{"resultType":"scalar","result":[1795508477.25,"NaN"]}`},
		rule{"vector", vector(`{"__name__":"up","job":"a"} +Inf`, `{"job":"b"} -Inf`, `{} NaN`)},
		rule{"native", `{"resultType":"vector","result":[{"metric":{"a":"b"},"histogram":[1795508477,{"count":"12","sum":"3","buckets":[[0,"1","2","12"]]}]}]}`},
		rule{"mixed", `{"resultType":"matrix","result":[{"metric":{},"values":[[10,"1"],[30,"3"]],"histograms":[[20,{"count":"2","sum":"1","buckets":[]}],[40,{"count":"4","sum":"1","buckets":[]}]]}]}`},
	)
	f.paths["/warn/api/v1/query"] = `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["w"],"infos":["i"]}`
	c := f.client(t, Options{})
	ask := func(q string) sources.MetricsAnswer {
		t.Helper()
		a, err := c.Instant(t.Context(), q, time.Unix(1795508477, 0))
		if err != nil || a.Query != q {
			t.Fatalf("%s: %v", q, err)
		}
		return a
	}
	if a := ask("scalar"); len(a.Series) != 1 || !math.IsNaN(a.Series[0].Points[0].V) || a.Series[0].Points[0].T.UnixMilli() != 1795508477250 {
		t.Errorf("scalar: %+v", a)
	}
	a := ask("vector")
	if len(a.Series) != 3 || a.Series[0].Labels["__name__"] != "up" || !math.IsInf(a.Series[0].Points[0].V, 1) || !math.IsInf(a.Series[1].Points[0].V, -1) || len(a.Series[2].Labels) != 0 {
		t.Errorf("vector: %+v", a)
	}
	if a := ask("native"); a.Series[0].Points[0].V != 12 || len(a.Warnings) != 1 {
		t.Errorf("native histogram: %+v", a)
	}
	m, err := c.Range(t.Context(), "mixed", sources.Window{Start: time.Unix(10, 0), End: time.Unix(40, 0), Step: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range m.Series[0].Points {
		if p.V != float64(i+1) || p.T.Unix() != int64(10*(i+1)) {
			t.Errorf("point %d: %v", i, p)
		}
	}
	w, err := at(t, f.URL+"/warn").Instant(t.Context(), "x", time.Time{})
	if err != nil || strings.Join(w.Warnings, ",") != "w,i" {
		t.Errorf("warnings: %q %v", w.Warnings, err)
	}
}

func TestRangeTakesAStepWhereNoneIsGiven(t *testing.T) {
	f := newFake(t)
	_, err := f.client(t, Options{ScrapeInterval: 5 * time.Second}).Range(t.Context(), "up", sources.Window{Start: time.Unix(3, 0), End: time.Unix(3603, 0)})
	if err != nil {
		t.Fatal(err)
	}
	q := f.asked("up")[0]
	if q.Get("step") != "18" || q.Get("start") != "0" || q.Get("end") != "3600" || q.Get("timeout") != "14s" {
		t.Errorf("%v", q)
	}
}

// Whatever a server answers, it is an answer or an error with a way out, and never both or neither.
func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"status":"success","data":`+vector(`{"a":"b"} 1`)+`}`)
	f.Add(200, `{"status":"success","data":`+matrix(`{"a":"b"} 1 NaN +Inf`)+`}`)
	f.Add(200, `{"status":"success","data":{"resultType":"vector","result":[null,{"metric":null,"value":[]}]}}`)
	f.Add(200, `{"status":"success","data":{"resultType":"matrix","result":[null,{"values":[[1,"x"]],"histograms":[[1,null]]}]}}`)
	f.Add(200, `{"status":"success","data":{"groups":[{"rules":[{"type":"alerting","alerts":[null]},{"type":"recording"}]}],"activeTargets":[{"labels":null}]}}`)
	f.Add(200, `{"status":"success","data":null}`)
	f.Add(422, `{"status":"error","errorType":"execution","error":"too many samples"}`)
	f.Add(503, `{"errorType":"timeout","error":""}`)
	f.Add(200, ` <html>`)
	var status int
	var body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	f.Cleanup(s.Close)
	c, err := New(Options{Access: sources.Access{Address: s.URL}, ServiceLabel: "svc", ScrapeInterval: time.Second})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = c.Close() })
	f.Fuzz(func(t *testing.T, st int, b string) {
		if st < 200 || st > 599 || st == 204 || st/100 == 3 {
			t.Skip("carries no body, or sends elsewhere")
		}
		status, body = st, b
		check := func(what string, err error) {
			if err != nil && (sources.KindOf(err) == 0 || sources.NextOf(err) == "") {
				t.Errorf("%s: an error without a kind or a way out: %v", what, err)
			}
			if err == nil && st/100 != 2 {
				t.Errorf("%s: %d is no success", what, st)
			}
		}
		w := sources.Window{Start: time.Unix(0, 0), End: time.Unix(60, 0), Step: time.Second}
		_, err := c.Instant(t.Context(), "q", time.Time{})
		check("instant", err)
		_, err = c.Range(t.Context(), "q", w)
		check("range", err)
		_, err = c.Targets(t.Context())
		check("targets", err)
		_, err = c.Rules(t.Context())
		check("rules", err)
		_, err = c.NodeUsage(t.Context(), "cpu", time.Time{})
		check("nodes", err)
		rs, _ := c.Standard(t.Context(), "svc", w, "cpu", "p95")
		for _, r := range rs {
			if (len(r.Answer.Series) == 0) == (r.Reason == "") {
				t.Errorf("%s: %d series and the reason %q", r.Name, len(r.Answer.Series), r.Reason)
			}
		}
	})
}
