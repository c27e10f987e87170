package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// filesLedger is a folder with a file a row: entry-NUMBER-SUM, whose content has that sum. A file gets its
// name when it is whole, so one that is seen is whole. All are in one folder, so that whoever lists it while
// it grows sees no later one without the earlier ones.
type filesLedger struct{ dir string }

const entriesDir, entryPrefix = "entries", "entry-"

func (l *filesLedger) open(context.Context) error { return os.MkdirAll(l.entries(), 0o755) }

func (l *filesLedger) entries() string { return filepath.Join(l.dir, entriesDir) }

func (l *filesLedger) last(context.Context) (entry, error) {
	list, err := os.ReadDir(l.entries()) // in the order of names, which is that of numbers
	for i := len(list) - 1; i >= 0; i-- {
		if strings.HasPrefix(list[i].Name(), entryPrefix) {
			return l.read(list[i].Name())
		}
	}
	return entry{}, err
}

func (l *filesLedger) put(_ context.Context, e entry) error {
	temp := filepath.Join(l.entries(), ".new")
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(e.text()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(l.entries(), fmt.Sprintf("%s%09d-%s", entryPrefix, e.n, e.sum))); err != nil {
		return err
	}
	folder, err := os.Open(l.entries())
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

func (l *filesLedger) each(ctx context.Context, f func(entry)) error {
	list, err := os.ReadDir(l.entries())
	if err != nil {
		return err
	}
	for _, file := range list {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !strings.HasPrefix(file.Name(), entryPrefix) {
			continue
		}
		e, err := l.read(file.Name())
		if err != nil {
			return err
		}
		f(e)
	}
	return nil
}

// read takes the number and the sum from the name, and the rest from the content: what does not fit is no good row.
func (l *filesLedger) read(name string) (entry, error) {
	number, sum, _ := strings.Cut(strings.TrimPrefix(name, entryPrefix), "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return entry{}, err
	}
	content, err := os.ReadFile(filepath.Join(l.entries(), name))
	if err != nil {
		return entry{}, err
	}
	e := entry{n: n, sum: sum}
	if part := strings.SplitN(string(content), " ", 3); len(part) == 3 && part[0] == fmt.Sprint(n) {
		e.written, e.payload = part[1], part[2]
	}
	return e, nil
}

func (l *filesLedger) close() {}
