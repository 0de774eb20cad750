//go:build race

package main

// raceEnabled: the race detector makes all several times slower.
const raceEnabled = true
