package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"hyok/internal/config"
)

// A line is {"seq":N,"prev":"HASH", body, "hash":"HASH"}; the body is what is
// said of a request, or of the log itself.

// What happens to the log itself, in its member "event".
const (
	eventOpened    = "opened"    // by a process
	eventClosed    = "closed"    // by that process, in order
	eventContinued = "continued" // in this file, from the one before it
	eventRepaired  = "repaired"  // part of a line was cut off
)

// appendRecord appends the body of a record, and a newline.
func appendRecord(b []byte, r *Record) []byte {
	b = append(b, `"time":"`...)
	b = r.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	for _, m := range [...]struct {
		name, value string
		optional    bool
	}{
		{"kms_request_id", r.KMSRequestID, false},
		{"operation", r.Operation, false},
		{"kms_operation", r.KMSOperation, false},
		{"outcome", r.Outcome, false},
		{"store", r.Store, false},
		{"key", r.Key, false},
		{"kms_key", r.KMSKeyARN, false},
		{"principal", r.Principal, false},
		{"access_key_id", r.AccessKeyID, false},
		{"policy", r.Policy, true},
	} {
		if m.optional && m.value == "" {
			continue
		}
		b = append(b, `,"`...)
		b = append(b, m.name...)
		b = append(b, `":`...)
		b, _ = jsontext.AppendQuote(b, m.value) // the error only says that bytes were replaced
	}
	if r.WouldDeny {
		b = append(b, `,"policy_would_deny":true`...)
	}
	return append(b, '\n')
}

// appendEvent appends the body of an event, and a newline. removed is in bytes.
func appendEvent(b []byte, event string, now time.Time, removed int64) []byte {
	b = append(b, `"time":"`...)
	b = now.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","event":"`...)
	b = append(b, event...)
	b = append(b, '"')
	if removed > 0 {
		b = append(b, `,"removed_bytes":`...)
		b = strconv.AppendInt(b, removed, 10)
	}
	return append(b, '\n')
}

// digest is a hash in the form of a line.
type digest [2 * sha256.Size]byte

// zero is before the first line.
var zero = digest(bytes.Repeat([]byte{'0'}, 2*sha256.Size))

// head is where a chain has come to.
type head struct {
	seq  uint64
	hash digest
}

// A sealer makes lines of bodies.
type sealer struct{ hash hash.Hash }

func newSealer(key config.Secret) sealer {
	if key == "" {
		return sealer{sha256.New()}
	}
	return sealer{hmac.New(sha256.New, []byte(key.Reveal()))}
}

// appendLine appends the line of a body, which has no newline, and moves h on.
func (s sealer) appendLine(b, body []byte, h *head) []byte {
	start := len(b)
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, h.seq+1, 10)
	b = append(b, `,"prev":"`...)
	b = append(b, h.hash[:]...)
	b = append(b, `",`...)
	b = append(b, body...)
	h.seq++
	h.hash = s.sum(b[start:])
	b = append(b, hashMember...)
	b = append(b, h.hash[:]...)
	return append(b, "\"}\n"...)
}

const hashMember = `,"hash":"`

// sum is the hash of a line of which all before the member "hash" is given.
func (s sealer) sum(before []byte) digest {
	var raw [sha256.Size]byte
	s.hash.Reset()
	s.hash.Write(before)
	s.hash.Write([]byte{'}'})
	var d digest
	hex.Encode(d[:], s.hash.Sum(raw[:0]))
	return d
}

// A parsed line.
type parsed struct {
	head
	prev  digest
	event string
}

var (
	errForm = errors.New("it is not in the form of a line of this log")
	errHash = errors.New("its hash is not that of what it says")
)

// parse reads a line, without its newline, and checks its own hash.
func (s sealer) parse(line []byte) (p parsed, err error) {
	var m struct {
		Seq               uint64
		Prev, Hash, Event string
	}
	const end = len(hashMember) + len(digest{}) + len(`"}`)
	if len(line) < end || json.Unmarshal(line, &m) != nil || len(m.Prev) != len(p.prev) || len(m.Hash) != len(p.hash) {
		return p, errForm
	}
	before := line[:len(line)-end]
	if string(line[len(before):]) != hashMember+m.Hash+`"}` ||
		!bytes.HasPrefix(line, fmt.Appendf(nil, `{"seq":%d,"prev":%q,`, m.Seq, m.Prev)) {
		return p, errForm
	}
	p.seq, p.event = m.Seq, m.Event
	copy(p.prev[:], m.Prev)
	copy(p.hash[:], m.Hash)
	sum := s.sum(before)
	if !hmac.Equal(p.hash[:], sum[:]) {
		return p, errHash
	}
	return p, nil
}
