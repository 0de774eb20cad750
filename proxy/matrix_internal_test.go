package proxy

import (
	"os"
	"strings"
	"testing"

	"hyok/hsm"
)

// TestFaultMatrixSaysWhatTheProxyAnswers holds the column of the proxy's errors
// in the fault matrix, whose other columns are tested with hsm, to deviceErrors.
func TestFaultMatrixSaysWhatTheProxyAnswers(t *testing.T) {
	sentinels := map[string]error{
		"ErrTimeout": hsm.ErrTimeout, "ErrUnavailable": hsm.ErrUnavailable, "ErrKeyNotFound": hsm.ErrKeyNotFound,
		"ErrKeyUsage": hsm.ErrKeyUsage, "ErrInvalidCiphertext": hsm.ErrInvalidCiphertext, "ErrBadInput": hsm.ErrBadInput,
		"ErrPIN": hsm.ErrPIN, "ErrUnsupported": hsm.ErrUnsupported,
	}
	document, err := os.ReadFile("../docs/fault-matrix.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(document)) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `C_") || len(cells) != 5 {
			continue
		}
		rows++
		errs, names := strings.Split(cells[2], " or "), strings.Split(cells[3], " or ")
		if len(errs) != len(names) {
			t.Fatalf("%d errors and %d names: %s", len(errs), len(names), line)
		}
		for i, err := range errs {
			want := "none"
			if err != "none" {
				if sentinels[err] == nil {
					t.Fatalf("there is no %q: %s", err, line)
				}
				want = string(deviceFailure(sentinels[err]).Name)
			}
			if names[i] != want {
				t.Errorf("the proxy answers %s: %s", want, line)
			}
		}
	}
	if rows < 200 {
		t.Errorf("the matrix has %d rows", rows)
	}
}
