package prometheus

import (
	"context"
	"time"
)

// memo remembers an answer for a while. Who asks while it is being fetched waits for that fetch, as long
// as his own context lasts; a fetch that fails is not remembered.
type memo[T any] struct {
	turn  chan struct{} // holds one token: who has it may read and write the rest
	state *memoState[T]
}

type memoState[T any] struct {
	value T
	until time.Time
}

func newMemo[T any]() memo[T] {
	m := memo[T]{turn: make(chan struct{}, 1), state: &memoState[T]{}}
	m.turn <- struct{}{}
	return m
}

// get gives the remembered value, or fetches it; fetch says how long its value holds.
func (m memo[T]) get(ctx context.Context, fetch func(context.Context) (T, time.Duration, error)) (T, error) {
	var zero T
	select {
	case <-m.turn:
		defer func() { m.turn <- struct{}{} }()
	case <-ctx.Done():
		return zero, ctx.Err()
	}
	if time.Now().Before(m.state.until) {
		return m.state.value, nil
	}
	v, hold, err := fetch(ctx)
	if err != nil {
		return zero, err
	}
	m.state.value, m.state.until = v, time.Now().Add(hold)
	return v, nil
}
