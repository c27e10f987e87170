package recovery

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"quarterdeck/sources/markdown"
)

// stampText is a moment as documents have it.
func stampText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Markdown writes the day's report.
func (d *Day) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# DR day of %s\n\n", markdown.Text(d.Stack))
	fmt.Fprintf(&b, "**%s.**\n\n", markdown.Text(d.Verdict()))
	fmt.Fprintf(&b, "Begun %s", stampText(d.Began))
	if d.Actor != "" {
		fmt.Fprintf(&b, " by %s", markdown.Text(d.Actor))
	}
	if !d.Ended.IsZero() {
		fmt.Fprintf(&b, ", ended %s", stampText(d.Ended))
	}
	fmt.Fprintf(&b, ", run %s.", markdown.Code(d.Run))
	if !d.At.IsZero() {
		fmt.Fprintf(&b, " Of each service the newest snapshot at or before %s was taken.", stampText(d.At))
	}
	b.WriteString(" Each was brought back into an empty place beside what runs, and verified there; nothing that serves was touched.\n\n## In the order in which they would be brought back\n\n")
	var rows [][]string
	var sum time.Duration
	for i := range d.Drills {
		x := &d.Drills[i]
		sum += x.add()
		rows = append(rows, x.row(i+1, sum))
	}
	markdown.Table(&b, []string{"#", "Service", "Came back", "Took (RTO)", "Allowed", "Together", "Not in it (RPO)", "Snapshot"}, rows)
	b.WriteString("\n\"Together\" is the time until this service and those before it were back, one after the other. \"Not in it\" is how much of the newest data the snapshot did not have when the drill began.\n")
	d.writeProofs(&b)
	d.writeLeft(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (x *DayDrill) add() time.Duration {
	if x.Drill == nil || !x.Drill.OK {
		return 0
	}
	return x.Drill.Took()
}

// row is a drill in the report's table.
func (x *DayDrill) row(n int, sum time.Duration) []string {
	out := []string{fmt.Sprint(n), markdown.Text(x.Service), map[DayState]string{DayOK: "yes", DayFailed: "**NO**", DayStarted: "interrupted", DayWaiting: "not tried"}[x.State], "", SpanText(seconds(x.Allowed)), "", "",
		markdown.Code(shortID(x.Snapshot)) + " of " + stampText(x.Taken)}
	if x.Drill != nil && x.Drill.OK {
		out[3], out[5], out[6] = SpanText(x.Drill.Took().Round(time.Second)), SpanText(sum.Round(time.Second)), SpanText(x.Drill.Lost().Round(time.Second))
	}
	if x.Slow() {
		out[3] = "**" + out[3] + "**"
	}
	return out
}

func shortID(id string) string { return id[:min(len(id), 8)] }

// writeProofs says what the policies' commands said, and why what failed did.
func (d *Day) writeProofs(b *strings.Builder) {
	b.WriteString("\n## What was proven\n")
	for i := range d.Drills {
		x := &d.Drills[i]
		fmt.Fprintf(b, "\n### %s\n\n", markdown.Text(x.Service))
		switch {
		case x.State == DayWaiting:
			b.WriteString("It was not tried: the DR day did not come to it.\n")
			continue
		case x.State == DayStarted:
			fmt.Fprintf(b, "It was begun, and nothing is known of its end: %s.\n", markdown.Code("quarterdeck resume "+x.Run))
			continue
		case x.State == DayFailed:
			fmt.Fprintf(b, "**It failed:** %s\n\n", markdown.Text(cmp.Or(x.Reason, "no reason is recorded")))
		case x.Drill == nil:
			b.WriteString("Nothing is recorded of it.\n")
		case x.Drill.Verified == nil:
			fmt.Fprintf(b, "The data was read back. Whether it is good was not looked at: there is no %s.\n", markdown.Code(LabelVerify))
		}
		if x.Drill == nil {
			continue
		}
		if v := x.Drill.Verified; v != nil {
			fmt.Fprintf(b, "The policy's command ended with %d:\n\n", v.Exit)
			lines := []string{v.Command}
			if out := strings.TrimSpace(v.Output); out != "" {
				lines = append(lines, strings.Split(out, "\n")...)
			}
			markdown.Fence(b, "", lines...)
		}
		var rows [][]string
		for _, s := range x.Drill.Steps {
			rows = append(rows, []string{markdown.Text(s.Name), SpanText(seconds(s.Took).Round(time.Second))})
		}
		if len(rows) > 0 {
			b.WriteString("\n")
			markdown.Table(b, []string{"Step", "Took"}, rows)
		}
	}
}

// writeLeft says what was not tried at all.
func (d *Day) writeLeft(b *strings.Builder) {
	b.WriteString("\n## What was not covered\n\n")
	if len(d.Left) == 0 {
		b.WriteString("Nothing: each service of the stack that has data was tried.\n")
	}
	for _, x := range d.Left {
		mark := "**" + markdown.Text(x.Service) + "**"
		if x.Exempt {
			mark = markdown.Text(x.Service)
		}
		fmt.Fprintf(b, "- %s: %s\n", mark, markdown.Text(x.Why))
	}
}
