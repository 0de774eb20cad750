package sigv4

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Host, raw path, query and the length of the body arrive at a server of
// net/http as they were signed, on both versions of HTTP.
func TestOverTLS(t *testing.T) {
	for _, major := range []int{1, 2} {
		t.Run(fmt.Sprint("HTTP/", major), func(t *testing.T) {
			v := testVerifier()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err == nil {
					_, err = v.Verify(r, body, time.Now())
				}
				if err != nil || r.ProtoMajor != major {
					http.Error(w, fmt.Sprint(r.Proto, ": ", err), http.StatusUnauthorized)
				}
			}))
			server.EnableHTTP2 = major == 2
			server.StartTLS()
			defer server.Close()
			for _, target := range []string{"/", "", "//a//b/", "/a/./b/../c", "/a%2Fb%20c", "/ሴ", "/a?b=c&a=d+e", "/?"} {
				if status, text := sendSigned(t, server, target); status != http.StatusOK {
					t.Errorf("%q: %d %s", target, status, text)
				}
			}
		})
	}
}

func sendSigned(t *testing.T, server *httptest.Server, target string) (status int, text []byte) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, server.URL+target, bytes.NewReader(testBody))
	if err != nil {
		t.Fatal(err)
	}
	err = Sign(r, testBody, Credential{AccessKeyID: testID, Secret: testSecret}, testRegion, "kms-xks-proxy", time.Now(),
		Options{RawPath: true, SignedHeaders: []string{"Content-Length"}})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text
}
