package swarm

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"quarterdeck/sources"
)

// benchEngine serves one body of tasks.
func benchEngine(b *testing.B, body []byte) *Client {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/_ping" {
			_, _ = w.Write(body)
		}
	}))
	b.Cleanup(s.Close)
	c, err := New(Options{Host: "tcp://" + s.Listener.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}

// BenchmarkTasks is one listing of 10,000 tasks: cold (decoded and converted), at rest (unchanged), and with one changed.
func BenchmarkTasks(b *testing.B) {
	body := bigTasks(10_000)
	run := func(name string, m func() *memory[sources.Task], before func([]byte, int)) {
		b.Run(name, func(b *testing.B) {
			body := append([]byte(nil), body...)
			c := benchEngine(b, body)
			mem := m()
			if mem != nil {
				if _, _, err := c.tasks(context.Background(), mem, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				before(body, i)
				i++
				got, _, err := c.tasks(context.Background(), mem, nil)
				if err != nil || len(got) != 10_000 {
					b.Fatal(len(got), err)
				}
			}
		})
	}
	no := func([]byte, int) {}
	warm := func() *memory[sources.Task] { return &memory[sources.Task]{} }
	run("cold", func() *memory[sources.Task] { return nil }, no)
	run("at-rest", warm, no)
	run("one-changed", warm, func(body []byte, i int) { body[11] = byte('a' + i%26) }) // a letter of the first task's id
}

// BenchmarkTasksAtRest300 is a rest poll of the budget's swarm: 300 services of three tasks and six ended ones.
func BenchmarkTasksAtRest300(b *testing.B) {
	body := bigTasks(2700)
	c := benchEngine(b, body)
	var mem memory[sources.Task]
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.tasks(context.Background(), &mem, nil); err != nil {
			b.Fatal(err)
		}
	}
}
