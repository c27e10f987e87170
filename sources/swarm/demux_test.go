package swarm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	"quarterdeck/sources"
)

func framed(stream byte, payload string) string {
	head := make([]byte, 8)
	head[0] = stream
	binary.BigEndian.PutUint32(head[4:], uint32(len(payload)))
	return string(head) + payload
}

const detailsA = "com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s1,com.docker.swarm.task.id=a,tag=x"

func logLine(second int, text string) string {
	return fmt.Sprintf("2026-01-02T03:04:%02d.123456789Z %s %s", second, detailsA, text)
}

func readAll(in string) (got []rawLine, system []string, err error) {
	err = readLog(strings.NewReader(in), func(r rawLine) error { got = append(got, r); return nil }, func(m string) { system = append(system, m) })
	return got, system, err
}

func TestReadLog(t *testing.T) {
	cases := []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"two streams", framed(1, logLine(1, "out\n")) + framed(2, logLine(2, "err\n")), []string{"out", "err"}},
		{"partial messages", framed(1, logLine(1, "half ")) + framed(1, logLine(1, "and half\n")), []string{"half and half"}},
		{"partial messages of two streams", framed(1, logLine(1, "o1")) + framed(2, logLine(1, "e1\n")) + framed(1, logLine(1, "o2\n")), []string{"e1", "o1o2"}},
		{"no end", framed(1, logLine(1, "no newline")), []string{"no newline"}},
		{"carriage return", framed(1, logLine(1, "dos\r\n")), []string{"dos"}},
		{"empty line", framed(1, logLine(1, "\n")), []string{""}},
		{"several lines in a frame", framed(1, logLine(1, "a\nb\n")), []string{"a", "b"}},
		{"a terminal's bare lines", logLine(1, "tty one\r\n") + logLine(2, "tty two\r\n"), []string{"tty one", "tty two"}},
		{"a long bare line", logLine(1, strings.Repeat("x", 100<<10)+"\n"), []string{strings.Repeat("x", 100<<10)}},
		{"longer than kept", framed(1, logLine(1, strings.Repeat("x", maxLine+5)+"\n")), []string{strings.Repeat("x", maxLine)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := readAll(c.in)
			if err != nil || len(got) != len(c.want) {
				t.Fatalf("%d lines, want %d: %v", len(got), len(c.want), err)
			}
			for i, r := range got {
				if r.text != c.want[i] || r.task != "a" || r.node != "n1" || r.service != "s1" || r.time.Year() != 2026 {
					t.Errorf("line %d: %.80q of %s/%s at %s", i, r.text, r.task, r.node, r.time)
				}
			}
		})
	}
}

func TestReadLogTellsWhatIsWrong(t *testing.T) {
	_, system, err := readAll(framed(3, "Error grabbing logs: rpc error: warning: incomplete log stream. some logs could not be retrieved for the following reasons: node x is not available\n"))
	if err != nil || len(system) != 1 || !strings.Contains(plainReason(system[0]), "node x is not available") {
		t.Errorf("%v, %v", system, err)
	}
	if got := plainReason("task a: configured logging driver does not support reading"); !strings.Contains(got, "log driver") {
		t.Error(got)
	}
	if _, _, err := readAll("\x01\x00\x00\x00\xff\xff\xff\xffx"); !errors.Is(err, errNotEngine) {
		t.Errorf("a frame of 4 GiB: %v", err)
	}
	if _, _, err := readAll(framed(1, logLine(1, "a\n"))[:20]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut frame: %v", err)
	}
}

// FuzzDemux holds the demultiplexer against moby's own where that one is safe to run.
func FuzzDemux(f *testing.F) {
	f.Add([]byte(framed(1, logLine(1, "out\n")) + framed(2, logLine(2, "err\n"))))
	f.Add([]byte(framed(1, logLine(1, "half ")) + framed(3, "boom")))
	f.Add([]byte(logLine(1, "tty\r\n")))
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out, errs bytes.Buffer
		system := false
		err := demux(bytes.NewReader(in), func(stream byte, payload []byte) error {
			switch stream {
			case streamSystem:
				system = true
			case streamStderr:
				errs.Write(payload)
			default:
				out.Write(payload)
			}
			return nil
		})
		_, _, _ = readAll(string(in))
		if err != nil || system || len(in) < 8 || in[0] > 3 || in[1]|in[2]|in[3] != 0 {
			return
		}
		var wantOut, wantErr bytes.Buffer
		if _, err := stdcopy.StdCopy(&wantOut, &wantErr, bytes.NewReader(in)); err != nil {
			t.Fatalf("stdcopy fails on what we take: %v", err)
		}
		if out.String() != wantOut.String() || errs.String() != wantErr.String() {
			t.Fatalf("differs from stdcopy: %q / %q", out.String(), wantOut.String())
		}
	})
}

