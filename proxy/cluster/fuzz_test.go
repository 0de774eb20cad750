package cluster_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// FuzzBody sends any body to any operation, rightly signed: the answer is JSON
// of the operation or an error of the table, and never one that blames the
// cluster.
func FuzzBody(f *testing.F) {
	r := connected(f)
	operations := []string{"describe", "connect", "disconnect", "createKey", "deleteKey", "listKeys", "random", "encrypt", "decrypt"}
	for i, body := range []string{
		`{}`, `{"password":"kmsUser1","newPassword":"kmsUser2"}`, `{}`, `{"label":"k"}`, `{"label":"k"}`, `{"after":"a"}`,
		`{"numberOfBytes":8}`, `{"label":"k","plaintext":"AAAA","aad":"AA=="}`,
		`{"label":"k","iv":"AAAAAAAAAAAAAAAA","ciphertext":"AA==","tag":"AAAAAAAAAAAAAAAAAAAAAA==","aad":""}`,
	} {
		f.Add(uint8(i), body)
	}
	f.Fuzz(func(t *testing.T, op uint8, body string) {
		name := operations[int(op)%len(operations)]
		req := httptest.NewRequest("POST", "https://localhost/cluster/"+id+"/v1/"+name, strings.NewReader(body))
		if err := sigv4.Sign(req, []byte(body), credential, "us-east-1", xks.Service, time.Now(), sigv4.Options{RawPath: true}); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		r.server.Config.Handler.ServeHTTP(w, req)
		var e xks.ClusterError
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Fatalf("%d, and no JSON: %v", w.Code, err)
		}
		want := 200
		if e.Name != "" {
			want = xks.ClusterErrorStatus[e.Name]
		}
		if w.Code != want || w.Code >= 500 {
			t.Errorf("%s answers %d %s", name, w.Code, w.Body)
		}
	})
}
