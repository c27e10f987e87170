//go:build race

package diagnosis_test

// raceSlows is by how much the race detector slows what is waited for.
const raceSlows = 8