// FuzzEvent feeds one message to the watch: nothing may panic, and what is told must be as it was said.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"Type":"service","Action":"update","Actor":{"ID":"x","Attributes":{"name":"web"}},"scope":"swarm","timeNano":1}`))
	f.Add([]byte(`{"Type":"container","Action":"health_status: unhealthy","Actor":{"ID":"c","Attributes":{"com.docker.swarm.service.id":"x"}},"time":1}`))
	f.Add([]byte(`{"Type":"network","Action":"create","scope":"local"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var m events.Message
		if json.Unmarshal(in, &m) != nil {
			return
		}
		told := 0
		w := &watch{emit: func(c sources.Change) {
			if c.Event != nil && c.Event.ID == m.Actor.ID && c.Event.Type == string(m.Type) {
				told++
			}
		}}
		w.event(&m)
		w.event(&m)
		if told > 1 {
			t.Fatal("told twice")
		}
		if len(w.view.services) > 0 && w.dirty.since.IsZero() {
			t.Fatal("a service in motion that is not going to be read")
		}
	})
}

func FuzzElements(f *testing.F) {
	f.Add([]byte(`[{"a":"x]}\\\""},{"b":[1,{"c":2}]}]`), 1)
	f.Add([]byte(` [ ] `), 2)
	f.Add([]byte(`[{"a":1},]`), 3)
	f.Add([]byte(`[{"a":1},null]`), 3)
	f.Add([]byte(`[{"a":"`), 5)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		var got [][]byte
		var ends []int
		c := cutter{element: func(e []byte, end int) { got, ends = append(got, bytes.Clone(e)), append(ends, end) }}
		for piece := range slices.Chunk(in, min(max(size, 1), 1<<20)) {
			c.feed(piece)
		}
		wrong, err := c.finish()
		ok := wrong == nil && err == nil
		var want []json.RawMessage
		if problem := json.NewDecoder(bytes.NewReader(in)).Decode(&want); problem != nil {
			if wrong != nil && json.NewDecoder(bytes.NewReader(wrong)).Decode(&want) == nil {
				t.Fatalf("what is left of it is right: %q", wrong)
			}
			return // the elements' own validity is their reader's business
		}
		objects := want != nil
		for _, e := range want {
			objects = objects && e[0] == '{'
		}
		if ok != objects {
			t.Fatalf("taken for an array of objects: %v, is one: %v", ok, objects)
		}
		if ok && len(got) != len(want) {
			t.Fatalf("%d elements, want %d", len(got), len(want))
		}
		for i := range got {
			if ok && (!bytes.Equal(got[i], want[i]) || !bytes.HasSuffix(in[:ends[i]], got[i])) {
				t.Fatalf("element %d is %q until %d, want %q", i, got[i], ends[i], want[i])
			}
		}
	})
}

// TestListingAfterAnother lists bodies that differ from the one before here and there: what comes of it must be what comes of the body
// alone, and of the elements only those that were not seen must be left for the client.
func TestListingAfterAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pad := rapid.SampledFrom([]int{10, 1000, blockSize / 3, blockSize + 7}).Draw(t, "pad")
		body := func(ids []int) []byte {
			b := []byte("[")
			for i, id := range ids {
				if i > 0 {
					b = append(b, ",\n"...)
				}
				b = fmt.Appendf(b, `{"id":%d,"x":"%s"}`, id, strings.Repeat("]}", pad/2))
			}
			return append(b, "]\n"...)
		}
		ids := rapid.SliceOfN(rapid.IntRange(0, 1000), 0, 20)
		seen := map[uint64]bool{}
		l := listing{known: func(h uint64) bool { return seen[h] }}
		had := ids.Draw(t, "before")
		for range 4 {
			next := slices.Clone(had)
			switch at := rapid.IntRange(0, len(next)).Draw(t, "at"); rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				next = slices.Insert(next, at, rapid.IntRange(0, 1000).Draw(t, "id"))
			case 1:
				next = next[:at]
			case 2:
				next = append(next[:at:at], ids.Draw(t, "tail")...)
			}
			raw := body(next)
			alone := listing{known: func(uint64) bool { return false }}
			if _, err := alone.take(bytes.NewReader(raw)); err != nil {
				t.Fatal(err)
			}
			left, err := l.take(iotest.HalfReader(bytes.NewReader(raw)))
			if err != nil {
				t.Fatal(err)
			}
			if l.whole != alone.whole || !slices.Equal(l.order, alone.order) || !slices.Equal(l.ends, alone.ends) || !slices.Equal(l.blocks, alone.blocks) || len(l.order) != len(next) {
				t.Fatalf("%d elements, %d with what was before", len(alone.order), len(l.order))
			}
			var told []struct{ ID int }
			if err := json.NewDecoder(left).Decode(&told); err != nil || len(told) != len(l.fresh) {
				t.Fatalf("%d left for the client, of %d: %v", len(told), len(l.fresh), err)
			}
			for _, h := range l.fresh {
				if seen[h] {
					t.Fatal("an element that is known is left for the client")
				}
			}
			for _, h := range l.order {
				seen[h] = true
			}
			l.last, had = l.shape, next
		}
	})
}

