//go:build race

package main

// megabyte is smaller under the race detector, which makes the work on it twenty times slower.
const megabyte = 1 << 16
