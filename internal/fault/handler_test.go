package fault_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hyok/internal/fault"
)

// call sends a request to the handler, and gives status and body.
func call(t *testing.T, s *fault.Set, method, target, body string) (int, string) {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	r, err := http.NewRequest(method, server.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: content type %q", method, target, got)
	}
	return answer.StatusCode, string(text)
}

func TestAddListAndClearOverHTTP(t *testing.T) {
	s := fault.New(nil)
	for _, row := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"GET", "/", "", 200, `[]`},
		{"POST", "/", `{"at": "proxy", "op": "Decrypt", "latency": "300ms", "error": "ThrottlingException", "count": 10}`, 201,
			`{"id":"proxy-1","at":"proxy","op":"Decrypt","latency":"300ms","error":"ThrottlingException","count":10}`},
		{"POST", "/", `{"at":"network","blackhole":true,"probability":0.1,"seed":7}`, 201,
			`{"id":"network-2","at":"network","op":"*","blackhole":true,"probability":0.1,"seed":7}`},
		{"POST", "/", `{"at":"hsm","latency":"1m30s"}`, 201, `{"id":"hsm-3","at":"hsm","op":"*","latency":"1m30s"}`},
		{"DELETE", "/?id=hsm-3&id=nobody", "", 200, `{"removed":1}`},
		{"DELETE", "/?id=hsm-3", "", 404, `{"error":"there is no fault with this id, GET lists them"}`},
		{"GET", "/any/path", "", 200,
			`[{"id":"proxy-1","at":"proxy","op":"Decrypt","latency":"300ms","error":"ThrottlingException","count":10},` +
				`{"id":"network-2","at":"network","op":"*","blackhole":true,"probability":0.1,"seed":7}]`},
		{"DELETE", "/", "", 200, `{"removed":2}`},
		{"DELETE", "/", "", 200, `{"removed":0}`},
		{"GET", "/", "", 200, `[]`},
		{"PUT", "/", "", 405, `{"error":"use GET, POST or DELETE"}`},
	} {
		status, text := call(t, s, row.method, row.target, row.body)
		if status != row.status || text != row.want {
			t.Errorf("%s %s %s: %d %s, want %d %s", row.method, row.target, row.body, status, text, row.status, row.want)
		}
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	const notRule = `a fault is one JSON object, such as {"at": "proxy", "op": "Decrypt", "latency": "300ms"}`
	for _, row := range []struct {
		body   string
		status int
		want   string
	}{
		{``, 400, notRule},
		{`[]`, 400, notRule},
		{`{"at":"proxy","reset":true} {}`, 400, notRule},
		{`{"at":"proxy","reset":true`, 400, notRule},
		{`{"at":"proxy","delay":"1s"}`, 400, `delay: is no member of a fault; those are id, at, op, latency, error, reset, blackhole, probability, count, seed, applied`},
		{`{"at":"proxy","Reset":true}`, 400, `Reset: is no member of a fault; those are id, at, op, latency, error, reset, blackhole, probability, count, seed, applied`},
		{`{"at":"proxy","at":"hsm"}`, 400, `at: is there twice`},
		{`{"at":"proxy","latency":300}`, 400, `latency: must be a duration as a string, such as "300ms"`},
		{`{"at":"proxy","latency":"300"}`, 400, `latency: must be a duration as a string, such as "300ms"`},
		{`{"at":"proxy","reset":"yes"}`, 400, `reset: must be true or false`},
		{`{"at":"proxy","reset":true,"probability":0}`, 400, `probability: must be a number above 0 and at most 1; leave it out for always`},
		{`{"at":"proxy","reset":true,"count":0}`, 400, `count: must be a whole number of at least 1; leave it out for no limit`},
		{`{"at":"proxy","reset":true,"count":1.5}`, 400, `count: must be a whole number of at least 1; leave it out for no limit`},
		{`{"at":"proxy","reset":true,"probability":0.5,"seed":0}`, 400, `seed: must be a whole number of at least 1; leave it out for one that is chosen`},
		{`{"at":"proxy","reset":true,"probability":0.5,"seed":-1}`, 400, `seed: must be a whole number of at least 1; leave it out for one that is chosen`},
		{`{"at":"proxy","reset":true,"seed":5}`, 400, `seed: is of the dice for a probability, which is missing`},
		{`{"at":"proxy","reset":true,"applied":5}`, 400, `applied: is counted by the set, leave it out`},
		{`{"at":"front","op":"Encrypt","reset":true}`, 400, `at: there is no KMS front end here`},
		{`{"at":"proxy"}`, 400, `fault: does nothing, give at least one of latency, error, reset, blackhole`},
		{`{"at":"proxy","id":"mine","reset":true}`, 400, `id: is given by the set, leave it out`},
		{`{"at":"proxy","error":"` + strings.Repeat("x", 1<<15) + `"}`, 413, `reading the fault: http: request body too large`},
	} {
		s := fault.New(nil)
		status, text := call(t, s, "POST", "/", row.body)
		var got struct{ Error string }
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if status != row.status || got.Error != row.want || len(s.List()) != 0 {
			t.Errorf("%.80s: %d %s, want %d %s", row.body, status, got.Error, row.status, row.want)
		}
	}
}

func TestHandlerOfNoSet(t *testing.T) {
	var none *fault.Set
	if status, text := call(t, none, "GET", "/", ""); status != 200 || text != "[]" {
		t.Errorf("%d %s", status, text)
	}
	if status, text := call(t, none, "POST", "/", `{"at":"proxy","reset":true}`); status != 404 || !strings.Contains(text, "not enabled") {
		t.Errorf("%d %s", status, text)
	}
}

// A rule survives JSON, in the hands of encoding/json too.
func TestRuleInJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := fault.Rule{
			ID: rapid.String().Draw(t, "id"), At: fault.At(rapid.String().Draw(t, "at")), Op: rapid.String().Draw(t, "op"),
			Latency: time.Duration(rapid.Int64().Draw(t, "latency")), Error: rapid.String().Draw(t, "error"),
			Reset: rapid.Bool().Draw(t, "reset"), Blackhole: rapid.Bool().Draw(t, "blackhole"),
			Probability: rapid.Float64().Draw(t, "probability"), Count: rapid.Int().Draw(t, "count"),
			Seed: rapid.Uint64().Draw(t, "seed"), Applied: rapid.Int64().Draw(t, "applied"),
		}
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got fault.Rule
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", data, diff)
		}
	})
}

// Whatever is posted, the handler's reader does not panic, and what it takes it
// can write and read again.
func FuzzRule(f *testing.F) {
	f.Add([]byte(`{"at":"proxy","op":"Decrypt","latency":"300ms","error":"ThrottlingException","probability":0.1,"count":10}`))
	f.Add([]byte(`{"at":"network","blackhole":true} null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var rule, again fault.Rule
		if err := rule.UnmarshalJSON(data); err != nil {
			return
		}
		text, err := json.Marshal(rule)
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil || rule != again {
			t.Fatalf("%q is written as %s and read as %+v, %v", data, text, again, err)
		}
	})
}
