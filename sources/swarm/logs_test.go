package swarm_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

func frame(stream byte, payload string) string {
	head := make([]byte, 8)
	head[0] = stream
	binary.BigEndian.PutUint32(head[4:], uint32(len(payload)))
	return string(head) + payload
}

func logged(at time.Time, text string) string {
	return frame(1, fmt.Sprintf("%s com.docker.swarm.node.id=n1,com.docker.swarm.service.id=id-web,com.docker.swarm.task.id=task-web-1 %s\n", at.UTC().Format(time.RFC3339Nano), text))
}

// withLogs answers for the log of web.
func withLogs(f *fakeEngine, then func(w http.ResponseWriter, r *http.Request)) {
	f.setOverride(at("/services/id-web/logs", func(w http.ResponseWriter, r *http.Request, _ string) bool {
		then(w, r)
		return true
	}))
}

func TestQueryFiltersWhatDockerCannot(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	now := time.Now()
	withLogs(f, func(w http.ResponseWriter, _ *http.Request) {
		for i, text := range []string{"level=info msg=start", "level=error msg=boom", "level=error msg=quiet", "level=warn msg=hm", "level=error msg=late"} {
			fmt.Fprint(w, logged(now.Add(time.Duration(i-10)*time.Second), text))
		}
	})
	l := sut.NewLogs(f.client(t, sut.Options{}))
	page, err := l.Query(t.Context(), sources.LogQuery{Services: []string{"web"}, Contains: "msg", Regexp: "boom|late|quiet", Exclude: "quiet",
		Levels: []sources.Level{sources.LevelError}, Until: now.Add(-6 * time.Second)})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Line != "level=error msg=boom" || page.Entries[0].Level != sources.LevelError {
		t.Fatalf("%+v, %v", page, err)
	}
	if s := page.Entries[0].Stream; s.Node != "node1" || s.Stack != "shop" || s.Task != "task-web-1" {
		t.Errorf("stream %+v", s)
	}
	points, err := l.Volume(t.Context(), sources.LogQuery{Services: []string{"web"}, Since: now.Add(-20 * time.Second), Until: now}, 10*time.Second)
	if err != nil || len(points) != 2 || points[1].Counts[sources.LevelError] != 3 {
		t.Errorf("volume %+v, %v", points, err)
	}
}

func TestQuestionsThatDockerCannotAnswer(t *testing.T) {
	t.Parallel()
	l := sut.NewLogs(newFake(t).client(t, sut.Options{}))
	ask := func(q sources.LogQuery) error { _, err := l.Query(t.Context(), q); return err }
	_, rates := l.Rates(t.Context(), time.Now(), time.Minute)
	_, volume := l.Volume(t.Context(), sources.LogQuery{}, time.Minute)
	for what, c := range map[string]struct {
		err  error
		kind sources.Kind
	}{
		"LogQL":         {ask(sources.LogQuery{Expr: `{a="b"}`}), sources.BadQuestion},
		"a bad regexp":  {ask(sources.LogQuery{Regexp: "("}), sources.BadQuestion},
		"a bad exclude": {ask(sources.LogQuery{Exclude: "("}), sources.BadQuestion},
		"no service":    {ask(sources.LogQuery{Services: []string{"nope"}}), sources.NotFound},
		"no task":       {ask(sources.LogQuery{Tasks: []string{"nope"}}), sources.NotFound},
		"rates":         {rates, sources.NotFound},
		"all volume":    {volume, sources.NotFound},
	} {
		if sources.KindOf(c.err) != c.kind || sources.NextOf(c.err) == "" {
			t.Errorf("%s: %v", what, c.err)
		}
	}
}

func TestAPartOfTheLogsComesWithItsGap(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	withLogs(f, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, logged(time.Now().Add(-time.Second), "one"))
		fmt.Fprint(w, frame(3, "Error grabbing logs: task x: configured logging driver does not support reading\n"))
	})
	l := sut.NewLogs(f.client(t, sut.Options{}))
	page, err := l.Query(t.Context(), sources.LogQuery{Services: []string{"web"}})
	if err != nil || len(page.Entries) != 1 || len(page.Gaps) != 1 || !strings.Contains(page.Gaps[0].Reason, "log driver") {
		t.Fatalf("%+v, %v", page, err)
	}
	withLogs(f, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	page, err = l.Query(t.Context(), sources.LogQuery{Services: []string{"web"}})
	if sources.KindOf(err) != sources.Forbidden || len(page.Gaps) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	withLogs(f, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "\x01\x00\x00\x00\xff\xff\xff\xff") })
	if _, err = l.Query(t.Context(), sources.LogQuery{Services: []string{"web"}}); sources.KindOf(err) != sources.BadAnswer {
		t.Fatalf("garbage: %v", err)
	}
}

func TestFollowTellsRepeatsFromDoubles(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	start := time.Now()
	var opened atomic.Int32
	withLogs(f, func(w http.ResponseWriter, r *http.Request) {
		n := opened.Add(1)
		if n == 1 && r.URL.Query().Get("tail") != "0" || n > 1 && r.URL.Query().Get("since") == "" {
			t.Errorf("opening %d asks %s", n, r.URL.RawQuery)
		}
		fmt.Fprint(w, logged(start, "same"), logged(start, "same")) // a real repeat: twice in one moment
		if n > 1 {
			fmt.Fprint(w, logged(start, "same"), logged(start.Add(time.Second), "end"))
		}
		w.(http.Flusher).Flush()
		if n > 1 {
			<-r.Context().Done()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var lines []string
	states := map[sources.State]bool{}
	err := sut.NewLogs(f.client(t, sut.Options{})).Follow(ctx, sources.LogQuery{Services: []string{"web"}}, func(b sources.LogBatch) {
		if b.Status != nil {
			states[b.Status.State] = true
		}
		for _, e := range b.Entries {
			if lines = append(lines, e.Line); e.Line == "end" {
				cancel()
			}
		}
	})
	if err == nil || fmt.Sprint(lines) != "[same same same end]" {
		t.Errorf("%v, %v", lines, err)
	}
	if !states[sources.Live] || !states[sources.Reconnecting] {
		t.Errorf("states %v", states)
	}
}

func TestFollowSaysWhatItCannotRead(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	withLogs(f, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, frame(3, "Error grabbing logs: configured logging driver does not support reading\n"))
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = sut.NewLogs(f.client(t, sut.Options{})).Follow(ctx, sources.LogQuery{Services: []string{"web"}}, func(b sources.LogBatch) {
		if b.Gap != nil && b.Gap.Service == "web" && strings.Contains(b.Gap.Reason, "log driver") {
			cancel()
		}
	})
}
