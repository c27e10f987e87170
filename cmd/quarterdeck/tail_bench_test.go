package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/loki"
)

// rawTailEnv is the address of a Loki's tail that the tests' binary prints the lines of, in place of running tests.
const rawTailEnv = "QUARTERDECK_BENCH_RAW_TAIL"

// rawTail prints the lines of Loki's tail as they come: no order across streams, nothing read again that the tail has dropped.
func rawTail(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	conn, answer, err := websocket.Dial(context.Background(), address, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://" + u.Host}}})
	if err != nil {
		return err
	}
	if answer.Body != nil {
		_ = answer.Body.Close()
	}
	conn.SetReadLimit(-1)
	out := bufio.NewWriter(os.Stdout)
	for {
		_, frame, err := conn.Read(context.Background())
		if err != nil {
			return err
		}
		var said struct {
			Streams []struct {
				Values [][]json.RawMessage `json:"values"`
			} `json:"streams"`
		}
		if err := json.Unmarshal(frame, &said); err != nil {
			return err
		}
		for _, s := range said.Streams {
			for _, v := range s.Values {
				var line string
				if len(v) < 2 || json.Unmarshal(v[1], &line) != nil {
					return fmt.Errorf("a value that is none: %s", v)
				}
				fmt.Fprintln(out, line)
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// counting counts the lines written to it that have a word.
type counting struct {
	word []byte
	n    atomic.Int64
	rest []byte
}

func (c *counting) Write(b []byte) (int, error) {
	c.rest = append(c.rest, b...)
	end := bytes.LastIndexByte(c.rest, '\n') + 1
	c.n.Add(int64(bytes.Count(c.rest[:end], c.word)))
	c.rest = append(c.rest[:0], c.rest[end:]...)
	return len(b), nil
}

// BenchmarkTail pushes 10,000 lines of 180 bytes a second for ten seconds to a Loki, LOKI_ADDR's with QD_LAB=1, else the embedded
// one, and follows them with other processes, one after the other: a raw tail, which is Loki's websocket and nothing else; logcli
// where LOGCLI names it; and `quarterdeck logs -f`. Of each: lines a second from the first push to the last line, what did not come, and
// the CPU of its process. b.N is how often.
func BenchmarkTail(b *testing.B) {
	address := os.Getenv("LOKI_ADDR")
	if os.Getenv("QD_LAB") == "" || address == "" {
		d, err := demo.Start(b.Context(), demo.Options{Seed: 1, Quiet: true})
		if err != nil {
			b.Fatal(err)
		}
		defer d.Close()
		address = d.LokiAddr()
	}
	bin := builtBinary(b)
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for _, reader := range []struct {
		name    string
		command func(selector string) *exec.Cmd
	}{
		{"raw-tail", func(selector string) *exec.Cmd {
			c := exec.Command(self)
			c.Env = append(os.Environ(), rawTailEnv+"="+strings.Replace(address, "http", "ws", 1)+"/loki/api/v1/tail?limit=5000&query="+url.QueryEscape(selector))
			return c
		}},
		{"logcli", func(selector string) *exec.Cmd {
			if os.Getenv("LOGCLI") == "" {
				return nil
			}
			return exec.Command(os.Getenv("LOGCLI"), "--quiet", "--addr="+address, "query", "--tail", "--limit=5000", "--output=raw", selector)
		}},
		{"quarterdeck", func(selector string) *exec.Cmd {
			c := exec.Command(bin, "logs", "-f", "--since", "1s", "--query", selector)
			c.Env = append(os.Environ(), "LOKI_ADDR="+address, "QUARTERDECK_CONFIG=", "QUARTERDECK_STATE_DIR="+b.TempDir())
			return c
		}},
	} {
		b.Run(reader.name, func(b *testing.B) {
			for i := range b.N {
				run := fmt.Sprintf("%s-%d-%d", reader.name, os.Getpid(), i)
				cmd := reader.command(`{app="bench-tail", run="` + run + `"}`)
				if cmd == nil {
					b.Skip("LOGCLI names none")
				}
				tailOnce(b, cmd, address, run)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// lastLine is how long nothing may come until what is missing is taken for lost: what a tail has dropped is read again from a Loki that is busy.
const lastLine = 30 * time.Second

func tailOnce(b *testing.B, cmd *exec.Cmd, address, run string) {
	const rate, seconds = 10000, 10
	c, err := loki.New(loki.Options{Access: sources.Access{Source: "loki", Address: address, Timeout: 15 * time.Second}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	labels := map[string]string{"app": "bench-tail", "run": run}
	push := func(lines []sources.PushLine) {
		if err := c.Push(b.Context(), labels, lines); err != nil {
			b.Fatal(err)
		}
	}
	out, warm := &counting{word: []byte("took=")}, &counting{word: []byte("warming")}
	cmd.Stdout = both{out, warm}
	said := &bytes.Buffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	end := func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() }
	for deadline := time.Now().Add(20 * time.Second); warm.n.Load() == 0; time.Sleep(200 * time.Millisecond) {
		push([]sources.PushLine{{Time: time.Now(), Line: "warming up"}})
		if time.Now().After(deadline) {
			end()
			b.Fatalf("no line comes: %s", said)
		}
	}
	lines := make([]sources.PushLine, rate/10)
	began, sent := time.Now(), 0
	for ; sent < rate*seconds; sent += len(lines) {
		time.Sleep(time.Until(began.Add(time.Duration(sent) * time.Second / rate)))
		now := time.Now()
		for i := range lines {
			text := fmt.Sprintf(`level=info msg="request served" method=GET path=/api/orders/%06d status=200 took=%dms`, sent+i, i%900)
			lines[i] = sources.PushLine{Time: now.Add(time.Duration(i-len(lines)) * time.Microsecond), Line: text + strings.Repeat("x", max(180-len(text), 0))}
		}
		push(lines)
	}
	pushed := time.Since(began)
	last, changed := int64(-1), time.Now()
	for last < int64(sent) && time.Since(changed) < lastLine {
		if n := out.n.Load(); n != last {
			last, changed = n, time.Now()
		}
		time.Sleep(5 * time.Millisecond)
	}
	end()
	b.ReportMetric(float64(last)/changed.Sub(began).Seconds(), "lines/s")
	b.ReportMetric(float64(sent)/pushed.Seconds(), "pushed/s")
	b.ReportMetric(float64(int64(sent)-last), "missing")
	b.ReportMetric(float64(changed.Sub(began.Add(pushed)).Milliseconds()), "ms-after-last")
	b.ReportMetric((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), "cpu-s")
}

// both writes to two counters.
type both [2]*counting

func (w both) Write(p []byte) (int, error) {
	for _, c := range w {
		_, _ = c.Write(p) // counting does not fail
	}
	return len(p), nil
}
