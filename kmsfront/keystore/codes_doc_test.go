package keystore

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hyok/proxy/xks"
)

var writeCodes = flag.Bool("write-codes", false, "write the document of connection error codes and proxy events")

const codesFile = "../../docs/connection-codes.md"

const codesHead = `# Connection error codes and what a proxy can answer

What an external key store comes to by each cause, as the tests reach it. This file is written by
` + "`go test ./kmsfront/keystore -run CodesDocument -write-codes`" + `.

## Connection error codes

Each row is a case of TestEachConnectionErrorCodeByItsCause, or of TestEachPropertyOfAnEndpointServiceIsChecked.

| ConnectionErrorCode | Cause |
| --- | --- |
`

const eventsHead = `
## Errors of a proxy and of the way to it

Each row is a case of TestEachEventBecomesWhatTheGuideSays, in each column, with message and metric. A cell with a message of its
own (M-19) is one that the guide does not have: the event cannot come there from a proxy that keeps to the protocol, and counts as an answer that
cannot be interpreted. Messages have the numbers of the code (` + "`kmsfront/keystore/messages.go`" + `). The CloudTrail record has the
exception and the message that the caller gets.

`

const attemptsHead = `
## Attempts

An attempt has 250 ms, connection set-up included, and is made once more when the connection could not be set up in that time, in no
other case. Each row is a case of TestAttempts, for a key store that has connections ready; the caller waits for the time-outs, and
else for the answer alone.

| What happens | New connections | Requests at the proxy | The caller waits |
| --- | --- | --- | --- |
`

// document is what codesFile must be.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(codesHead)
	for _, c := range causes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.code, c.cause)
	}
	properties := slices.Clone(serviceFaults)
	slices.SortStableFunc(properties, func(a, b serviceFault) int { return -strings.Compare(a.connect, b.connect) })
	for _, f := range properties {
		if f.connect != "-" {
			fmt.Fprintf(&b, "| `%s` | VPC endpoint service: %s |\n", f.connect, f.cause)
		}
	}
	b.WriteString(eventsHead)
	for i, line := range strings.Split(strings.TrimSpace(guide), "\n") {
		cells := strings.Fields(line)
		if i == 0 {
			cells[0] = "Event"
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			fmt.Fprintln(&b, "|"+strings.Repeat(" --- |", len(cells)))
		}
	}
	b.WriteString(attemptsHead)
	for _, a := range attempts {
		fmt.Fprintf(&b, "| %s | %d | %d | %d ms |\n", a.what, a.connections, a.requests, (time.Duration(a.waits) * xks.DefaultTimeout).Milliseconds())
	}
	return b.Bytes()
}

func TestCodesDocumentIsCurrent(t *testing.T) {
	want := document()
	if *writeCodes {
		if err := os.WriteFile(codesFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(codesFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the tests say: run go test ./kmsfront/keystore -run CodesDocument -write-codes", codesFile)
	}
}
