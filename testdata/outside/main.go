// Command outside is a program of somebody else's: an external key store proxy
// that is made of this module's packages, without its command. It shows that all
// that they ask for can be named from outside.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"hyok/certs"
	"hyok/hsm"
	"hyok/proxy"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	module, err := hsm.Load(hsm.ModuleConfig{Path: os.Getenv("MODULE")})
	if err != nil {
		return err
	}
	defer module.Close()
	token, err := module.Open(ctx, hsm.TokenConfig{Label: os.Getenv("TOKEN"), PIN: hsm.PIN(os.Getenv("PIN"))})
	if err != nil {
		return err
	}
	credential := proxy.Credential{AccessKeyID: os.Getenv("ACCESS_KEY_ID"), Secret: os.Getenv("SECRET")}
	server, err := proxy.New(ctx, proxy.Config{Stores: []proxy.Store{{Credentials: []proxy.Credential{credential}, Token: token}}})
	if err != nil {
		return err
	}
	defer server.Close()
	tls, err := certs.ServerConfig(certs.ServerTLS{CertFile: os.Getenv("CERT"), KeyFile: os.Getenv("KEY")})
	if err != nil {
		return err
	}
	listener := http.Server{Addr: "127.0.0.1:8443", Handler: server.Handler(), TLSConfig: tls}
	return listener.ListenAndServeTLS("", "")
}
