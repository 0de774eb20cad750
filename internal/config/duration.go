package config

import (
	"errors"
	"time"
)

// A Duration is a length of time written as a Go duration: 250ms, 1h30m, 0. A
// bare number is refused, as its unit would be a guess. Fields of type
// time.Duration are read in the same way.
type Duration time.Duration

// Std gives the time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String gives the form that UnmarshalText reads.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText gives the form that UnmarshalText reads, and never an error.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a Go duration. The error does not show the text.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New("want a duration with its unit, such as 250ms, 30s or 1h30m")
	}
	*d = Duration(v)
	return nil
}
