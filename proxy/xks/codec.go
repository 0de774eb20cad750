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

// A writer appends a JSON object to a buffer, member by member. It is used
// where bodies are made for every call; reflection costs several times as much.
type writer struct {
	buf []byte
	err error // the first string that is not valid UTF-8
}

// name starts a member.
func (w *writer) name(name string) {
	if last := w.buf[len(w.buf)-1]; last != '{' {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '"', ':')
}

// str writes a string member; an empty one is left out.
func (w *writer) str(name, value string) {
	if value == "" {
		return
	}
	w.name(name)
	buf, err := jsontext.AppendQuote(w.buf, value)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.buf = buf
}

// bytes writes a member of bytes; a nil one is left out.
func (w *writer) bytes(name string, value []byte) {
	if value != nil {
		w.required(name, value)
	}
}

// required writes a member of bytes.
func (w *writer) required(name string, value []byte) {
	w.name(name)
	w.buf = append(w.buf, '"')
	w.buf = base64.StdEncoding.AppendEncode(w.buf, value)
	w.buf = append(w.buf, '"')
}

func (w *writer) open()  { w.buf = append(w.buf, '{') }
func (w *writer) close() { w.buf = append(w.buf, '}') }

// metadata writes the requestMetadata member.
func (w *writer) metadata(m *RequestMetadata) {
	w.name("requestMetadata")
	w.open()
	w.str("awsPrincipalArn", m.AWSPrincipalArn)
	w.str("awsSourceVpc", m.AWSSourceVpc)
	w.str("awsSourceVpce", m.AWSSourceVpce)
	w.str("kmsKeyArn", m.KMSKeyArn)
	w.str("kmsOperation", m.KMSOperation)
	w.str("kmsRequestId", m.KMSRequestID)
	w.str("kmsViaService", m.KMSViaService)
	w.close()
}

// AppendMetadataRequest appends the JSON of a request that has nothing but
// metadata (GetKeyMetadata, GetHealthStatus) to dst. It fails for strings that
// are not valid UTF-8.
func AppendMetadataRequest(dst []byte, m *RequestMetadata) ([]byte, error) {
	w := writer{buf: dst}
	w.open()
	w.metadata(m)
	w.close()
	return w.buf, w.err
}

// AppendEncryptRequest appends the JSON of r to dst. It fails for strings that
// are not valid UTF-8.
func AppendEncryptRequest(dst []byte, r *EncryptRequest) ([]byte, error) {
	w := writer{buf: dst}
	w.open()
	w.metadata(&r.RequestMetadata)
	w.bytes("additionalAuthenticatedData", r.AdditionalAuthenticatedData)
	w.bytes("plaintext", r.Plaintext)
	w.str("encryptionAlgorithm", r.EncryptionAlgorithm)
	w.str("ciphertextDataIntegrityValueAlgorithm", r.CiphertextDataIntegrityValueAlgorithm)
	w.close()
	return w.buf, w.err
}

// AppendDecryptRequest appends the JSON of r to dst. It fails for strings that
// are not valid UTF-8.
func AppendDecryptRequest(dst []byte, r *DecryptRequest) ([]byte, error) {
	w := writer{buf: dst}
	w.open()
	w.metadata(&r.RequestMetadata)
	w.bytes("additionalAuthenticatedData", r.AdditionalAuthenticatedData)
	w.bytes("authenticationTag", r.AuthenticationTag)
	w.bytes("ciphertext", r.Ciphertext)
	w.bytes("ciphertextMetadata", r.CiphertextMetadata)
	w.str("encryptionAlgorithm", r.EncryptionAlgorithm)
	w.bytes("initializationVector", r.InitializationVector)
	w.close()
	return w.buf, w.err
}

// AppendEncryptResponse appends the JSON of r to dst. The optional members are
// left out when they are empty.
func AppendEncryptResponse(dst []byte, r *EncryptResponse) []byte {
	w := writer{buf: dst}
	w.open()
	w.required("authenticationTag", r.AuthenticationTag)
	w.required("ciphertext", r.Ciphertext)
	w.bytes("ciphertextDataIntegrityValue", r.CiphertextDataIntegrityValue)
	w.bytes("ciphertextMetadata", r.CiphertextMetadata)
	w.required("initializationVector", r.InitializationVector)
	w.close()
	return w.buf
}

// AppendDecryptResponse appends the JSON of r to dst.
func AppendDecryptResponse(dst []byte, r *DecryptResponse) []byte {
	w := writer{buf: dst}
	w.open()
	w.required("plaintext", r.Plaintext)
	w.close()
	return w.buf
}

// AppendError appends the JSON of an error answer to dst. The message must be
// as PrintableMessage makes it.
func AppendError(dst []byte, e *Error) []byte {
	w := writer{buf: dst}
	w.open()
	w.str("errorName", string(e.Name))
	w.str("errorMessage", e.Message)
	w.close()
	return w.buf
}
