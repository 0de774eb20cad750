package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hyok/certs"
	"hyok/softhsm/softhsmtest"
)

// asDaemon in the environment makes the test binary the command itself.
const asDaemon = "XKSPROXY_TEST_AS_DAEMON"

// asKeyMaker makes it make so many keys on keysToken.
const asKeyMaker = "XKSPROXY_TEST_MAKE_KEYS"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(asKeyMaker)); err == nil {
		if err := softhsmtest.MakeKeys(keysToken, n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(asDaemon) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"xksproxy": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			if err := os.WriteFile(filepath.Join(e.WorkDir, "reference.yaml"), []byte(reference), 0o644); err != nil {
				return err
			}
			if err := writeLogs(e.WorkDir); err != nil {
				return err
			}
			return writeCertificate(e.WorkDir)
		},
	})
}

// writeCertificate makes an authority, ca.pem, and a server's certificate for
// localhost, server.pem and server-key.pem.
func writeCertificate(dir string) error {
	a, err := certs.NewAuthority("test CA", time.Now())
	if err != nil {
		return err
	}
	cert, key, err := a.Issue(certs.Leaf{CommonName: "localhost", DNSNames: []string{"localhost"}})
	if err != nil {
		return err
	}
	if err := a.Save(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")); err != nil {
		return err
	}
	return certs.WriteLeaf(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem"), cert, key)
}
