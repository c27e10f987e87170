//go:build !linux

package journal

import (
	"errors"
	"time"
)

const lookAnyway = 5 * time.Second

// news is not to be had here without a library of its own: Follow looks at the file every pollEvery.
func news(string) (changed <-chan struct{}, stop func(), err error) {
	return nil, nil, errors.ErrUnsupported
}
