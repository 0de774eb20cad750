package proxy

import (
	"errors"
	"time"
)

// A Date is a day, written as 2026-07-14, which begins at midnight UTC. The zero
// value is none.
type Date struct{ time.Time }

// UnmarshalText reads a day. The error does not show the text.
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return errors.New("want a day, such as 2026-07-14")
	}
	d.Time = t
	return nil
}

// since gives the days that the file has for its credentials.
func (s FileStore) since() map[string]time.Time {
	since := make(map[string]time.Time)
	for _, c := range s.Credentials {
		if !c.Since.IsZero() {
			since[c.AccessKeyID] = c.Since.Time
		}
	}
	return since
}
