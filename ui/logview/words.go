package logview

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
)

// ShortTask is a short name of a stream's task: its service without the stack's
// name, and the slot ("web.2") where Task is written as Docker does (name.slot.id),
// else the beginning of the task's id ("web.x7k2p").
func ShortTask(s *sources.Stream) string {
	name := s.Service
	if s.Stack != "" {
		name = strings.TrimPrefix(name, s.Stack+"_")
	}
	task := strings.TrimPrefix(strings.TrimPrefix(s.Task, s.Service), ".")
	if slot, _, ok := strings.Cut(task, "."); ok {
		task = slot
	}
	if len(task) > 5 {
		task = task[:5]
	}
	switch {
	case task == "":
		return name
	case name == "":
		return task
	}
	return name + "." + task
}

// thousands is n with commas.
func thousands[T int | uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size is bytes in the unit that gives two or three figures.
func size(n int) string {
	switch {
	case n >= 10<<20:
		return strconv.Itoa(n>>20) + " MB"
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return strconv.Itoa(n>>10) + " KB"
	}
	return strconv.Itoa(max(n, 0)) + " B"
}

// span is a duration in one or two units.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// age is how long ago, in at most six cells.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "+" + age(min(-d, 99*24*time.Hour))
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 10*time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(min(d.Hours()/24, 9999)))
}

// perSecond is a rate in few cells.
func perSecond(r float64) string {
	switch {
	case r <= 0:
		return ""
	case r < 9.95:
		return fmt.Sprintf("%.1f/s", r)
	case r < 9950:
		return fmt.Sprintf("%.0f/s", r)
	}
	return fmt.Sprintf("%.0fk/s", r/1000)
}
