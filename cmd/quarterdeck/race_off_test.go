//go:build !race

package main

const raceSlows = 1
