//go:build lab

package loki

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"quarterdeck/sources"
)

// TestLabSoak follows 2,000 lines a second for LOKI_SOAK (10m) while somebody else may stop and start the
// server, and counts what is lost and doubled. A sender keeps a batch and sends it again until Loki has it, as
// the Docker driver does.
func TestLabSoak(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("LOKI_SOAK"))
	if err != nil {
		t.Skip("LOKI_SOAK is not set")
	}
	g := httpTarget(labAddr(t))
	s, c, k := unique(t), g.client(t), newCollector()
	followInto(t, c, sources.LogQuery{Services: []string{s}}, func(b sources.LogBatch) {
		if b.Status != nil {
			t.Logf("%s %s %.150s", b.Status.Since.Format(time.TimeOnly), b.Status.State, b.Status.Detail)
		}
		if b.Gap != nil {
			t.Logf("gap %+v", *b.Gap)
		}
		k.emit(b)
	})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	tasks := []string{taskA, taskB, taskC, "ddddddddddddddddddddddddd"}
	want, resent := map[string]int{}, 0
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(d)
	last := time.Now()
	for n := 0; time.Now().Before(end); <-tick.C {
		var batch []pushStream
		now := time.Now()
		if now.Before(last) { // a stream's own lines are in order
			now = last
		}
		last = now.Add(250 * time.Millisecond)
		for _, task := range tasks {
			p := pushStream{Stream: labelsOf(s, task)}
			for range 125 {
				n++
				line := fmt.Sprintf("level=info msg=\"soak line of a usual length\" stream=%s n=%08d", task[:1], n)
				want[line]++
				p.Values = append(p.Values, value(now.Add(time.Duration(n%500)*500*time.Microsecond), line))
			}
			batch = append(batch, p)
		}
		for !g.tryPush(batch) {
			resent++
			time.Sleep(250 * time.Millisecond)
		}
	}
	t.Logf("%d lines written, %d sends failed and were sent again", len(want), resent)
	k.wait(t, 2*time.Minute, "all lines", hasLines(len(want)))
	k.mu.Lock()
	defer k.mu.Unlock()
	checkOnce(t, k.entries, want)
	t.Logf("%d lines shown, %d gaps: none lost, none doubled, in order within each stream", len(k.entries), len(k.gaps))
}

func (g target) tryPush(batch []pushStream) bool {
	b, err := json.Marshal(map[string]any{"streams": batch})
	if err != nil {
		return false
	}
	cl := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := cl.Post(g.addr+"/loki/api/v1/push", "application/json", bytes.NewReader(b))
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode/100 == 2
}
