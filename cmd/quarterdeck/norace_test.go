//go:build !race

package main

const megabyte = 1 << 20
