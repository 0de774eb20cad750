package xks

import (
	"bytes"
	"encoding/base64"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrBase64 is in the error of Unmarshal when the JSON is well-formed but a
// member of bytes is not standard base64 with padding.
var ErrBase64 = errors.New("a member is not standard base64 with padding")

// strictBase64 also refuses bits that say nothing in the last character, so
// that every byte string has exactly one form (XKS fact 51).
var strictBase64 = base64.StdEncoding.Strict()

// strict decodes byte slices with unmarshalBase64.
var strict = json.WithUnmarshalers(json.UnmarshalFromFunc(unmarshalBase64))

// Unmarshal decodes a body of the protocol into the struct that into points
// to. Names match by case, a name twice and invalid UTF-8 are errors, bytes are
// standard base64 with padding; unknown members are ignored (XKS fact 48). An
// absent or null member leaves its zero value.
func Unmarshal(body []byte, into any) error { return json.Unmarshal(body, into, strict) }

func unmarshalBase64(dec *jsontext.Decoder, into *[]byte) error {
	val, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch val.Kind() {
	case 'n':
		*into = nil
		return nil
	case '"':
	default:
		return errors.New("not a string")
	}
	text := []byte(val[1 : len(val)-1])
	if bytes.IndexByte(text, '\\') >= 0 { // some encoders write "\/"
		if text, err = jsontext.AppendUnquote(nil, val); err != nil {
			return err
		}
		if bytes.ContainsAny(text, "\r\n") { // which encoding/base64 skips
			return ErrBase64
		}
	}
	out, err := strictBase64.AppendDecode(make([]byte, 0, strictBase64.DecodedLen(len(text))), text)
	if err != nil {
		return ErrBase64
	}
	*into = out
	return nil
}

// Marshal encodes a body of the protocol: nil byte slices of optional members and
// empty strings of metadata are left out. It fails for strings that are not valid
// UTF-8.
func Marshal(body any) ([]byte, error) { return json.Marshal(body) }
