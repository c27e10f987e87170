package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/ui"
)

// hostileSizes are the terminals that hostile answers are shown in.
var hostileSizes = [][2]int{{200, 48}, {80, 24}, {20, 5}}

// tour are keys that open every view and dialog, and what each can be told.
var tour = []string{"1", "tab", "tab", "f", "f", "tab", "2", "enter", "tab", "k", "c", "esc", "3", "w", "v", "x", "t", "k", "k", "enter", "esc", "c", "F", "e", "enter",
	"n", "!", "j", "enter", "L", "X", "s", "4", "right", "left", "+", "0", "5", "j", "enter", "esc", "5", "l", "6", "j", "enter", "esc", "9", "j", "enter", "c",
	"?", "j", "esc", ":", "s", "h", "o", "enter", "/", "o", "\u009b", "\u202e", "enter", "esc", "o", "O", "space", "l", "1"}

// walk takes the tour at every size, and holds each frame to be harmless.
func (c *badConsole) walk() {
	c.t.Helper()
	slowest, when := time.Duration(0), ""
	for _, size := range hostileSizes {
		c.ask(func(*ui.Model) tea.Msg { return tea.WindowSizeMsg{Width: size[0], Height: size[1]} })
		c.press("esc", "esc", "esc", "1")
		for i, k := range tour {
			began := time.Now()
			c.press(k)
			frame := c.frame()
			if took := time.Since(began); took > slowest {
				slowest, when = took, fmt.Sprint(size, tour[max(0, i-12):i+1])
			}
			if err := harmless(frame, size[0], size[1]); err != nil {
				c.t.Fatalf("%dx%d after %q: %v in\n%.4000q", size[0], size[1], tour[max(0, i-12):i+1], err, frame)
			}
		}
	}
	c.ask(func(*ui.Model) tea.Msg { return tea.WindowSizeMsg{Width: badWidth, Height: badHeight} })
	c.t.Logf("the slowest key and frame took %v, %s", slowest, when)
	c.press("esc", "esc", "esc", "9")
	c.wait("the console answers keys", 10*time.Second, func(s string) bool { return strings.Contains(s, "── nodes ") })
	c.press("1")
}