func TestOverlapKeepsRealRepeats(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1000+int64(s), 0) }
	var o overlap
	o.reconnect()
	for _, s := range []int{0, 0, 1} { // the same line twice in one moment is two lines
		if !o.fresh(7, at(s)) {
			t.Fatal("a first line is taken for a double")
		}
	}
	if got := o.reconnect(); !got.Equal(at(0)) {
		t.Fatalf("asks from %s", got)
	}
	got := ""
	for range 5 { // what was told, and two more
		got += map[bool]string{true: "new ", false: "old "}[o.fresh(7, at(1))]
	}
	if got != "old old old new new " {
		t.Errorf("got %s", got)
	}
}

func TestKeeperIsBounded(t *testing.T) {
	for _, forward := range []bool{false, true} {
		k := &keeper{limit: 10, forward: forward}
		for i := range 5000 {
			k.add(sources.Entry{Time: time.Unix(int64(i*7919%5000), 0), Line: fmt.Sprint(i)})
		}
		if cap(k.entries) > 4096 {
			t.Errorf("keeps %d", cap(k.entries))
		}
		got, more := k.page()
		want := int64(4990)
		if forward {
			want = 0
		}
		if len(got) != 10 || !more || got[0].Time.Unix() != want {
			t.Errorf("forward %v: %d entries from %d, more %v", forward, len(got), got[0].Time.Unix(), more)
		}
	}
}

// bigTasks is the engine's JSON for n tasks, each with what a real one carries (2 KB).
func bigTasks(n int) []byte {
	tasks := make([]swarm.Task, n)
	for i := range tasks {
		x := &tasks[i]
		x.ID, x.ServiceID, x.NodeID, x.Slot = fmt.Sprintf("task%021d", i), fmt.Sprintf("service%018d", i/10), fmt.Sprintf("node%021d", i%50), i%10+1
		x.Spec.ContainerSpec = &swarm.ContainerSpec{Image: "registry.example/team/app:1.2.3@sha256:" + strings.Repeat("ab", 32),
			Labels: map[string]string{"com.docker.stack.namespace": "shop"}, Env: make([]string, 12)}
		for k := range x.Spec.ContainerSpec.Env {
			x.Spec.ContainerSpec.Env[k] = fmt.Sprintf("SETTING_%d=some/value-of-%d", k, k)
		}
		x.Spec.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{NanoCPUs: 5e8, MemoryBytes: 1 << 28}}
		x.Spec.LogDriver = &swarm.Driver{Name: "loki", Options: map[string]string{"loki-url": "http://10.0.0.1:3100/loki/api/v1/push", "max-size": "20m"}}
		x.Status.State, x.DesiredState, x.Status.Message = "running", "running", "started"
		x.Status.ContainerStatus = &swarm.ContainerStatus{ContainerID: strings.Repeat("cd", 32), PID: 1000 + i}
		x.CreatedAt, x.Status.Timestamp = time.Unix(1.7e9, 0), time.Unix(1.7e9+5, 0)
		x.NetworksAttachments = []swarm.NetworkAttachment{{Network: swarm.Network{ID: strings.Repeat("n", 25)}}}
	}
	raw, err := json.Marshal(tasks)
	if err != nil {
		panic(err)
	}
	return raw
}
