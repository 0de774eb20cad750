package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hyok/internal/metrics"
)

func TestRequestsAreCountedByOperationAndOutcome(t *testing.T) {
	reg := metrics.New("test", "v0")
	s := serve(t, listKeys, func(c *HandlerConfig) { c.Metrics = reg })
	message{}.send(t, s)
	message{}.send(t, s)
	message{body: `[]`}.send(t, s)
	message{target: "TrentService.Fly"}.send(t, s)

	w := httptest.NewRecorder()
	reg.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{operation="ListKeys",outcome="ok"} 2`,
		`{operation="ListKeys",outcome="SerializationException"} 1`,
		`{operation="Unknown",outcome="UnknownOperationException"} 1`,
	} {
		if !strings.Contains(string(text), "hyok_kms_requests_total"+want) {
			t.Errorf("the metrics lack %s:\n%s", want, text)
		}
	}
}
