//go:build !race

package main

// raceEnabled: the race detector takes several times the memory.
const raceEnabled = false
