package swarm

import (
	"context"

	"quarterdeck/sources"
)

func (c *Client) Watch(ctx context.Context, emit func(sources.Change)) error { return nil }
