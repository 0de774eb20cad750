package xks

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// The table of XKS facts 1.11.
var errorRows = []struct {
	name      ErrorName
	status    int
	retryable bool
}{
	{"ValidationException", 400, false},
	{"InvalidStateException", 400, false},
	{"InvalidCiphertextException", 400, false},
	{"InvalidKeyUsageException", 400, false},
	{"AuthenticationFailedException", 401, false},
	{"AccessDeniedException", 403, false},
	{"KeyNotFoundException", 404, false},
	{"InvalidUriPathException", 404, false},
	{"ThrottlingException", 429, true},
	{"UnsupportedOperationException", 501, false},
	{"DependencyTimeoutException", 503, true},
	{"InternalException", 500, true},
}

func TestErrorNamesHaveTheStatusOfTheProtocol(t *testing.T) {
	for _, row := range errorRows {
		if !row.name.Valid() || row.name.Status() != row.status || row.name.Retryable() != row.retryable {
			t.Errorf("%s: valid %t, status %d, retryable %t; want status %d, retryable %t",
				row.name, row.name.Valid(), row.name.Status(), row.name.Retryable(), row.status, row.retryable)
		}
	}
	if len(errorTable) != len(errorRows) {
		t.Errorf("the protocol has %d names, the table %d", len(errorRows), len(errorTable))
	}
	if other := ErrorName("Other"); other.Valid() || other.Status() != 500 || other.Retryable() {
		t.Error("an unknown name must be invalid and have status 500")
	}
}

func TestErrorsSayWhatHappened(t *testing.T) {
	err := error(&TransportError{Kind: TimedOut, Attempts: 2, Err: io.EOF})
	if !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "TimedOut") {
		t.Errorf("got %v", err)
	}
	for kind, want := range map[TransportKind]string{
		Unreachable: "Unreachable", TimedOut: "TimedOut", TLS: "TLS", InvalidResponse: "InvalidResponse", 9: "TransportKind(9)",
	} {
		if kind.String() != want {
			t.Errorf("got %s, want %s", kind, want)
		}
	}
	if got := (&Error{Name: InternalException}).Error(); got != "InternalException" {
		t.Errorf("got %q", got)
	}
}

func TestPrintableMessage(t *testing.T) {
	got := PrintableMessage("a\nb\x7f\u00e9" + strings.Repeat("x", 600))
	if !strings.HasPrefix(got, "a?b??x") || len(got) >= 512 {
		t.Errorf("got %d characters: %.20q", len(got), got)
	}
}
