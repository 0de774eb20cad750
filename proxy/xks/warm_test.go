package xks_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"hyok/certs/certstest"
	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

func TestWarmConnectionsAreTheOnesThatRequestsUse(t *testing.T) {
	kit := certstest.New(t)
	var made atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"errorName":"InternalException"}`))
	}))
	server.TLS = kit.ServerConfig(t)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			made.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	c, err := xks.NewClient(xks.ClientConfig{
		Endpoint: server.URL, Path: xks.BasePath, Region: "us-east-1", TLS: kit.ClientConfig(),
		Credential: sigv4.Credential{AccessKeyID: "ABCDEFGHIJKLMNOPQRST", Secret: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Warm(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _ = c.GetHealthStatus(t.Context(), &xks.GetHealthStatusRequest{})
	}
	if n := made.Load(); n != 2 {
		t.Errorf("%d connections were made, want the two that were kept ready", n)
	}
	server.Close()
	if err := c.Warm(t.Context(), 1); err == nil {
		t.Error("a proxy that is gone can be connected to")
	}
}
