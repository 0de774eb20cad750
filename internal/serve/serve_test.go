package serve_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hyok/internal/serve"
)

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func TestEveryEndpointIsServed(t *testing.T) {
	g, err := serve.Start(
		serve.Endpoint{Name: "one", Listen: "127.0.0.1:0", Handler: http.HandlerFunc(hello)},
		serve.Endpoint{Name: "two", Listen: "127.0.0.1:0", Handler: http.HandlerFunc(hello)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(time.Second)
	for _, name := range []string{"one", "two"} {
		resp, err := http.Get("http://" + g.Addr(name))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "hello" {
			t.Errorf("%s answered %q", name, body)
		}
	}
}

func TestTakenPortStopsTheStart(t *testing.T) {
	g, err := serve.Start(serve.Endpoint{Name: "one", Listen: "127.0.0.1:0", Handler: http.HandlerFunc(hello)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(time.Second)
	_, err = serve.Start(serve.Endpoint{Name: "two", Listen: g.Addr("one"), Handler: http.HandlerFunc(hello)})
	if err == nil || !strings.Contains(err.Error(), "two") {
		t.Errorf("starting on a taken port gave %v, want an error that names the endpoint", err)
	}
}

func TestCloseWaitsForRequestsUnderWay(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	g, err := serve.Start(serve.Endpoint{Name: "slow", Listen: "127.0.0.1:0",
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-release
			hello(w, r)
		})})
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + g.Addr("slow"))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-started
	closed := make(chan error, 1)
	go func() { closed <- g.Close(10 * time.Second) }()
	close(release)
	if got := <-answer; got != "hello" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	g, err := serve.Start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Wait(ctx); err != nil {
		t.Error(err)
	}
}
