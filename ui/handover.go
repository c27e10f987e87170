package ui

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
)

// handoverSince is how far back a handover goes if nothing else is asked for: a watch.
const handoverSince = "12h"

// askHandover asks from when on is handed over.
func (m *Model) askHandover() tea.Cmd {
	m.overlay = newAsk(m, "handover", "since: ", handoverSince, []string{"From when on? A length of time (90m, 12h, 2d), a time of day (08:00), or a date (2006-01-02, with a time or without)."},
		func(m *Model, text string) (tea.Cmd, string) {
			since, err := parseSince(text, m.o.Now(), m.o.Location)
			if err != nil {
				return nil, err.Error()
			}
			return m.openHandover(since), ""
		})
	return nil
}

// parseSince reads a moment in the past: so long ago, a time of day, or a date.
func parseSince(text string, now time.Time, loc *time.Location) (time.Time, error) {
	text = strings.TrimSpace(text)
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * 24 * float64(time.Hour))
	}
	if err == nil {
		if d <= 0 || d > 10*366*24*time.Hour {
			return time.Time{}, fmt.Errorf("%q is no time that lies behind", text)
		}
		return now.Add(-d), nil
	}
	if t, err := time.ParseInLocation("15:04", text, loc); err == nil {
		here := now.In(loc)
		at := time.Date(here.Year(), here.Month(), here.Day(), t.Hour(), t.Minute(), 0, 0, loc)
		if at.After(now) {
			at = time.Date(here.Year(), here.Month(), here.Day()-1, t.Hour(), t.Minute(), 0, 0, loc)
		}
		return at, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, loc); err == nil {
			if t.After(now) {
				return time.Time{}, fmt.Errorf("%s is not over yet", text)
			}
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: 12h, 2d, 08:00 or 2006-01-02 15:04", text)
}

// openHandover writes the handover in a command, and shows it.
func (m *Model) openHandover(since time.Time) tea.Cmd {
	b := &readingBox{head: "handover since " + m.clock(since), name: "handover-" + safeName(m.o.Context, "swarm") + "-" + m.o.Now().UTC().Format("20060102-150405") + ".md"}
	deck := m.o.Deck
	return m.read(b, func(ctx context.Context) (string, error) { return handoverText(ctx, deck, since) })
}

func handoverText(ctx context.Context, deck *actions.Deck, since time.Time) (string, error) {
	h, err := deck.Handover(ctx, actions.HandoverOptions{Since: since})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = h.Markdown(&b)
	return b.String(), err
}

// save writes the text to a new file.
func (b *readingBox) save(m *Model) tea.Cmd {
	return m.saveText(b.name, b.text)
}

// saveText writes a text to a new file, away from the drawing goroutine.
func (m *Model) saveText(name, text string) tea.Cmd {
	path := filepath.Join(m.o.SaveDir, name)
	return func() tea.Msg { return saveNew(path, writeText(text)) }
}
