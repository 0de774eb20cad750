package doctor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm/doctor"
	"hyok/hsm/internal/gcm"
)

// softokn finds NSS's module and its tool, a second real device.
func softokn(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/*/libsoftokn3.so", "/usr/lib/*/nss/libsoftokn3.so", "/usr/lib64/libsoftokn3.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			if _, err := exec.LookPath("certutil"); err == nil {
				return found[0]
			}
		}
	}
	t.Skip("NOT RUN: NSS is missing; apt-get install libnss3 libnss3-tools, or make deps with .ci/deps clients")
	return ""
}

func TestNSSIsWell(t *testing.T) {
	path, dir := softokn(t), t.TempDir()
	const pin, label = "nss-pin-1234", "NSS Certificate DB"
	file := filepath.Join(dir, "pin")
	must(t, os.WriteFile(file, []byte(pin+"\n"), 0o600))
	must(t, exec.Command("certutil", "-N", "-d", "sql:"+dir, "-f", file).Run())
	reserved := fmt.Sprintf("configdir='sql:%s' certPrefix='' keyPrefix='' secmod='secmod.db' flags=optimizeSpace", dir)
	makeKeys(t, path, label, pin, []pkcs11.InitializeOption{pkcs11.InitializeWithReserved(gcm.String(reserved))}, key("good"))
	r := doctor.Check(t.Context(), doctor.Module{Name: "nss", Path: path, Reserved: reserved, Measure: 10 * time.Millisecond, Tokens: []doctor.Token{
		{Name: "nss", Label: label, PIN: pin, Keys: []string{"good"}, MeasureKey: "good"},
		{Name: "wrong", Label: label, PIN: "nss-pin-wrong"},
	}})
	check(t, r, pin,
		want{doctor.OK, "module", "NSS", ""}, want{doctor.OK, "slots", label, ""}, want{doctor.OK, "login", "", ""},
		want{doctor.OK, "key", "not extractable", ""}, want{doctor.OK, "canary", "refused", ""},
		want{doctor.OK, "iv", "an empty IV is refused", ""}, want{doctor.OK, "throughput", `the key "good"`, ""},
		want{doctor.Failed, "login", "CKR_PIN_INCORRECT", ""}, want{doctor.Skipped, "canary", "", ""})
	without := doctor.Check(t.Context(), doctor.Module{Name: "nss", Path: path, Tokens: []doctor.Token{{Name: "nss", Label: label, PIN: pin}}})
	if without.Count(doctor.Failed) == 0 {
		t.Error("NSS is well without its reserved parameters")
	}
}
