package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// redisLedger is the hash "entries" and the number "last", written together. The server has to
// have appendfsync always for a row to be committed when it says so.
type redisLedger struct {
	config
	client *redis.Client
}

func (l *redisLedger) open(ctx context.Context) error {
	password, err := l.password()
	if err != nil {
		return err
	}
	l.client = redis.NewClient(&redis.Options{
		Addr: l.writeTo, Password: password, MaxRetries: -1, PoolSize: 1,
		DialTimeout: writeWithin, ReadTimeout: checkWithin, WriteTimeout: writeWithin, ContextTimeoutEnabled: true,
	})
	return l.client.Ping(ctx).Err()
}

func (l *redisLedger) last(ctx context.Context) (entry, error) {
	number, err := l.client.Get(ctx, "last").Result()
	if errors.Is(err, redis.Nil) {
		return entry{}, nil
	}
	if err != nil {
		return entry{}, err
	}
	value, err := l.client.HGet(ctx, "entries", number).Result()
	if err != nil {
		return entry{}, fmt.Errorf("row %s, the last one: %w", number, err)
	}
	return entryOf(number, value)
}

func (l *redisLedger) put(ctx context.Context, e entry) error {
	_, err := l.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, "entries", e.n, strings.Join([]string{e.written, e.payload, e.sum}, " "))
		p.Set(ctx, "last", e.n, 0)
		return nil
	})
	return err
}

func (l *redisLedger) each(ctx context.Context, f func(entry)) error {
	all, err := l.client.HGetAll(ctx, "entries").Result() // at one moment, which HSCAN is not
	if err != nil {
		return err
	}
	for number, value := range all {
		e, err := entryOf(number, value)
		if err != nil {
			return err
		}
		f(e)
	}
	return nil
}

// entryOf reads a row as put wrote it.
func entryOf(number, value string) (entry, error) {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return entry{}, err
	}
	part := strings.SplitN(value, " ", 3)
	if len(part) != 3 {
		return entry{}, fmt.Errorf("row %d has %d parts", n, len(part))
	}
	return entry{n: n, written: part[0], payload: part[1], sum: part[2]}, nil
}

func (l *redisLedger) close() {
	if l.client != nil {
		_ = l.client.Close()
	}
}
