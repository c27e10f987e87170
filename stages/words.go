package stages

import (
	"fmt"
	"time"
)

// settling is how long a new service may take until its lines and figures are expected.
const settling = 5 * time.Minute

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
