package fleet

import (
	"fmt"
	"strings"
	"time"

	"quarterdeck/sources"
)

// slotKey names the place that a task fills: a slot, or a node where there are no slots.
type slotKey struct {
	slot int
	node string
}

func keyOf(t *sources.Task) slotKey {
	if t.Slot == 0 {
		return slotKey{node: t.NodeID}
	}
	return slotKey{slot: t.Slot}
}

// slotName is how people name a place: web.3, or "agent on node2" where there is no slot.
func slotName(service string, slot int, node string) string {
	switch {
	case slot > 0:
		return fmt.Sprintf("%s.%d", service, slot)
	case node != "":
		return service + " on " + node
	}
	return service
}

func taskError(t *sources.Task) string {
	switch {
	case t == nil:
		return ""
	case t.Err != "":
		return oneLine(t.Err)
	case t.ExitCode != 0:
		return fmt.Sprintf("exit %d", t.ExitCode)
	}
	return oneLine(orElse(t.Message, string(t.State)))
}

// joined is "what: message; trouble", without what is empty.
func joined(what, message, trouble string) string {
	if message != "" {
		what += ": " + oneLine(message)
	}
	if trouble != "" {
		what += "; " + trouble
	}
	return what
}

// oneLine folds white space: the orchestrator quotes programs that write several lines.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\n\r\t") {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// shortDuration drops the zero parts: 5m, not 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
