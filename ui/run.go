package ui

import (
	"context"
	"errors"
	"sync"

	tea "charm.land/bubbletea/v2"
)

// Run shows the console until it is quit, ctx ends, or the terminal goes away. It returns after its
// goroutines have ended and the terminal is as it was.
func Run(ctx context.Context, m *Model, options ...tea.ProgramOption) error {
	return RunModel(ctx, m, m, options...)
}

// RunModel is Run with the model wrapped in another, for measuring.
func RunModel(ctx context.Context, m *Model, outer tea.Model, options ...tea.ProgramOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer m.leave()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var program *tea.Program
	paced := pace(outer, func() *tea.Program { return program })
	defer paced.stop()
	program = tea.NewProgram(paced, append([]tea.ProgramOption{tea.WithFilter(calm)}, options...)...)
	if m.feed != nil {
		wg.Go(func() { m.feed.Run(ctx) })
	}
	p := pump{fleet: m.o.Fleet, lines: m.logs.lines, runs: m.hands.news, saved: m.o.Backups.Changed(), gates: m.o.Stages.Changed(), scales: m.o.Scaling.Changed(), desk: m.o.Incidents.Changed(), send: func(w wakeMsg) { program.Send(w) }}
	wg.Go(func() { p.Run(ctx) })
	// Asked to quit and not killed by its context, the program waits for what reads the terminal before it lets go of it.
	defer context.AfterFunc(ctx, program.Quit)()
	_, err := program.Run()
	if ctx.Err() != nil && (err == nil || errors.Is(err, tea.ErrProgramKilled) && !errors.Is(err, tea.ErrProgramPanic)) {
		return context.Cause(ctx)
	}
	return err
}

// calm lets through only what means something: a mouse that is moved floods the program otherwise.
func calm(_ tea.Model, msg tea.Msg) tea.Msg {
	if _, ok := msg.(tea.MouseMotionMsg); ok {
		return nil
	}
	return msg
}
