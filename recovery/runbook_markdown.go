package recovery

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources/markdown"
)

// serviceName is what a service may be called (swarmkit, manager/controlapi/common.go). A record may say anything: what is called otherwise goes into no command.
var serviceName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,253}[a-zA-Z0-9])?$`)

// Markdown writes the runbook, for somebody who has never seen the platform: what is not proven first, then what to type.
func (b *Runbook) Markdown(w io.Writer) error {
	var out strings.Builder
	of := cmp.Or(b.Context, "the platform")
	if b.Of != "" {
		of = b.Of + " of " + of
	}
	fmt.Fprintf(&out, "# Runbook: how %s is brought back\n\n", markdown.Text(of))
	fmt.Fprintf(&out, "Made %s from the services' labels and from what drills and restores have measured. Make it anew after each change: `quarterdeck runbook`. All times are UTC.\n", stampText(b.Time))
	if b.NoSwarm != "" {
		fmt.Fprintf(&out, "\n**The swarm could not be read** (%s). What follows is from the records in the object store alone: which services there are is what snapshots tell of, their policies are not known, and the order is that of the last DR day or by name.\n", markdown.Text(b.NoSwarm))
	}
	if b.NoStore != "" {
		fmt.Fprintf(&out, "\n**The object store could not be read** (%s). Which snapshots there are, and what drills have shown, is not known here.\n", markdown.Text(b.NoStore))
	}
	b.writeDoubts(&out)
	b.writeGlance(&out)
	b.writeBefore(&out)
	b.writeOne(&out)
	b.writeAll(&out)
	out.WriteString("\n## Each service\n")
	for i := range b.Services {
		b.Services[i].write(&out, i+1, b.Time)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (b *Runbook) writeDoubts(out *strings.Builder) {
	out.WriteString("\n## What is not proven\n\n")
	if len(b.NotProven) == 0 {
		if len(b.Services) == 0 {
			out.WriteString("There is no service with a backup policy.\n")
			return
		}
		out.WriteString("Nothing is known that would stand in the way: each service below was brought back in a drill or a restore, in time, and verified.\n")
		return
	}
	for _, d := range b.NotProven {
		name := d.Service
		if name == "" {
			name = "volume " + d.Volume
		}
		mark := "- "
		if d.Grave {
			mark = "- **!** "
		}
		fmt.Fprintf(out, "%s**%s**: %s\n", mark, markdown.Text(name), markdown.Text(d.Says))
	}
}

func (b *Runbook) writeGlance(out *strings.Builder) {
	if len(b.Services) == 0 {
		return
	}
	out.WriteString("\n## At a glance, in the order in which they are brought back\n\n")
	var rows [][]string
	for i := range b.Services {
		s := &b.Services[i]
		lost, allowed := "no snapshot", "not known"
		if s.LostNow != nil {
			lost = about(*s.LostNow)
		}
		if s.Allowed != nil {
			allowed = SpanText(seconds(*s.Allowed))
		}
		rows = append(rows, []string{fmt.Sprint(i + 1), markdown.Text(s.Service), markdown.Text(s.what()), lost, s.expects(), allowed, s.proof(b.Time)})
	}
	markdown.Table(out, []string{"#", "Service", "What", "Lost, if it goes now", "Expected to take", "Allowed", "Proven"}, rows)
	if b.Expected > 0 {
		fmt.Fprintf(out, "\nOne after the other: about %s, as far as it was measured.\n", about(b.Expected))
	}
	for i := range b.Days {
		d := &b.Days[i]
		fmt.Fprintf(out, "\nThe last DR day of %s, %s: %s.\n", markdown.Text(d.Stack), stampText(d.Began), markdown.Text(d.Verdict()))
	}
}

// about is a span of seconds as it is read: whole seconds below an hour, whole minutes from there on.
func about(s float64) string {
	d := seconds(s)
	switch {
	case d > 0 && d < time.Second/2:
		return "<1s"
	case d >= time.Hour:
		return SpanText(d.Round(time.Minute))
	}
	return SpanText(d.Round(time.Second))
}

func (s *RunbookService) what() string {
	switch {
	case s.Engine == Volume:
		return "files in " + cmp.Or(s.Volume, "a volume")
	case s.DB != "":
		return string(s.Engine) + " " + s.DB
	}
	return string(s.Engine)
}

func (s *RunbookService) expects() string {
	switch {
	case s.Expected == 0:
		return "never measured"
	case s.Unmeasured > 0:
		return "at least " + about(s.Expected)
	}
	return about(s.Expected)
}

// proof is when it was brought back last, and how.
func (s *RunbookService) proof(now time.Time) string {
	best := newer(s.Drill, s.Restore)
	if best == nil {
		return "**never**"
	}
	text := "drill"
	if best.Real {
		text = "restore"
	}
	text += " " + about(max(now.Sub(best.Began), 0).Seconds()) + " ago"
	if best.Verified == nil {
		text += ", not verified"
	}
	return text
}

// writeBefore says what must be at hand, for everything below.
func (b *Runbook) writeBefore(out *strings.Builder) {
	out.WriteString("\n## Before anything else\n\n")
	out.WriteString("On a machine that reaches the swarm and the object store, with the `quarterdeck` program:\n\n")
	lines := []string{"export DOCKER_HOST=…                  # a manager of the swarm: ssh://user@host or tcp://host:2376", "export QUARTERDECK_S3=" + cmp.Or(plainWord(b.Store), "s3+https://HOST/BUCKET/PREFIX"), "export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…",
		"export QUARTERDECK_RUNNER_IMAGE=" + cmp.Or(plainWord(b.Image), "REGISTRY/quarterdeck-runner:VERSION")}
	if b.Repository != "" && plainWord(b.Repository) != "" {
		lines = append(lines, "export QUARTERDECK_REPOSITORY_SECRET="+plainWord(b.Repository))
	}
	lines = append(lines, "quarterdeck snapshots                 # what was saved: asks the object store alone")
	markdown.Fence(out, "sh", lines...)
	out.WriteString("\nThe keys are not in this document, and neither is the repository's password. Write down here where they are kept: ______________________. **Without the repository's password nothing can be brought back.**\n")
}

// wordSigns are what an argument may consist of without quotes.
var wordSigns = regexp.MustCompile(`^[A-Za-z0-9_./:@+=,-]+$`)

// plainWord is text that a shell takes as one word; "": it is none.
func plainWord(s string) string {
	if !wordSigns.MatchString(s) {
		return ""
	}
	return s
}

func (b *Runbook) writeOne(out *strings.Builder) {
	out.WriteString("\n## One service has lost its data\n\n")
	out.WriteString("Nothing is changed until the service's name is typed. The snapshot is tried in an empty place first, and what is there now is saved, before anything is replaced.\n\n")
	out.WriteString("1. Look at what there is: `quarterdeck snapshots SERVICE`. The newest is `latest`; where the newest already has the damage in it, take one from before it.\n")
	out.WriteString("2. See the plan, which changes nothing: `quarterdeck restore SERVICE --snapshot latest --dry-run`.\n")
	out.WriteString("3. Do it: `quarterdeck restore SERVICE --snapshot latest --confirm SERVICE`. For the state at a moment: `quarterdeck restore SERVICE --at '2006-01-02 15:04' --confirm SERVICE` takes the newest snapshot at or before it.\n")
	out.WriteString("4. Or in the console: `quarterdeck`, then `8`, the service's row, `r` (from within the snapshots, `enter`, the one under the cursor), and the service's name typed.\n")
	out.WriteString("5. If it stops on the way (the terminal closed, a machine died): `quarterdeck resume` says where it is. `quarterdeck resume RUN --yes` goes on, `quarterdeck resume RUN --undo` puts back what was saved. Nothing else is safe, and nothing else is needed.\n")
	out.WriteString("6. If it came back and was the wrong snapshot: `quarterdeck undo RUN` restores what was saved before it.\n")
}

func (b *Runbook) writeAll(out *strings.Builder) {
	out.WriteString("\n## The swarm itself is gone\n\n")
	out.WriteString("1. Make a new one. On the first machine `docker swarm init --advertise-addr ADDRESS`, on the others the `docker swarm join …` that it prints.\n")
	if places := b.places(); len(places) > 0 {
		out.WriteString("2. Give the nodes what the services ask for:\n")
		for _, p := range places {
			fmt.Fprintf(out, "   - %s\n", p)
		}
	} else {
		out.WriteString("2. Give the nodes the labels that the stacks' files ask for (`docker node update --label-add NAME=VALUE NODE`).\n")
	}
	fmt.Fprintf(out, "3. Make the secret that opens the repository, with the very password and address that the old one had (its lines are in docs/backups.md): `docker secret create %s FILE`.\n", cmp.Or(plainWord(b.Repository), "qd-repository"))
	if secrets := b.secrets(); len(secrets) > 0 {
		fmt.Fprintf(out, "4. Make the services' own secrets, of which the policies name: %s. A database on an empty volume takes the password that it finds there.\n", strings.Join(secrets, ", "))
	} else {
		out.WriteString("4. Make the services' own secrets, as the stacks' files name them.\n")
	}
	fmt.Fprintf(out, "5. Deploy the stacks from their files: %s. The services start with empty data.\n", strings.Join(b.deploys(), ", "))
	out.WriteString("6. Look at what was saved: `quarterdeck snapshots`. It asks the object store alone.\n")
	out.WriteString("7. Restore in this order, each when the one before it is done. What other services have written into the empty data meanwhile is replaced:\n\n")
	var lines []string
	for i := range b.Services {
		s := &b.Services[i]
		switch {
		case !serviceName.MatchString(s.Service):
			lines = append(lines, "# a service whose name cannot be typed: see above")
		case s.Snapshot == nil:
			lines = append(lines, "# "+s.Service+": there is no snapshot of it")
		default:
			lines = append(lines, s.command())
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "# there is no service with a backup policy")
	}
	markdown.Fence(out, "sh", lines...)
	out.WriteString("\n8. See that it is well: `quarterdeck status`, `quarterdeck doctor`.\n")
}

func (s *RunbookService) command() string {
	return fmt.Sprintf("quarterdeck restore %s --snapshot latest --confirm %s", s.Service, s.Service)
}

// places are what services ask of the nodes that they run on.
func (b *Runbook) places() []string {
	var out []string
	for i := range b.Services {
		if s := &b.Services[i]; len(s.Place) > 0 {
			text := make([]string, len(s.Place))
			for k, p := range s.Place {
				text[k] = markdown.Code(p)
			}
			out = append(out, markdown.Text(s.Service)+": "+strings.Join(text, ", "))
		}
	}
	return out
}

func (b *Runbook) secrets() []string {
	var out []string
	for i := range b.Services {
		if text := markdown.Code(b.Services[i].Secret); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

func (b *Runbook) deploys() []string {
	var out []string
	for i := range b.Services {
		stack := plainWord(b.Services[i].Stack)
		text := markdown.Code("docker stack deploy --with-registry-auth -c FILE " + stack)
		if stack != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		out = append(out, markdown.Code("docker stack deploy --with-registry-auth -c FILE STACK"))
	}
	return out
}

// write tells of one service.
func (s *RunbookService) write(out *strings.Builder, n int, now time.Time) {
	fmt.Fprintf(out, "\n### %d. %s: %s\n\n", n, markdown.Text(s.Service), markdown.Text(s.what()))
	if s.Link != "" {
		fmt.Fprintf(out, "The team's own page about it: %s\n\n", markdown.Code(s.Link))
	}
	s.writeLoss(out, now)
	if len(s.Needs) > 0 {
		names := make([]string, len(s.Needs))
		for i, x := range s.Needs {
			names[i] = markdown.Text(x)
		}
		fmt.Fprintf(out, "- It needs %s: bring those back first.\n", strings.Join(names, ", "))
	}
	s.writeProof(out)
	if !serviceName.MatchString(s.Service) {
		out.WriteString("\nIts name cannot be a service's: somebody else has written the record. Nothing is to be typed.\n")
		return
	}
	if s.Snapshot == nil {
		out.WriteString("\nThere is no snapshot of it: nothing can be brought back.\n")
		return
	}
	out.WriteString("\nType:\n\n")
	markdown.Fence(out, "sh", "quarterdeck snapshots "+s.Service, s.command())
	if len(s.Steps) == 0 {
		return
	}
	out.WriteString("\nWhat it does, and how long that took when it was done last:\n\n")
	var rows [][]string
	for i := range s.Steps {
		x := &s.Steps[i]
		took, when := "not measured", ""
		if x.After {
			took = "it serves by then"
		}
		if x.Took != nil {
			took, when = about(*x.Took), stampText(x.At)
			if x.Alike {
				when += ", in a drill"
			}
		}
		rows = append(rows, []string{fmt.Sprint(i + 1), markdown.Text(x.Name), took, when})
	}
	markdown.Table(out, []string{"#", "Step", "Took", "Measured"}, rows)
	fmt.Fprintf(out, "\nTogether: %s", s.expects())
	if s.Unmeasured > 0 && s.Expected > 0 {
		fmt.Fprintf(out, " (%s never measured)", plural(s.Unmeasured, "step"))
	}
	if s.Allowed != nil {
		fmt.Fprintf(out, ". The policy allows %s", SpanText(seconds(*s.Allowed)))
		if s.Expected > *s.Allowed {
			out.WriteString(": **it takes longer than that**")
		}
	}
	out.WriteString(".\n")
}

// writeLoss says how much is lost.
func (s *RunbookService) writeLoss(out *strings.Builder, now time.Time) {
	if s.Snapshot != nil {
		fmt.Fprintf(out, "- Lost, if its data goes now: what was written since %s (%s). The newest snapshot is %s, %s, taken %s; %s.\n", stampText(s.Snapshot.Taken), about(max(now.Sub(s.Snapshot.Taken), 0).Seconds()), markdown.Code(s.Snapshot.Short()),
			bytesText(s.Snapshot.Size), s.Snapshot.by(), are(s.Kept))
	} else {
		out.WriteString("- **Lost, if its data goes now: all of it.** There is no snapshot.\n")
	}
	if s.LostMost != nil {
		fmt.Fprintf(out, "- Lost at most, when all goes by the schedule (%s): what was written in %s, and while the backup ran.", markdown.Span(s.Schedule), about(*s.LostMost))
		if s.MaxAge != nil {
			fmt.Fprintf(out, " The policy allows a snapshot to be %s old.", SpanText(seconds(*s.MaxAge)))
		}
		out.WriteString("\n")
	}
}

// by is why the snapshot was made.
func (s *Snapshot) by() string {
	if s.Origin == Scheduled {
		return "by the schedule"
	}
	return "by hand"
}

func are(n int) string {
	if n == 1 {
		return "it is the only one"
	}
	return fmt.Sprintf("%d are there", n)
}

// bytesText is a number of bytes in powers of 1024.
func bytesText(n int64) string {
	v, unit := float64(max(n, 0)), 0
	for v >= 1024 && unit < 5 {
		v /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%.0f B", v)
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[unit-1])
}

// writeProof says what was shown, and when.
func (s *RunbookService) writeProof(out *strings.Builder) {
	if s.Drill == nil && s.Restore == nil {
		out.WriteString("- **Never proven:** no drill and no restore of it has ended well.\n")
	}
	for _, x := range []struct {
		d    *Drill
		word string
	}{{s.Drill, "The last drill"}, {s.Restore, "The last restore"}} {
		d := x.d
		if d == nil {
			continue
		}
		fmt.Fprintf(out, "- %s that went well: %s, of snapshot %s. The data (%s) was back after %s (RTO); %s of the newest data were not in it (RPO).", x.word, stampText(d.Began), markdown.Code(d.Short()), bytesText(d.Bytes), about(d.RTO), about(d.RPO))
		switch {
		case d.Verified == nil:
			out.WriteString(" It was read back, and not verified.\n")
		default:
			fmt.Fprintf(out, " Verified by %s, which ended with %d.\n", markdown.Span(d.Verified.Command), d.Verified.Exit)
		}
	}
}
