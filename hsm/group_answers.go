package hsm

import (
	"context"
	"errors"
	"fmt"
)

// errNoVersion is ErrInvalidCiphertext of a version that the key does not have,
// which another token may know.
var errNoVersion = fmt.Errorf("%w: the key has no such version", ErrInvalidCiphertext)

// A verdict says what one member's error means to a group.
type verdict uint8

const (
	verdictAway  verdict = iota // the member could not do it: another one may
	verdictAlone                // another one may see it otherwise: counts when all say the same
	verdictFinal                // all members would say so
)

// groupVerdicts are the errors that do not mean that the member was away. The
// first row that fits counts.
var groupVerdicts = []struct {
	err     error
	verdict verdict
}{
	{ErrTimeout, verdictAway},
	{ErrUnavailable, verdictAway},
	{ErrBadInput, verdictFinal},
	{ErrKeyDisabled, verdictFinal},
	{ErrKeyUsage, verdictFinal},
	{ErrKeyNotFound, verdictAlone},
	{errNoVersion, verdictAlone},
	{ErrInvalidCiphertext, verdictFinal},
}

// judge gives the row of err too; -1: none, as for PIN, login or an ambiguous
// label, which are matters of one member. differ says that the members hold
// different keys, so that a ciphertext may be another's.
func judge(err error, differ bool) (v verdict, row int) {
	for i, r := range groupVerdicts {
		if !errors.Is(err, r.err) {
			continue
		}
		var code *CodeError
		byDevice := errors.As(err, &code) // which may be broken, unlike a check of ours
		if r.verdict == verdictFinal && (byDevice || differ && r.err == ErrInvalidCiphertext) {
			return verdictAlone, i
		}
		return r.verdict, i
	}
	return verdictAway, -1
}

// outWith tells whether a member that gives err is to be tried last for now. An
// ambiguous label, or a mechanism it does not have, says nothing of other keys.
func outWith(err error) bool {
	v, _ := judge(err, false)
	return v == verdictAway && !errors.Is(err, ErrAmbiguous) && !errors.Is(err, ErrUnsupported)
}

// A tally is what the members that were tried have said.
type tally struct {
	asked int
	away  error // the last of those that could not do it
	alone error // the last of the others
	row   int   // of alone
	mixed bool  // they do not say the same
}

// add takes a member's error and tells whether it counts for all.
func (t *tally) add(err error, differ bool) (counts bool) {
	t.asked++
	v, row := judge(err, differ)
	switch v {
	case verdictAway:
		t.away = err
	case verdictAlone:
		t.mixed = t.mixed || t.alone != nil && row != t.row
		t.alone, t.row = err, row
	}
	return v == verdictFinal
}

// sum is the error of a group of so many members. What is the caller's turn is
// said only if all of them have said the same.
func (t *tally) sum(members int, ctx context.Context) error {
	switch {
	case t.away != nil && t.asked > 1:
		return fmt.Errorf("of %d members none could do it, the last one: %w", t.asked, t.away)
	case t.away != nil:
		return t.away
	case t.asked < members:
		return timedOut(ctx)
	case t.mixed:
		return fmt.Errorf("%w: the members say different things, the last one: %v", ErrUnavailable, t.alone)
	}
	return t.alone
}
