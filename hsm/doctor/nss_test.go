package doctor_test

import (
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm/doctor"
	"hyok/hsm/internal/gcm"
	"hyok/internal/nsstest"
)

func TestNSSIsWell(t *testing.T) {
	nss := nsstest.New(t)
	const pin, label = nsstest.PIN, nsstest.Label
	makeKeys(t, nss.Module, label, pin, []pkcs11.InitializeOption{pkcs11.InitializeWithReserved(gcm.String(nss.Reserved))}, key("good"))
	r := doctor.Check(t.Context(), doctor.Module{Name: "nss", Path: nss.Module, Reserved: nss.Reserved, Measure: 10 * time.Millisecond, Tokens: []doctor.Token{
		{Name: "nss", Label: label, PIN: pin, Keys: []string{"good"}, MeasureKey: "good"},
		{Name: "wrong", Label: label, PIN: "nss-pin-wrong"},
	}})
	check(t, r, pin,
		want{doctor.OK, "module", "NSS", ""}, want{doctor.OK, "slots", label, ""}, want{doctor.OK, "login", "", ""},
		want{doctor.OK, "key", "not extractable", ""}, want{doctor.OK, "canary", "refused", ""},
		want{doctor.OK, "iv", "an empty IV is refused", ""}, want{doctor.OK, "throughput", `the key "good"`, ""},
		want{doctor.Failed, "login", "CKR_PIN_INCORRECT", ""}, want{doctor.Skipped, "canary", "", ""})
	without := doctor.Check(t.Context(), doctor.Module{Name: "nss", Path: nss.Module, Tokens: []doctor.Token{{Name: "nss", Label: label, PIN: pin}}})
	if without.Count(doctor.Failed) == 0 {
		t.Error("NSS is well without its reserved parameters")
	}
}
