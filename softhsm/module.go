package softhsm

import (
	"fmt"
	"os"
	"path/filepath"
)

// moduleEnv names the module where it lies in no usual place.
const moduleEnv = "SOFTHSM2_MODULE"

// modulePlaces are glob patterns, by system.
var modulePlaces = []string{
	"/usr/lib/softhsm/libsofthsm2.so",             // Debian, Ubuntu
	"/usr/lib/*/softhsm/libsofthsm2.so",           // Debian, Ubuntu, by architecture
	"/usr/lib64/softhsm/libsofthsm2.so",           // Fedora, RHEL
	"/usr/lib64/pkcs11/libsofthsm2.so",            // Fedora, RHEL
	"/usr/lib/pkcs11/libsofthsm2.so",              // Arch
	"/usr/local/lib/softhsm/libsofthsm2.so",       // from source
	"/opt/homebrew/lib/softhsm/libsofthsm2.so",    // macOS
	"/usr/local/opt/softhsm/lib/libsofthsm2.so",   // macOS on Intel
	"/run/current-system/sw/lib/libsofthsm2.so",   // NixOS
	"/usr/local/lib/softhsm/libsofthsm2.so.dylib", // macOS from source
}

// Module finds libsofthsm2.so: the file that the environment variable
// SOFTHSM2_MODULE names, else in the usual places. The error says how to
// install it.
func Module() (path string, err error) { return findModule(os.Getenv(moduleEnv), modulePlaces) }

func findModule(named string, places []string) (string, error) {
	if named != "" {
		if _, err := os.Stat(named); err != nil {
			return "", fmt.Errorf("finding the SoftHSM module that %s names: %w; correct or unset it", moduleEnv, err)
		}
		return named, nil
	}
	for _, pattern := range places {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("libsofthsm2.so is nowhere to be found; install SoftHSM (apt-get install softhsm2, dnf install softhsm, brew install softhsm) or set %s to its path", moduleEnv)
}
