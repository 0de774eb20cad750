package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"hyok/certs"
	"hyok/internal/serve"
)

// benchEchoCmd is a process of its own: the least that a JSON server can do.
type benchEchoCmd struct {
	Cert string `required:""`
	Key  string `required:""`
}

// echo decodes a JSON body into a map and encodes it again.
func echo(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client is gone if it fails
}

// Run serves the echo over HTTP and HTTPS, prints both addresses, and ends with
// its standard input, so that it never outlives the bench.
func (c *benchEchoCmd) Run(ctx context.Context, s streams) error {
	tls, err := certs.ServerConfig(certs.ServerTLS{CertFile: c.Cert, KeyFile: c.Key})
	if err != nil {
		return err
	}
	g, err := serve.Start(
		serve.Endpoint{Name: "http", Listen: "127.0.0.1:0", Handler: http.HandlerFunc(echo)},
		serve.Endpoint{Name: "https", Listen: "127.0.0.1:0", TLS: tls, Handler: http.HandlerFunc(echo)})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.Out, "%s %s\n", g.Addr("http"), g.Addr("https")); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	go untilEOF(cancel)
	return errors.Join(g.Wait(ctx), g.Close(time.Second))
}
