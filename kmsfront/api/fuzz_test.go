package api

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// seedBodies adds the bodies of the decoding tables.
func seedBodies(f *testing.F) {
	index := make(map[string]uint8)
	for i, name := range operationNames {
		index[name] = uint8(i)
	}
	for _, table := range []map[string]refusal{invalid, unreadable} {
		for _, c := range table {
			f.Add(index[c.op], []byte(c.body))
		}
	}
	for _, c := range lenient {
		f.Add(index[c.op], []byte(c.body))
	}
}

// FuzzDecode holds two things for any body: Decode gives a structure or one of
// two exceptions, and what it gives survives being written and read again.
func FuzzDecode(f *testing.F) {
	seedBodies(f)
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		op := Operations[operationNames[int(which)%len(operationNames)]]
		in, err := Decode(op, body)
		if err != nil {
			if e := err.(*Error); e.Code != CodeValidationException && e.Code != CodeSerializationException {
				t.Fatalf("%s: %v", op.Name, err)
			}
			return
		}
		text, err := Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(op, text)
		if err != nil {
			t.Fatalf("%s: %v\nbody   %q\nagain  %q", op.Name, err, body, text)
		}
		if diff := cmp.Diff(in, again); diff != "" {
			t.Fatalf("%s (-once +twice)\n%s\nbody   %q\nagain  %q", op.Name, diff, body, text)
		}
	})
}

// FuzzHandler holds for any request, signed and unsigned: the answer is JSON,
// an error has a type, and there is a request ID.
func FuzzHandler(f *testing.F) {
	f.Add("POST", "/", "TrentService.ListKeys", "application/x-amz-json-1.1", "", []byte(`{"Limit":1}`))
	f.Add("POST", "/", "TrentService.DescribeKey", "", "", []byte(nil))
	f.Add("GET", "/x", "TrentService.", "text/html", "AWS4-HMAC-SHA256 Credential=a/b/c/kms/aws4_request", []byte(`[`))
	h := NewHandler(HandlerConfig{Authenticate: authenticate, Service: serviceFunc(
		func(_ context.Context, c *Call) (any, error) { return c.Op.NewOutput(), nil })})
	f.Fuzz(func(t *testing.T, method, path, target, contentType, authorization string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "http://kms.local/", bytes.NewReader(body))
		r.Method, r.URL.Path = method, path
		if authorization == "" {
			r = message{target: target, contentType: contentType, body: string(body)}.request(t, "http://kms.local")
			r.RequestURI = "/"
		} else {
			r.Header.Set("X-Amz-Target", target)
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		checkAnswer(t, w)
	})
}

func checkAnswer(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if !uuidForm.MatchString(w.Header().Get("x-amzn-RequestId")) {
		t.Error("no request ID")
	}
	if w.Code == http.StatusOK && w.Body.Len() == 0 {
		return
	}
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v\n%q", err, w.Body)
	}
	if (w.Code == http.StatusOK) != (a.Code == "") {
		t.Errorf("status %d with __type %q", w.Code, a.Code)
	}
}
