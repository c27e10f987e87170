package ui

import "time"

// brush is the first of two moments that are to be compared.
type brush struct{ a time.Time }
