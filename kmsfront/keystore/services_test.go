package keystore

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

func TestTheServicesOfTheAdminAPI(t *testing.T) {
	e := newEnv(t)
	changes, broken := 0, error(nil)
	h := e.ServicesHandler(func() error { changes++; return broken })
	const one = `{"name":"com.amazonaws.vpce.us-east-1.vpce-svc-1","owner":"111122223333"}`
	for _, c := range []struct {
		method, query, body string
		status              int
		want                string
		fails               bool // what is to be done after a change
	}{
		{"GET", "", "", 200, `[]`, false},
		{"POST", "", one, 201, `"type":"network","zones":2,"acceptanceRequired":false,"principals":["cks.kms.us-east-1.amazonaws.com"],"privateDns":"","domain":"verified"}`, false},
		{"POST", "", one, 409, `already`, false},
		{"POST", "", `{"name":"com.amazonaws.vpce.us-east-1.vpce-svc-2","owner":"111122223333","zone":1}`, 400, `zone`, false},
		{"POST", "", `{"name":`, 400, `reading the service`, false},
		{"POST", "", `{"name":"` + strings.Repeat("x", maxServiceBody) + `"}`, 400, `too large`, false},
		{"PATCH", "?name=com.amazonaws.vpce.us-east-1.vpce-svc-1", `{"principals":["*"],"zones":1}`, 200, `"zones":1,"acceptanceRequired":false,"principals":["*"]`, false},
		{"PATCH", "?name=com.amazonaws.vpce.us-east-1.vpce-svc-1", `{"name":"com.amazonaws.vpce.us-east-1.vpce-svc-2"}`, 400, `cannot be changed`, false},
		{"PATCH", "?name=x", `{"zones":1}`, 404, `no such`, false},
		{"PATCH", "?name=com.amazonaws.vpce.us-east-1.vpce-svc-1", `{"zones":3}`, 400, `certificate`, true},
		{"DELETE", "?name=x", "", 404, `no such`, false},
		{"DELETE", "?name=com.amazonaws.vpce.us-east-1.vpce-svc-1", "", 200, `{"removed":1}`, false},
		{"PUT", "", "", 405, `use GET`, false},
	} {
		broken = nil
		if c.fails {
			broken = errors.New("no certificate")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, "/vpc-services"+c.query, strings.NewReader(c.body)))
		if got := w.Body.String(); w.Code != c.status || !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s %s %.80s: got %d %s, want %d %s", c.method, c.query, c.body, w.Code, got, c.status, c.want)
		}
	}
	if changes != 4 {
		t.Errorf("%d changes were told of, want those that were made", changes)
	}
}

// Whatever is sent is refused, or is a service that can be.
func FuzzService(f *testing.F) {
	f.Add([]byte(`{"name":"com.amazonaws.vpce.us-east-1.vpce-svc-1","owner":"111122223333","targets":["localhost:1"]}`))
	f.Add([]byte(`{"zones":-1,"privateDns":"a..b","principals":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := NewService("com.amazonaws.vpce.us-east-1.vpce-svc-1")
		if decodeService(body, &s) != nil || s.validate() != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back := Service{}
		if err := errors.Join(decodeService(again, &back), back.validate()); err != nil {
			t.Errorf("%s: %v", again, err)
		}
		if regionOf(s.Name) == "" {
			t.Errorf("%s has no Region", s.Name)
		}
	})
}
