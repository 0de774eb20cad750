package cluster_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// post sends a request that the client would not, signed unless sign is nil.
func post(t *testing.T, r *rig, method, path, body string, sign *sigv4.Credential) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if sign != nil {
		if err := sigv4.Sign(req, []byte(body), *sign, "us-east-1", xks.Service, time.Now(), sigv4.Options{RawPath: true}); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestStrangersLearnNothing(t *testing.T) {
	r := newRig(t)
	wrong := sigv4.Credential{AccessKeyID: credential.AccessKeyID, Secret: strings.Repeat("x", 43)}
	var first string
	for _, path := range []string{"describe", "connect", "noSuchOperation", "encrypt"} {
		for _, c := range []*sigv4.Credential{nil, &wrong, {AccessKeyID: "OTHER", Secret: "x"}} {
			status, body := post(t, r, "POST", "/cluster/"+id+"/v1/"+path, "{", c)
			if first == "" {
				first = body
			}
			if status != 401 || body != first || !strings.Contains(body, "AuthenticationFailedException") {
				t.Errorf("%s answers %d %s", path, status, body)
			}
		}
	}
}

func TestBadRequestsOfThoseWhoSigned(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		rule, method, path, body string
		status                   int
		name                     xks.ClusterErrorName
	}{
		{"another method", "GET", "describe", "", 404, xks.ClusterNoSuchOperation},
		{"an unknown operation", "POST", "explode", "{}", 404, xks.ClusterNoSuchOperation},
		{"no JSON", "POST", "random", "numberOfBytes=8", 400, xks.ClusterInvalidRequest},
		{"no body", "POST", "describe", "", 400, xks.ClusterInvalidRequest},
		{"a member twice", "POST", "random", `{"numberOfBytes":8,"numberOfBytes":9}`, 400, xks.ClusterInvalidRequest},
		{"not base64", "POST", "encrypt", `{"label":"k","plaintext":"?"}`, 400, xks.ClusterInvalidRequest},
		{"a body beyond the limit", "POST", "describe", `{"x":"` + strings.Repeat("x", xks.ClusterMaxBody) + `"}`, 413, xks.ClusterTooLarge},
	} {
		t.Run(c.rule, func(t *testing.T) {
			status, body := post(t, r, c.method, "/cluster/"+id+"/v1/"+c.path, c.body, &credential)
			if status != c.status || !strings.Contains(body, `"errorName":"`+string(c.name)+`"`) {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
}
