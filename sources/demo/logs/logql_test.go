package logs

import (
	"testing"
	"time"
)

func TestPipeline(t *testing.T) {
	line := `level=error status=502 duration=1.5s size=3KB msg="it broke"`
	for q, want := range map[string]bool{
		`{a="b"} |= "broke" != "fine"`:                        true,
		`{a="b"} |= "nope" or "broke"`:                        true,
		`{a="b"} != "nope" or "broke"`:                        false,
		`{a="b"} |~ "(?i)IT B" !~ "x{3}"`:                     true,
		`{a="b"} | logfmt | level="error"`:                    true,
		`{a="b"} | logfmt | status >= 500 and duration > 1s`:  true,
		`{a="b"} | logfmt | status < 500 or duration > 2s`:    false,
		`{a="b"} | logfmt | size > 2KB, status = 502`:         true,
		`{a="b"} | logfmt | (status=200 or level=~"err.*")`:   true,
		`{a="b"} | json | __error__=""`:                       false,
		`{a="b"} | regexp "status=(?P<code>\\d+)" | code=502`: true,
		`{a="b"} | detected_level="error"`:                    true,
	} {
		p, err := ParseQuery(q)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		r := row{line: line, stream: map[string]string{"a": "b", "detected_level": "error"}}
		if got := p.run(&r); got != want {
			t.Errorf("%s: %v", q, got)
		}
	}
}

func TestRewrite(t *testing.T) {
	for in, want := range map[string]string{
		`sum by (x) (rate({a="b"} |= "c" [5m]))`:                              ` sum by ( x ) ( (sum_over_time(__l0[300000ms]) / 300)  )`,
		`quantile_over_time(0.9, {a="b"} | logfmt | unwrap duration(d) [1m])`: ` quantile_over_time(0.9, __l0[60000ms]) `,
	} {
		got, r, err := rewrite(in)
		if err != nil || got != want || len(r) != 1 {
			t.Errorf("%s\n got %q %v\nwant %q", in, got, err, want)
		}
	}
	if _, _, err := rewrite(`sum_over_time({a="b"}[1m])`); err == nil {
		t.Error("sum_over_time without unwrap was taken")
	}
}

func FuzzLogQL(f *testing.F) {
	for _, s := range []string{`{a="b"} |= "c" | json | d > 5m or e=~"x"`, `sum by (a) (rate({a=~".+"} | logfmt [5m] offset 1m))`, "{a=`b`} | regexp \"(?P<x>.)\"", `topk(3, sum(count_over_time({a="b"}[1h])))`, `{`, `rate(`, `{a="b"} | logfmt --strict`, `quantile_over_time(`} {
		f.Add(s, `level=error msg="x" n=5`)
	}
	f.Fuzz(func(t *testing.T, in, line string) {
		begun := time.Now()
		if q, err := ParseQuery(in); err == nil {
			r := row{line: line, stream: map[string]string{"a": "b"}}
			q.run(&r)
		}
		if text, ranges, err := rewrite(in); err == nil && len(ranges) > 0 && text == "" {
			t.Errorf("%q became nothing", in)
		}
		if time.Since(begun) > 5*time.Second {
			t.Errorf("%q took too long", in)
		}
	})
}
