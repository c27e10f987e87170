package world

import (
	"encoding/hex"
	"math"
	"strconv"
)

// mix is SplitMix64's finaliser: a cheap hash whose bits are all usable.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// unit maps a hash to [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// spread maps a hash to [1-width, 1+width).
func spread(h uint64, width float64) float64 { return 1 + width*(2*unit(h)-1) }

func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

const base36 = "0123456789abcdefghijklmnopqrstuvwxyz"

// swarmID makes a 25-character id as swarmkit's identity package does.
func swarmID(h uint64) string {
	var b [25]byte
	seed := mix(h)
	for i := range b {
		if i%12 == 0 {
			h = mix(seed + uint64(i)) //nolint:gosec // small
		}
		b[i] = base36[h%36]
		h /= 36
	}
	if b[0] < 'a' {
		b[0] = 'a' + (b[0]-'0')%26
	}
	return string(b[:])
}

// hexID makes a 64-digit id as containerd's and libnetwork's.
func hexID(h uint64) string {
	var b [32]byte
	for i := 0; i < 32; i += 8 {
		h = mix(h)
		for j := range 8 {
			b[i+j] = byte(h >> (8 * j))
		}
	}
	return hex.EncodeToString(b[:])
}

func itoa(n int) string { return strconv.Itoa(n) }

// phi is the standard normal distribution function.
func phi(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
