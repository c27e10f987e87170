package sources

import (
	"context"
	"time"
)

// Object is one thing in an object store.
type Object struct {
	Key      string // under the store's prefix, without a slash before it
	Size     int64  // bytes
	Modified time.Time
	ETag     string
}

// Objects is an object store, as far as records need it: small things under a prefix. Safe for concurrent use.
//
// Errors are *Error. NotFound: there is no such key, or no such bucket. Conflict: Create found the key taken. OverLimit: the object is larger than was asked for.
type Objects interface {
	// List gives what is below a prefix, in the order of the keys.
	List(ctx context.Context, prefix string) ([]Object, error)
	// Get reads an object of at most limit bytes.
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	// Put writes an object, over one that is there.
	Put(ctx context.Context, key string, data []byte) error
	// Create writes an object if there is none of that key (If-None-Match: *), and else gives Conflict. Of two at the same moment one wins.
	Create(ctx context.Context, key string, data []byte) error
	// Remove removes an object; one that is not there is as good.
	Remove(ctx context.Context, key string) error
}
