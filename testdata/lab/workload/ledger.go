package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// entry is one committed row of a ledger: a number, when it was made, a payload that follows from the
// number, and the sum of the three, so that a row that is lost, changed or made up is seen by itself.
type entry struct {
	n       int64
	written string // RFC 3339, of the writer's clock
	payload string
	sum     string // sha256 of "n written payload", hexadecimal
}

func newEntry(n int64, now time.Time) entry {
	e := entry{n: n, written: now.UTC().Format(time.RFC3339Nano), payload: payload(n)}
	e.sum = hash(e.text())
	return e
}

func (e *entry) text() string { return fmt.Sprintf("%d %s %s", e.n, e.written, e.payload) }

// good tells whether the row is as a writer made it.
func (e *entry) good() bool { return e.payload == payload(e.n) && e.sum == hash(e.text()) }

func payload(n int64) string { return strings.Repeat(hash(fmt.Sprint("payload ", n)), 3) }

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// ledger is where rows are kept. It is used by one goroutine.
type ledger interface {
	// open connects, and makes the table or folder where there is none.
	open(ctx context.Context) error
	// last is the row with the highest number; n is 0 where there is none.
	last(ctx context.Context) (entry, error)
	// put returns once the row is committed: a crash of the server does not lose it.
	put(ctx context.Context, e entry) error
	// each gives every row once, in any order.
	each(ctx context.Context, f func(entry)) error
	close()
}

// newLedger is nil where no writer is asked for.
func newLedger(c config) (ledger, error) {
	switch c.writer {
	case "":
		return nil, nil
	case "postgres", "mysql":
		return &sqlLedger{config: c}, nil
	case "redis":
		return &redisLedger{config: c}, nil
	case "files":
		return &filesLedger{dir: c.writeTo}, nil
	}
	return nil, fmt.Errorf("WRITER is %q: postgres, mysql, redis or files", c.writer)
}
