package trail

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hyok/kmsfront/api"
)

func drawRecord(t *rapid.T) *Record {
	text := rapid.String()
	r := &Record{
		EventVersion: "1.08",
		UserIdentity: Identity{Type: text.Draw(t, "type"), PrincipalID: text.Draw(t, "principal"), ARN: text.Draw(t, "arn"),
			AccountID: text.Draw(t, "account"), AccessKeyID: text.Draw(t, "key"), UserName: text.Draw(t, "user"), InvokedBy: text.Draw(t, "service")},
		EventTime:          time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0).UTC(),
		EventSource:        text.Draw(t, "source"),
		EventName:          text.Draw(t, "name"),
		AWSRegion:          text.Draw(t, "region"),
		SourceIPAddress:    text.Draw(t, "ip"),
		UserAgent:          text.Draw(t, "agent"),
		ErrorCode:          text.Draw(t, "code"),
		ErrorMessage:       text.Draw(t, "message"),
		RequestID:          text.Draw(t, "request"),
		EventID:            text.Draw(t, "event"),
		ReadOnly:           rapid.Bool().Draw(t, "reads"),
		EventType:          text.Draw(t, "kind"),
		ManagementEvent:    rapid.Bool().Draw(t, "management"),
		RecipientAccountID: text.Draw(t, "recipient"),
		EventCategory:      text.Draw(t, "category"),
		RequestParameters:  json.RawMessage("null"),
		ResponseElements:   json.RawMessage(`{"keyId":"k"}`),
		Resources:          []Resource{},
	}
	for range rapid.IntRange(0, 3).Draw(t, "resources") {
		r.Resources = append(r.Resources, Resource{text.Draw(t, "account"), text.Draw(t, "type"), text.Draw(t, "ARN")})
	}
	if rapid.Bool().Draw(t, "session") {
		r.UserIdentity.SessionContext = &SessionContext{SessionIssuer{text.Draw(t, "a"), text.Draw(t, "b"), text.Draw(t, "c"), text.Draw(t, "d"), text.Draw(t, "e")}}
	}
	if rapid.Bool().Draw(t, "tls") {
		r.TLSDetails = &TLSDetails{text.Draw(t, "version"), text.Draw(t, "suite"), text.Draw(t, "host")}
		r.AdditionalEventData = json.RawMessage(`{"a":1}`)
	}
	return r
}

func TestALineReadsBackAsTheRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		line := appendRecord(nil, r)
		if strings.ContainsRune(string(line), '\n') {
			t.Fatalf("a record of several lines: %q", line)
		}
		var got Record
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if diff := cmp.Diff(r, &got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestMembersComeInTheOrderOfTheStruct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(memberNames(want), memberNames(appendRecord(nil, r))); diff != "" {
			t.Fatal(diff)
		}
	})
}

// memberNames lists the names of an object's own members in their order.
func memberNames(object []byte) []string {
	dec := json.NewDecoder(strings.NewReader(string(object)))
	_, _ = dec.Token() // {
	var names []string
	for dec.More() {
		name, _ := dec.Token()
		names = append(names, name.(string))
		var value json.RawMessage
		_ = dec.Decode(&value)
	}
	return names
}

// Whatever a caller sends, the record is one line of JSON that has it unchanged
// (but for bytes that are no UTF-8).
func FuzzRecord(f *testing.F) {
	f.Add("alias/app", "aws-cli/2", "purpose", "test")
	f.Add("\"\\\n\x00\u2028", "\xff\xfe", "", "</script>")
	f.Fuzz(func(t *testing.T, key, agent, name, value string) {
		call := encryptCall()
		call.UserAgent = agent
		call.In = &api.EncryptRequest{KeyId: key, EncryptionContext: map[string]string{name: value}}
		line := appendRecord(nil, New(call, nil, &api.Error{Code: "X", Message: value}, Extra{KeyARN: key}))
		if strings.ContainsAny(string(line), "\n\r") {
			t.Fatalf("more than one line: %q", line)
		}
		var got struct {
			UserAgent, ErrorMessage string
			RequestParameters       struct {
				KeyID             string
				EncryptionContext map[string]string
			}
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		for _, pair := range [][2]string{
			{got.UserAgent, agent}, {got.ErrorMessage, value}, {got.RequestParameters.KeyID, key},
			{got.RequestParameters.EncryptionContext[valid(name)], value},
		} {
			if pair[0] != valid(pair[1]) {
				t.Errorf("%q was written as %q", pair[1], pair[0])
			}
		}
	})
}

// valid replaces every byte that is no UTF-8, as encoding/json does.
func valid(s string) string { return string([]rune(s)) }
