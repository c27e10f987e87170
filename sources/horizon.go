package sources

import (
	"context"
	"time"
)

// Horizon is how far back lines can be had.
type Horizon struct {
	// Oldest: nothing from before it can be had; zero: that is not known.
	Oldest time.Time
	// Why says in words what bounds it, or why it is not known.
	Why string
}

// Horizoner is a [Logs] that knows how far back it can be asked. It may ask its server, and remembers what that said.
type Horizoner interface {
	Horizon(ctx context.Context) Horizon
}
