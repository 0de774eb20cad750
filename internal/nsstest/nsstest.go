// Package nsstest makes databases of NSS's soft token, the second real PKCS#11
// module of the tests.
//
// Where NSS is not installed, a test that needs it says that it was not run, and
// what to install. The files go when the test ends.
package nsstest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	// PIN is of the token's user.
	PIN = "nss-pin-1"
	// Label is that of the token, in every database.
	Label = "NSS Certificate DB"
)

// A Database is an empty NSS database.
type Database struct {
	Module   string // path of the PKCS#11 module
	Reserved string // pReserved of C_Initialize, which names the database
	PINFile  string // holds PIN, mode 0600
}

// Module finds NSS's soft token, libsoftokn3.
func Module(t testing.TB) string {
	t.Helper()
	_, err := exec.LookPath("certutil")
	for _, dir := range []string{"/usr/lib/*", "/usr/lib/*/nss", "/usr/lib64", "/usr/lib"} {
		if found, _ := filepath.Glob(dir + "/libsoftokn3.so"); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	t.Skip("NOT RUN: NSS is missing; apt-get install libnss3 libnss3-tools, or make deps with .ci/deps clients")
	return ""
}

// New makes a database.
func New(t testing.TB) Database {
	t.Helper()
	dir := t.TempDir()
	d := Database{
		Module:   Module(t),
		Reserved: fmt.Sprintf("configdir='sql:%s' certPrefix='' keyPrefix='' secmod='secmod.db' flags=optimizeSpace", dir),
		PINFile:  filepath.Join(dir, "pin"),
	}
	if err := os.WriteFile(d.PINFile, []byte(PIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("certutil", "-N", "-d", "sql:"+dir, "-f", d.PINFile).CombinedOutput(); err != nil {
		t.Fatalf("making the database: %v: %s", err, out)
	}
	return d
}
