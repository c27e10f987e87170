//go:build !race

package diagnosis_test

const raceSlows = 1
