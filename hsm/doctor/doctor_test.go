package doctor_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm"
	"hyok/hsm/doctor"
	"hyok/softhsm"
	"hyok/softhsm/softhsmtest"
)

// A want is a step that a report must have; detail and do are parts of the text.
type want struct {
	status             doctor.Status
	step, detail, does string
}

func softModule(t *testing.T, tokens ...doctor.Token) doctor.Module {
	t.Helper()
	path, err := softhsm.Module()
	if err != nil {
		t.Fatal(err)
	}
	return doctor.Module{Name: "softhsm", Path: path, Tokens: tokens, Measure: 10 * time.Millisecond}
}

// onToken makes keys on a token through PKCS#11, in the way of another program.
func onToken(t *testing.T, label string, keys ...[]*pkcs11.Attribute) {
	t.Helper()
	path, err := softhsm.Module()
	must(t, err)
	makeKeys(t, path, label, softhsmtest.PIN, nil, keys...)
}

func makeKeys(t *testing.T, path, label, pin string, args []pkcs11.InitializeOption, keys ...[]*pkcs11.Attribute) {
	t.Helper()
	p := pkcs11.New(path)
	must(t, p.Initialize(args...))
	defer func() { must(t, p.Finalize()) }()
	slots, err := p.GetSlotList(true)
	must(t, err)
	for _, s := range slots {
		if info, err := p.GetTokenInfo(s); err != nil || info.Label != label {
			continue
		}
		session, err := p.OpenSession(s, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		must(t, err)
		must(t, p.Login(session, pkcs11.CKU_USER, pin))
		for _, k := range keys {
			_, err := p.GenerateKey(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, k)
			must(t, err)
		}
		return
	}
	t.Fatalf("there is no token %q", label)
}

// key is a template of a good key, with changes: attribute, value, ...
func key(label string, changes ...any) []*pkcs11.Attribute {
	all := map[uint]any{
		pkcs11.CKA_CLASS: pkcs11.CKO_SECRET_KEY, pkcs11.CKA_KEY_TYPE: pkcs11.CKK_AES, pkcs11.CKA_VALUE_LEN: 32,
		pkcs11.CKA_LABEL: label, pkcs11.CKA_TOKEN: true, pkcs11.CKA_PRIVATE: true, pkcs11.CKA_SENSITIVE: true,
		pkcs11.CKA_EXTRACTABLE: false, pkcs11.CKA_ENCRYPT: true, pkcs11.CKA_DECRYPT: true, pkcs11.CKA_WRAP: false,
	}
	for i := 0; i < len(changes); i += 2 {
		all[changes[i].(uint)] = changes[i+1]
	}
	var template []*pkcs11.Attribute
	for kind, value := range all {
		template = append(template, pkcs11.NewAttribute(kind, value))
	}
	return template
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// check fails the test unless the report has each of the steps, and shows no PIN.
func check(t *testing.T, r *doctor.Report, pin string, wants ...want) {
	t.Helper()
	var table bytes.Buffer
	must(t, r.Write(&table))
	j, err := json.Marshal(r)
	must(t, err)
	if pin != "" && strings.Contains(table.String()+string(j), pin) {
		t.Errorf("the PIN is shown:\n%s", &table)
	}
	for _, w := range wants {
		found := false
		for _, s := range r.Steps {
			found = found || s.Status == w.status && s.Step == w.step && strings.Contains(s.Detail, w.detail) && strings.Contains(s.Do, w.does)
		}
		if !found {
			t.Errorf("no step %+v in\n%s", w, &table)
		}
	}
	for _, s := range r.Steps {
		if (s.Status == doctor.OK) != (s.Do == "") && s.Status != doctor.Skipped && s.Step != "pin" {
			t.Errorf("a step says what to do exactly when it is not well: %+v", s)
		}
	}
}

func TestGoodTokenIsWellButForItsEmptyIV(t *testing.T) {
	label := softhsmtest.Label(t)
	softhsmtest.TestDir(t, label)
	onToken(t, label, key("good"))
	r := doctor.Check(t.Context(), softModule(t, doctor.Token{Name: "main", Label: label, PIN: softhsmtest.PIN, Keys: []string{"good"}}))
	check(t, r, "",
		want{doctor.OK, "module", "SoftHSM", ""}, want{doctor.OK, "slots", label, ""}, want{doctor.OK, "token", label, ""},
		want{doctor.OK, "pin", "not locked", ""}, want{doctor.OK, "login", "one try", ""},
		want{doctor.OK, "mechanisms", "CKM_AES_GCM, key sizes 16 to 32", ""}, want{doctor.OK, "mechanisms", "CKM_AES_KEY_GEN", ""},
		want{doctor.OK, "key", "not extractable", ""}, want{doctor.OK, "canary", "refused", ""},
		want{doctor.Warning, "iv", "silently means 16 zero bytes", "empty IV"}, want{doctor.OK, "sessions", "no limit", ""})
	if r.Count(doctor.Failed) != 0 || len(r.Speeds) != 4 || r.Pools["main"] == 0 {
		t.Errorf("speeds %v, pools %v, %d failed", r.Speeds, r.Pools, r.Count(doctor.Failed))
	}
	bad := doctor.Check(t.Context(), softModule(t, doctor.Token{Name: "main", Label: label, PIN: softhsmtest.PIN, MeasureKey: "none"}))
	check(t, bad, "", want{doctor.Failed, "throughput", "none", "another key"})
	for i, s := range r.Speeds {
		if s.Sessions != 1<<i || s.PerSecond <= 0 || s.P50 <= 0 || s.P99 < s.P50 {
			t.Errorf("speed %+v", s)
		}
	}
}

func TestKeysThatAreNotWell(t *testing.T) {
	label := softhsmtest.Label(t)
	softhsmtest.TestDir(t, label)
	onToken(t, label, key("twice"), key("twice"), key("extractable", uint(pkcs11.CKA_EXTRACTABLE), true),
		key("readable", uint(pkcs11.CKA_SENSITIVE), false), key("wraps", uint(pkcs11.CKA_WRAP), true),
		key("short", uint(pkcs11.CKA_VALUE_LEN), 16), key("half", uint(pkcs11.CKA_DECRYPT), false),
		key("disabled", uint(pkcs11.CKA_ENCRYPT), false, uint(pkcs11.CKA_DECRYPT), false),
		key("rotated"), key("rotated", uint(pkcs11.CKA_ID), hsm.NewVersionID(2)),
		key("halved"), key("halved", uint(pkcs11.CKA_ID), hsm.NewVersionID(2), uint(pkcs11.CKA_DECRYPT), false))
	for _, c := range []struct {
		label  string
		status doctor.Status
		detail string
	}{
		{"none", doctor.Failed, "no secret key of this label"},
		{"twice", doctor.Failed, "several secret keys"},
		{"extractable", doctor.Warning, "extractable"},
		{"readable", doctor.Warning, "not sensitive"},
		{"wraps", doctor.Warning, "wrap other keys"},
		{"short", doctor.Failed, "128 bits"},
		{"half", doctor.Failed, "one of the usages"},
		{"disabled", doctor.Warning, "disabled"},
		{"rotated", doctor.OK, "; 2 versions"},
		{"halved", doctor.Failed, "version 2: it has one of the usages"},
	} {
		t.Run(c.label, func(t *testing.T) {
			r := doctor.Check(t.Context(), softModule(t, doctor.Token{Name: "main", Label: label, PIN: softhsmtest.PIN, Keys: []string{c.label}}))
			check(t, r, "", want{c.status, "key", c.detail, ""}, want{doctor.OK, "canary", "", ""})
		})
	}
	r := doctor.Check(t.Context(), softModule(t, doctor.Token{Name: "main", Label: label, PIN: softhsmtest.PIN, AllKeys: true, Keys: []string{"disabled", "away"}}))
	check(t, r, "", want{doctor.Failed, "key", "several", ""}, want{doctor.Warning, "key", "disabled", ""}, want{doctor.Failed, "key", "no secret key of this label", ""})
}

// A wrong PIN fails the login and what needs it, and nothing else; the right one
// works afterwards, though the token has counted.
func TestWrongPINTakesDownWhatNeedsTheLoginOnly(t *testing.T) {
	label := softhsmtest.Label(t)
	softhsmtest.TestDir(t, label)
	const wrong = "98765432"
	r := doctor.Check(t.Context(), softModule(t, doctor.Token{Name: "main", Label: label, PIN: wrong, AllKeys: true}))
	check(t, r, wrong,
		want{doctor.OK, "pin", "no wrong one", ""}, want{doctor.Failed, "login", "CKR_PIN_INCORRECT", "tried once"},
		want{doctor.Failed, "login", "counts wrong PINs", ""}, want{doctor.OK, "mechanisms", "", ""}, want{doctor.OK, "sessions", "", ""},
		want{doctor.Skipped, "key", "login", ""}, want{doctor.Skipped, "canary", "login", ""},
		want{doctor.Skipped, "iv", "canary", ""}, want{doctor.Skipped, "throughput", "canary", ""})
	r = doctor.Check(t.Context(), softModule(t, doctor.Token{Name: "main", Label: label, PIN: softhsmtest.PIN, AllKeys: true}))
	check(t, r, "", want{doctor.Warning, "pin", "a wrong PIN was given", ""}, want{doctor.OK, "login", "", ""})
}

func TestTokenIsChosenByWhatIsUnique(t *testing.T) {
	label := softhsmtest.Label(t)
	d := softhsmtest.TestDir(t, label)
	first, err := d.TokenPath(label)
	must(t, err)
	must(t, exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", softhsmtest.PIN, "--so-pin", softhsmtest.SOPIN).Run())
	tail := strings.ReplaceAll(first[strings.LastIndex(first, "/")+1:], "-", "")
	serial := tail[len(tail)-16:]
	good := doctor.Token{Name: "good", Label: label, Serial: serial, PIN: softhsmtest.PIN, AllKeys: true}
	r := doctor.Check(t.Context(), softModule(t, doctor.Token{Name: "bad", Label: label, PIN: softhsmtest.PIN}, good,
		doctor.Token{Name: "absent", Label: "absent", PIN: softhsmtest.PIN}))
	check(t, r, "", want{doctor.Failed, "token", "several match", "serial number"}, want{doctor.Skipped, "login", "pin", ""},
		want{doctor.OK, "token", serial, ""}, want{doctor.OK, "canary", "", ""}, want{doctor.Failed, "token", "absent", label})
	if other, err := d.TokenPath(label); err == nil {
		must(t, d.RemoveToken(other))
	}
}

func TestModulesThatAreNone(t *testing.T) {
	for _, path := range []string{"/nonexistent.so", "doctor_test.go", "libm.so.6"} {
		r := doctor.Check(t.Context(), doctor.Module{Name: "m", Path: path, Tokens: []doctor.Token{{Name: "t"}}})
		check(t, r, "", want{doctor.Failed, "module", "", "check the path"}, want{doctor.Skipped, "slots", "module", ""},
			want{doctor.Skipped, "token", "slots", ""}, want{doctor.Skipped, "throughput", "canary", ""})
	}
}
