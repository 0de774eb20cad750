package xks_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"hyok/certs/certstest"
	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

// answeringCluster is a client of a cluster that gives one answer to everything.
func answeringCluster(t *testing.T, status int, body string) *xks.ClusterClient {
	t.Helper()
	kit := certstest.New(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	server.TLS = kit.ServerConfig(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	c, err := xks.NewClusterClient(xks.ClusterClientConfig{
		Endpoint: server.URL, ClusterID: "cluster-1", Region: "us-east-1", TLS: kit.ClientConfig(),
		Credential: sigv4.Credential{AccessKeyID: "ABCDEFGHIJKLMNOPQRST", Secret: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAnAnswerThatIsNotAClustersIsATransportError(t *testing.T) {
	for rule, answer := range map[string]struct {
		status int
		body   string
	}{
		"HTML":                           {200, "<html>"},
		"an error without a name":        {500, "{}"},
		"an error name that is not ours": {400, `{"errorName":"CKR_OK"}`},
		"a redirect":                     {302, `{"bytes":"AAAAAAAAAAA="}`},
		"lengths that cannot be":         {200, `{"bytes":"AA==","iv":"AA==","tag":"AA==","ciphertext":"AA==","plaintext":"AA=="}`},
		"not base64":                     {200, `{"bytes":"?","iv":"?","plaintext":"?"}`},
	} {
		t.Run(rule, func(t *testing.T) {
			c := answeringCluster(t, answer.status, answer.body)
			_, random := c.Random(t.Context(), 8)
			_, encrypt := c.Encrypt(t.Context(), xks.ClusterEncryptRequest{Label: "k", Plaintext: []byte("pp")})
			_, decrypt := c.Decrypt(t.Context(), xks.ClusterDecryptRequest{Label: "k", Ciphertext: []byte("cc")})
			for _, err := range []error{random, encrypt, decrypt} {
				var e *xks.TransportError
				if !errors.As(err, &e) || e.Kind != xks.InvalidResponse {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

func TestAnErrorOfTheClusterKeepsItsName(t *testing.T) {
	for name, status := range xks.ClusterErrorStatus {
		c := answeringCluster(t, status, `{"errorName":"`+string(name)+`","errorMessage":"why\u0007"}`)
		_, err := c.Describe(t.Context())
		var e *xks.ClusterError
		if !errors.As(err, &e) || e.Name != name || e.Message != "why?" {
			t.Errorf("got %v", err)
		}
	}
}

func TestAClusterClientNamesWhatIsWrongWithItsConfiguration(t *testing.T) {
	whole := xks.ClusterClientConfig{Endpoint: "https://localhost", ClusterID: "cluster-1", Region: "us-east-1",
		Credential: sigv4.Credential{AccessKeyID: "A", Secret: "s"}}
	if _, err := xks.NewClusterClient(whole); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*xks.ClusterClientConfig){
		"cluster ID": func(c *xks.ClusterClientConfig) { c.ClusterID = "" },
		"endpoint":   func(c *xks.ClusterClientConfig) { c.Endpoint = "http://localhost" },
		"credential": func(c *xks.ClusterClientConfig) { c.Credential.Secret = "" },
	} {
		c := whole
		spoil(&c)
		if _, err := xks.NewClusterClient(c); err == nil {
			t.Errorf("a wrong %s is accepted", name)
		}
	}
}
