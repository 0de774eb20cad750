package kmsfront

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
)

// guideStates are the columns of testdata/keystates.txt.
var guideStates = []string{
	api.KeyStateEnabled, api.KeyStateDisabled, api.KeyStatePendingDeletion, api.KeyStatePendingImport,
	api.KeyStateUnavailable, api.KeyStateCreating, api.KeyStateUpdating,
}

// guideTable reads a table of the guide from testdata: the operation, then its cells.
func guideTable(t *testing.T, file string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string][]string)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "#" {
			rows[f[0]] = f[1:]
		}
	}
	return rows
}

// footnotes are the guide's, by their marks (004:8621-8638).
var footnotes = map[string]string{
	"1": "DisabledException: KEY is disabled.",
	// [2] or [3] is read as [3].
	"2/3": "KMSInvalidStateException: KEY is pending deletion.",
	"3":   "KMSInvalidStateException: KEY is pending deletion.",
	"4":   "KMSInvalidStateException: KEY is not pending deletion.",
	"5":   "KMSInvalidStateException: KEY is pending import.",
	"6":   "UnsupportedOperationException: KEY origin is ORIGIN which is not valid for this operation.",
	"7":   "UnsupportedOperationException: KEY origin is ORIGIN which is not valid for this operation.",
	"8":   "KMSInvalidStateException: KEY is pending deletion.",
	"9":   "UnsupportedOperationException: KEY origin is ORIGIN which is not valid for this operation.",
	"C10": "KMSInvalidStateException: KEY is pending deletion.", // the destination's cell
	"11":  "KMSInvalidStateException: KEY is unavailable. You cannot perform this operation on an unavailable KMS key.",
	"14":  "KMSInvalidStateException: KEY is creating.",
	"15":  "KMSInvalidStateException: KEY is updating.",
}

// expectedByGuide is what a mark means for a key of an origin; empty: success.
func expectedByGuide(mark, origin string) string {
	foreign := origin != api.OriginTypeAwsKms // imported, or in a custom key store
	imported := origin == api.OriginTypeExternal
	switch mark {
	case "C7":
		mark = pick(foreign, "7", "Y")
	case "1|7", "3|7":
		mark = pick(foreign, "7", mark[:1])
	case "C9":
		mark = pick(imported, "Y", "9")
	case "8|9":
		mark = pick(imported, "8", "9")
	case "9":
		mark = pick(imported, "Y", "9") // an imported key is never unavailable
	}
	if mark == "Y" {
		return ""
	}
	return strings.ReplaceAll(footnotes[mark], "ORIGIN", origin)
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// possible says whether a key of an origin can be in a state (guide 004:8526-8539).
func possible(state, origin string) bool {
	inStore := origin == api.OriginTypeAwsCloudhsm || origin == api.OriginTypeExternalKeyStore
	switch state {
	case api.KeyStatePendingImport:
		return origin == api.OriginTypeExternal
	case api.KeyStateUnavailable:
		return inStore
	case api.KeyStateCreating, api.KeyStateUpdating:
		return !inStore // multi-Region keys
	}
	return true
}

var origins = []string{api.OriginTypeAwsKms, api.OriginTypeExternal, api.OriginTypeAwsCloudhsm, api.OriginTypeExternalKeyStore}

func TestEveryCellOfTheKeyStateTable(t *testing.T) {
	cells := 0
	for operation, marks := range guideTable(t, "keystates.txt") {
		row := ruleSet[operation].states
		for i, state := range guideStates {
			for _, origin := range origins {
				if marks[i] == "-" || !possible(state, origin) {
					continue
				}
				cells++
				k := &Key{Key: material.Key{ARN: "KEY", Origin: origin}}
				if got := message(row.check(k, state)); got != expectedByGuide(marks[i], origin) {
					t.Errorf("%s, %s, %s: got %q, want %q", operation, state, origin, got, expectedByGuide(marks[i], origin))
				}
			}
		}
	}
	if cells < 700 {
		t.Errorf("only %d cells were walked", cells)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestPendingReplicaDeletionIsNamed(t *testing.T) {
	k := &Key{Key: material.Key{ARN: "KEY", Origin: api.OriginTypeAwsKms}}
	err := ruleSet["Encrypt"].states.check(k, api.KeyStatePendingReplicaDeletion)
	if want := "KMSInvalidStateException: KEY is pending replica deletion."; message(err) != want {
		t.Errorf("got %q, want %q", message(err), want)
	}
}

// Rows that the guide does not have take those of operations of their kind.
func TestNewestOperationsTakeRowsOfTheirKind(t *testing.T) {
	for newest, like := range map[string]string{"DeriveSharedSecret": "Sign", "GetKeyLastUsage": "DescribeKey"} {
		a, b := *ruleSet[newest].states, *ruleSet[like].states
		a.Operation, b.Operation = "", ""
		if a != b {
			t.Errorf("%s has the row %v, want %s's %v", newest, a, like, b)
		}
	}
}

func TestEveryOperationHasAllItsRows(t *testing.T) {
	for name := range api.Operations {
		r := ruleSet[name]
		if r == nil || r.states == nil || r.types == nil {
			t.Errorf("%s lacks a row", name)
		}
	}
	if len(ruleSet) != 54 || len(operations) != 54 || len(stateTable) != 54 || len(typeTable) != 54 {
		t.Errorf("rows: %d operations, %d key states, %d key types; want 54 each",
			len(operations), len(stateTable), len(typeTable))
	}
}

func TestKeyStateTableHasNoOperationOfItsOwn(t *testing.T) {
	guide := guideTable(t, "keystates.txt")
	for _, row := range stateTable {
		marked := []string{"DeriveSharedSecret", "GetKeyLastUsage"}
		namesKey := row != (keyStates{Operation: row.Operation})
		if _, inGuide := guide[row.Operation]; !inGuide && namesKey && !slices.Contains(marked, row.Operation) {
			t.Errorf("%s is not in the guide's table", row.Operation)
		}
	}
}

func TestStateErrorsAreTyped(t *testing.T) {
	k := &Key{Key: material.Key{ARN: "KEY", Origin: api.OriginTypeAwsKms}}
	var e *api.Error
	if err := ruleSet["Encrypt"].states.check(k, api.KeyStateDisabled); !errors.As(err, &e) || e.HTTPStatus() != 400 {
		t.Errorf("got %v, want an *api.Error with status 400", err)
	}
}