// quietDemo is a platform on which nothing happens by itself, for all of a test's terminals.
func quietDemo(t *testing.T) *demo.Platform {
	t.Helper()
	d, err := demo.Start(t.Context(), demo.Options{Seed: 5, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// hostileConsole opens a console on d, each source but those named in instead behind a proxy with its fault.
func hostileConsole(t *testing.T, d *demo.Platform, faults map[string]fault, in ...tea.ProgramOption) *badConsole {
	t.Helper()
	instead := map[string]string{}
	for source, f := range faults {
		if f == nil {
			instead[source] = "" // not configured
			continue
		}
		proxy := newFaultProxy(t, map[string]string{"swarm": d.DockerHost(), "loki": d.LokiAddr(), "prometheus": d.PrometheusURL(), "alertmanager": d.AlertmanagerURL()}[source])
		proxy.set(t, f)
		instead[source] = "http://" + proxy.addr
		if source == "swarm" {
			instead[source] = "tcp://" + proxy.addr
		}
	}
	return openBadConsole(t, d, instead, 15*time.Second, in...)
}

// TestHostileText: names, images, labels, annotations, messages and log lines that try to do something to the terminal,
// from every source at once, in every view at every size.
func TestHostileText(t *testing.T) {
	if testing.Short() {
		t.Skip("a walk through all views takes minutes with the race detector, which sees the same paths in others")
	}
	d := quietDemo(t)
	if err := d.StartScenario("certificate-expiring"); err != nil { // so that an alert fires
		t.Fatal(err)
	}
	texts := rewritten(spoiledJSON(false))
	t.Run("every source", func(t *testing.T) {
		t.Parallel()
		c := hostileConsole(t, d, map[string]fault{"swarm": hostileLists, "loki": texts, "prometheus": texts, "alertmanager": texts})
		for _, s := range everySource {
			c.waitState(s, 60*time.Second, sources.Live)
		}
		c.wait("services", 60*time.Second, func(s string) bool { return strings.Contains(s, "shop_web") && strings.Contains(s, "services 12") })
		c.press("5") // in the strip a slow machine's own news may stand before it
		c.wait("alerts", 60*time.Second, func(s string) bool { return strings.Contains(s, "CertificateExpiring") })
		c.press("1")
		c.press(":", "s", "h", "o", "p", "_", "w", "e", "b", "enter")
		c.wait("shop_web's logs", 60*time.Second, func(s string) bool { return strings.Contains(s, "logs shop_web") && strings.Contains(s, `{"time":`) })
		c.walk()
		c.close()
	})
	t.Run("docker's logs", func(t *testing.T) {
		t.Parallel()
		c := hostileConsole(t, d, map[string]fault{"swarm": hostileDockerLogs, "loki": nil})
		c.waitState("swarm", 60*time.Second, sources.Live)
		c.wait("its lines", 60*time.Second, func(s string) bool { return strings.Contains(s, "line of hostile text") })
		c.walk()
		c.close()
	})
	t.Run("words with a meaning", func(t *testing.T) {
		t.Parallel()
		all := rewritten(spoiledJSON(true))
		c := hostileConsole(t, d, map[string]fault{"swarm": all, "loki": all, "prometheus": all, "alertmanager": all})
		for _, s := range everySource {
			c.waitAnswered(s)
		}
		c.walk()
		c.close()
	})
}

// waitAnswered waits until a source has been heard, well or badly.
func (c *badConsole) waitAnswered(source string) sources.Status {
	c.t.Helper()
	return c.waitState(source, 60*time.Second, sources.Live, sources.Polling, sources.Faulty, sources.Reconnecting)
}

// TestHostileErrors: what goes wrong is told in the source's own words, which are as untrusted as the rest.
func TestHostileErrors(t *testing.T) {
	t.Parallel()
	d := quietDemo(t)
	words := strings.ReplaceAll(strings.Join(payloads, " "), rawBytes, "\xff\xfe")
	refuses := statusSaying(500, words)
	c := hostileConsole(t, d, map[string]fault{"swarm": refuses, "loki": refuses, "prometheus": refuses, "alertmanager": refuses})
	for _, s := range everySource {
		c.waitState(s, 60*time.Second, sources.Faulty)
	}
	c.walk()
	c.close()
	if s := c.logged(); strings.ContainsAny(strings.ReplaceAll(s, "\n", ""), "\x1b\x07\r") {
		t.Errorf("the log file has control characters: %.300q", s)
	}
}

// TestHostileData: figures, times and lists that no healthy source gives: what they mean is told or left out, the
// other sources live on, and nothing breaks.
func TestHostileData(t *testing.T) {
	d := quietDemo(t)
	if err := d.StartScenario("certificate-expiring"); err != nil { // so that an alert fires
		t.Fatal(err)
	}
	const times = `"(CreatedAt|UpdatedAt|Timestamp|StartedAt|CompletedAt|startsAt|endsAt|updatedAt)":"[^"]*"`
	for _, c := range []struct {
		name, source string
		fault        fault
		says         string // in the overview or the nodes view
	}{
		{"negative replicas", "swarm", replaced("/services", `"Replicas":\d+`, `"Replicas":-3`), ""},
		{"replicas out of range", "swarm", replaced("/services", `"Replicas":\d+`, `"Replicas":99999999999999999999999`), ""},
		{"replicas without end", "swarm", replaced("/services", `"Replicas":\d+`, `"Replicas":18446744073709551615`), "services 12"},
		{"numbers beyond floats", "swarm", replaced("/nodes", `"(NanoCPUs|MemoryBytes)":\d+`, `"$1":1e400`), ""},
		{"negative resources", "swarm", replaced("/nodes", `"(NanoCPUs|MemoryBytes)":\d+`, `"$1":-9223372036854775808`), "nodes 3/3"},
		{"no nodes", "swarm", replaced("/nodes", `(?s)^.*$`, `[]`), "nodes 0/0"},
		{"null nodes", "swarm", replaced("/nodes", `(?s)^.*$`, `null`), ""},
		{"no services", "swarm", replaced("/services", `(?s)^.*$`, `[]`), "this swarm runs no service"},
		{"a list with nulls", "swarm", replaced("/tasks", `^\[`, `[null,{},`), ""},
		{"tasks of unknown services on unknown nodes", "swarm", replaced("/tasks", `"(ServiceID|NodeID)":"[^"]*"`, `"$1":"nobody"`), "services 12"},
		{"each service twice", "swarm", twice("/services"), ""},
		{"each task twice", "swarm", twice("/tasks"), "services 12"},
		{"each node twice", "swarm", twice("/nodes"), ""},
		{"the year 0", "swarm", replaced("", times, `"$1":"0000-01-01T00:00:00Z"`), ""},
		{"the year 9999", "swarm", replaced("", times, `"$1":"9999-12-31T23:59:59Z"`), "services 12"},
		{"no time at all", "swarm", replaced("", times, `"$1":"0001-01-01T00:00:00Z"`), "services 12"},
		{"slots out of range", "swarm", replaced("/tasks", `"Slot":\d+`, `"Slot":-9223372036854775808`), "services 12"},
		{"alerts of the year 0", "alertmanager", replaced("", times, `"$1":"0000-01-01T00:00:00Z"`), ""},
		{"alerts of the year 9999", "alertmanager", replaced("", times, `"$1":"9999-12-31T23:59:59Z"`), "CertificateExpiring"},
		{"each alert twice", "alertmanager", twice("/alerts"), "CertificateExpiring"},
		{"alerts without a label", "alertmanager", replaced("/alerts", `"labels":\{[^}]*\}`, `"labels":{}`), ""},
		{"samples that are no number", "prometheus", replaced("", `,"[0-9.e+-]+"\]`, `,"NaN"]`), "services 12"},
		{"infinite samples", "prometheus", replaced("", `,"[0-9.e+-]+"\]`, `,"+Inf"]`), "services 12"},
		{"samples beyond floats", "prometheus", replaced("", `,"[0-9.e+-]+"\]`, `,"-1e999"]`), ""},
		{"the largest samples", "prometheus", replaced("", `,"[0-9.e+-]+"\]`, `,"1.7976931348623157e308"]`), "services 12"},
		{"samples of the year 0", "prometheus", replaced("", `\[[0-9.]{9,},"`, `[-62167219200,"`), "services 12"},
		{"samples of no time", "prometheus", replaced("", `\[[0-9.]{9,},"`, `[1e300,"`), ""},
		{"lines of the year 1677", "loki", replaced("/query_range", `\["\d{19}"`, `["-9223372036854775808"`), "services 12"},
		{"lines of the year 2262", "loki", replaced("/query_range", `\["\d{19}"`, `["9223372036854775807"`), "services 12"},
		{"lines of no time", "loki", replaced("/query_range", `\["\d{19}"`, `["99999999999999999999999"`), ""},
		{"lines without a stream's labels", "loki", replaced("/query_range", `"stream":\{[^}]*\}`, `"stream":{}`), "services 12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := hostileConsole(t, d, map[string]fault{c.source: c.fault})
			s := x.waitAnswered(c.source)
			for _, other := range everySource {
				if other != c.source {
					x.waitState(other, 60*time.Second, sources.Live)
				}
			}
			if c.says != "" {
				x.wait(c.says, 60*time.Second, func(screen string) bool { return strings.Contains(screen, c.says) })
			}
			x.walk()
			x.close()
			t.Logf("%s: %s", s.State, s.Detail)
		})
	}
}
