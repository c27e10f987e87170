package main

import (
	"path/filepath"
	"testing"
	"time"

	"quarterdeck/cmd/quarterdeck/config"
	"quarterdeck/incident"
)

// TestConsoleKnowsItsJournal: what a console begins with has the incident that is open in this machine's journal, before any source has answered.
func TestConsoleKnowsItsJournal(t *testing.T) {
	set := &config.Settings{Name: "first frame", Timeout: time.Second, LogMemory: config.DefaultLogMemory, Theme: "dark", LogFile: filepath.Join(t.TempDir(), "log"), StateDir: t.TempDir(), Actor: "ada@example.com"}
	set.Context.Host = "tcp://127.0.0.1:1"
	p, err := openPlatform(set)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	d, err := p.deck()
	if err != nil {
		t.Fatal(err)
	}
	x, err := p.desk(d).Start(incident.Opening{Title: "no cards", Services: []string{"shop_payments"}})
	if err != nil {
		t.Fatal(err)
	}
	if open := p.deskOfConsole(d).Ongoing(); len(open) != 1 || open[0].ID != x.ID {
		t.Errorf("%+v", open)
	}
}
