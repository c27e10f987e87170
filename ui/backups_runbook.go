package ui

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/recovery"
)

// backupsStack is the stack of the row under the cursor; "": it is of none.
func (m *Model) backupsStack() string {
	if v := m.snap.Service(m.backupsService()); v != nil {
		return v.Stack
	}
	return ""
}

// openRunbook writes the runbook of the stack under the cursor, of a service without one its own, and shows it.
func (m *Model) openRunbook() tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	o, of := actions.RunbookOptions{}, ""
	if stack := m.backupsStack(); stack != "" {
		o.Stack, of = stack, stack
	} else if service := m.backupsService(); service != "" {
		o.Services, of = []string{service}, service
	}
	b := &readingBox{head: strings.TrimSpace("runbook " + inLine(of)), name: "runbook-" + safeName(of, "all") + "-" + m.o.Now().UTC().Format("20060102-150405") + ".md"}
	deck := m.o.Deck
	return m.read(b, func(ctx context.Context) (string, error) {
		book, err := deck.Runbook(ctx, o)
		if err != nil {
			return "", err
		}
		var out strings.Builder
		err = book.Markdown(&out)
		return out.String(), err
	})
}

// read shows a text that a command writes.
func (m *Model) read(b *readingBox, write func(context.Context) (string, error)) tea.Cmd {
	m.overlay = b
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		text, err := write(ctx)
		return handoverMsg{box: b, text: text, err: err}
	}
}

// askDay plans a DR day of the stack under the cursor: of each service the newest snapshot, or at a past moment the newest at or before it.
func (m *Model) askDay() tea.Cmd {
	stack := m.backupsStack()
	if stack == "" {
		return m.say("a DR day is of a whole stack, and this is of none: D drills a service")
	}
	at := m.when.at
	return m.requestPlan("DR day of "+stack, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanDay(ctx, stack, at) })
}

// lastDay is the last DR day of a stack that is known at the moment; nil: there was none, or nobody could look.
func (m *Model) lastDay(stack string) *recovery.Day {
	c := contentsThen(m.backups.contents, m.then())
	if c == nil || len(c.Days[stack]) == 0 {
		return nil
	}
	d := c.Days[stack][0].Completed(c)
	return &d
}

// dayWords are what came of the last DR day of the stack under the cursor; "": nothing can be said.
func (m *Model) dayWords() string {
	stack := m.backupsStack()
	if stack == "" || m.backups.contents == nil {
		return ""
	}
	d := m.lastDay(stack)
	if d == nil {
		return "no DR day of " + stack + " yet"
	}
	ok, all := d.Count()
	words := "DR day of " + stack + " " + calmAge(d.Began, m.then().At) + " ago: " + fmt.Sprintf("%d of %d", ok, all)
	switch {
	case d.Ended.IsZero():
		words += ", not ended"
	case ok > 0:
		words += " in " + brief(d.Took())
	}
	return words
}

// openDay shows the report of a DR day.
func (m *Model) openDay(d *recovery.Day, under overlay) tea.Cmd {
	b := &readingBox{head: "DR day of " + inLine(d.Stack), name: "dr-day-" + safeName(d.Stack, "stack") + "-" + d.Began.UTC().Format("20060102-150405") + ".md", under: under}
	return m.read(b, func(context.Context) (string, error) {
		var out strings.Builder
		err := d.Markdown(&out)
		return out.String(), err
	})
}

// dayCommand is the palette's way to the report of the last DR day.
func (m *Model) dayCommand() tea.Cmd {
	stack := m.backupsStack()
	if d := m.lastDay(stack); d != nil {
		return m.openDay(d, nil)
	}
	return m.say("no DR day of this stack is recorded: P in the backups begins one")
}
