package loki

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"quarterdeck/sources"
)

// Whatever the user types ends up inside its string: the query's tokens are those of the same query with
// a harmless text, and the string means what was typed.
func FuzzBuild(f *testing.F) {
	for _, s := range []string{"", "web", "`", `"`, `\`, "a`b\"c\\d", `"} or {a="b`, "\n| json #", "x|y.*", "\x00\xff\r\n", "\ufeff`", "(", "世界", `\d+\`, "a\\`"} {
		f.Add(s, s, s)
	}
	c, err := New(Options{Access: sources.Access{Address: "http://l"}})
	if err != nil {
		f.Fatal(err)
	}
	plain := tokens(c.Explain(sources.LogQuery{Services: []string{"a", "b"}, Stack: "s", Tasks: []string{"t"}, Contains: "c", Regexp: "r", Exclude: "e"}))
	f.Fuzz(func(t *testing.T, service, text, pattern string) {
		if service == "" || text == "" || pattern == "" {
			return
		}
		q := sources.LogQuery{Services: []string{service, "b"}, Stack: service, Tasks: []string{service}, Contains: text, Regexp: pattern, Exclude: pattern}
		l, err := c.build(q)
		if err != nil {
			if _, e := regexp.Compile(pattern); e == nil || sources.KindOf(err) != sources.BadQuestion {
				t.Fatal(err)
			}
			return
		}
		got := tokens(l.String())
		if got.shape != plain.shape {
			t.Fatalf("another query: %s", l)
		}
		if got.strings[3] != text || got.strings[4] != pattern || got.strings[5] != pattern || got.strings[1] != service {
			t.Fatalf("another text: %q of %s", got.strings, l)
		}
		if utf8.ValidString(service) {
			re, err := regexp.Compile("^(?:" + got.strings[0] + ")$")
			if err != nil || !re.MatchString(service) || !re.MatchString("b") || re.MatchString(service+"x") && service+"x" != "b" {
				t.Fatalf("%q does not match %q", got.strings[0], service)
			}
		}
	})
}

type lexed struct {
	shape   string
	strings []string
}

// tokens takes a query's strings out, by LogQL's rules, which are Go's.
func tokens(q string) lexed {
	var l lexed
	for i := 0; i < len(q); {
		if q[i] != '"' && q[i] != '`' {
			l.shape += string(q[i])
			i++
			continue
		}
		p, err := strconv.QuotedPrefix(q[i:])
		if err != nil {
			l.shape += "broken: " + q[i:]
			return l
		}
		s, err := strconv.Unquote(p)
		if err != nil {
			l.shape += "broken: " + p
			return l
		}
		l.strings = append(l.strings, s)
		l.shape += "S"
		i += len(p)
	}
	return l
}

// No bytes make the decoder fall over, and what it reads is what encoding/json reads.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"status":"success","data":{"resultType":"streams","result":[{"stream":{"a":"b"},"values":[["1","x"],["2","y",{"structuredMetadata":{"l":"i"}}]]}]}}`,
		`{"data":{"result":[{"values":[["1","x"]],"stream":{}}]}}`, `{"data":{"result":null}}`, `[]`, `{`, `{"data":{"result":[{"stream":{},"values":[["1"`,
		`{"streams":[{"stream":{"a":"\ud800\u0000"},"values":[["-1","\xff"]]}],"dropped_entries":[{}]}`, `{"status":1}`, `{"data":{"resultType":"matrix","result":[1]}}`,
		`{"data":{"result":[{"stream":{"a":1},"values":[]}]}}`, `{"data":{"result":[{"values":[["1","x"]]}]}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := newInterner(Labels{Service: "a"})
		_, _ = decodeFrame([]byte(s), n)
		a, err := decodeAnswer(strings.NewReader(s), n, nil)
		if err != nil || !utf8.ValidString(s) {
			return
		}
		for _, r := range a.rows {
			if r.from == nil || r.from.stream == nil {
				t.Fatal("a row of no stream")
			}
		}
	})
}

// What a decoder read agrees with encoding/json's reading of the same answer.
func TestDecodeAgrees(t *testing.T) {
	s := sampleAnswer(500)
	a, err := decodeAnswer(strings.NewReader(s), newInterner(Labels{Service: "swarm_service"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Data struct {
			Result []struct {
				Stream map[string]string
				Values [][]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal([]byte(s), &want); err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, st := range want.Data.Result {
		for _, v := range st.Values {
			var ts, line string
			if json.Unmarshal(v[0], &ts) != nil || json.Unmarshal(v[1], &line) != nil {
				t.Fatal("sample")
			}
			if r := a.rows[i]; nano(r.t) != ts || r.line != line || r.from.stream.Service != st.Stream["swarm_service"] {
				t.Fatalf("row %d: %+v", i, r)
			}
			i++
		}
	}
	if i != len(a.rows) || a.kind != "streams" || a.status != "success" {
		t.Fatalf("%d rows of %d, %+v", len(a.rows), i, a.kind)
	}
}

// sampleAnswer is an answer of n lines of ten streams as Loki writes them.
func sampleAnswer(n int) string {
	var b strings.Builder
	b.WriteString(`{"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[`)
	for s := range 10 {
		if s > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"stream":{"container_name":"shop_web.%d.%s","host":"node1","service_name":"shop_web","source":"stdout","swarm_service":"shop_web","swarm_stack":"shop"},"values":[`, s, taskA)
		for i := range n / 10 {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `["%d","time=2026-11-24T08:00:00Z level=info msg=\"request served\" method=GET path=/cart status=200 took=%dms user=\"jane doe\" id=%d",{"structuredMetadata":{"detected_level":"info"}}]`, 1795509108526616083+int64(i*10+s), i%300, i)
		}
		b.WriteString("]}")
	}
	b.WriteString(`],"stats":{"summary":{"bytesProcessedPerSecond":66837}}}}`)
	return b.String()
}

// BenchmarkDecode reads a page of 5,000 lines.
func BenchmarkDecode(b *testing.B) {
	s, n := sampleAnswer(defaultPage), newInterner(Labels{Service: "swarm_service"})
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		a, err := decodeAnswer(io.Reader(strings.NewReader(s)), n, make([]row, 0, defaultPage))
		if err != nil || len(a.rows) != defaultPage {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*defaultPage/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkDecodeStandard is the same with encoding/json, to compare with.
func BenchmarkDecodeStandard(b *testing.B) {
	s := []byte(sampleAnswer(defaultPage))
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		var a struct {
			Data struct {
				Result []struct {
					Stream map[string]string   `json:"stream"`
					Values [][]json.RawMessage `json:"values"`
				} `json:"result"`
			} `json:"data"`
		}
		if err := json.Unmarshal(s, &a); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAccept takes 5,000 new lines and meets them again twice, as the overlap makes it.
func BenchmarkAccept(b *testing.B) {
	n := newInterner(Labels{Service: "swarm_service"})
	a, err := decodeAnswer(strings.NewReader(sampleAnswer(defaultPage)), n, nil)
	if err != nil {
		b.Fatal(err)
	}
	sortRows(a.rows)
	for b.Loop() {
		s := newSeen(0)
		for range 3 {
			s.begin()
			for _, r := range a.rows {
				s.add(r)
			}
		}
	}
}
