package doctor

import (
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"hyok/hsm/internal/gcm"
)

// A slot is a slot with an initialised token.
type slot struct {
	id   uint
	info pkcs11.TokenInfo
}

func (s slot) String() string {
	return fmt.Sprintf("%q (serial number %s)", s.info.Label, s.info.SerialNumber)
}

// load loads and initialises the module.
func (p *patient) load() []Step {
	const do = "check the path, and that the vendor's client is installed and may be read by this user"
	var err error
	if p.gcm, err = gcm.Open(p.module.Path); err != nil {
		return one(Failed, err.Error(), do)
	}
	if p.p11 = pkcs11.New(p.module.Path); p.p11 == nil {
		return one(Failed, "the file is no PKCS#11 module", do)
	}
	var args []pkcs11.InitializeOption
	if p.module.Reserved != "" {
		args = append(args, pkcs11.InitializeWithReserved(gcm.String(p.module.Reserved)))
	}
	if err := p.p11.Initialize(args...); err != nil {
		return one(Failed, code("C_Initialize", err),
			"check the module's own configuration (SOFTHSM2_CONF, the vendor's client file); NSS needs reserved parameters")
	}
	p.initialized = true
	info, err := p.p11.GetInfo()
	if err != nil {
		return one(Failed, code("C_GetInfo", err), do)
	}
	return one(OK, fmt.Sprintf("%s, %s %d.%d, Cryptoki %d.%d", strings.TrimSpace(info.ManufacturerID),
		strings.TrimSpace(info.LibraryDescription), info.LibraryVersion.Major, info.LibraryVersion.Minor,
		info.CryptokiVersion.Major, info.CryptokiVersion.Minor), "")
}

// listSlots lists the tokens. One that does not answer is named and left out.
func (p *patient) listSlots() []Step {
	ids, err := p.p11.GetSlotList(true)
	if err != nil {
		return one(Failed, code("C_GetSlotList", err), "check that the device is connected and its client service runs")
	}
	var names, silent []string
	for _, id := range ids {
		info, err := p.p11.GetTokenInfo(id)
		switch {
		case err != nil:
			silent = append(silent, fmt.Sprintf("slot %d: %s", id, code("C_GetTokenInfo", err)))
		case info.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0:
			p.slots = append(p.slots, slot{id, info})
			names = append(names, p.slots[len(p.slots)-1].String())
		}
	}
	detail := fmt.Sprintf("%d initialised: %s", len(names), strings.Join(names, ", "))
	switch {
	case len(silent) > 0:
		return one(Warning, detail+"; no answer from "+strings.Join(silent, ", "), "check the devices that do not answer, if they are meant to be used")
	case len(names) == 0:
		return one(Failed, fmt.Sprintf("none of %d slots has an initialised token", len(ids)), "initialise a token with the vendor's tool")
	}
	return one(OK, detail, "")
}

// choose finds the token: by serial number, which is unique, or label, which is not.
func (p *patient) choose() []Step {
	var match, names []string
	for _, s := range p.slots {
		names = append(names, s.String())
		if (p.token.Serial == "" || p.token.Serial == s.info.SerialNumber) && (p.token.Label == "" || p.token.Label == s.info.Label) {
			match = append(match, s.String())
			p.slot = s
		}
	}
	switch {
	case len(match) == 0:
		return one(Failed, fmt.Sprintf("no token with label %q and serial number %q", p.token.Label, p.token.Serial),
			"there are "+strings.Join(names, ", ")+": correct label or serial")
	case len(match) > 1:
		return one(Failed, "several match: "+strings.Join(match, ", "), "configure the serial number of the one that is meant")
	}
	i := p.slot.info
	return one(OK, fmt.Sprintf("%s, %s %s, firmware %d.%d", p.slot, i.ManufacturerID, i.Model, i.FirmwareVersion.Major, i.FirmwareVersion.Minor), "")
}

// pinRows are the flags of CK_TOKEN_INFO that say how the user PIN is, worst
// first. A login goes on after a warning only.
var pinRows = []struct {
	flag       uint
	status     Status
	detail, do string
}{
	{pkcs11.CKF_USER_PIN_LOCKED, Failed, "the user PIN is locked; no login was tried", "have the security officer set a new user PIN"},
	{pkcs11.CKF_USER_PIN_FINAL_TRY, Failed, "one more wrong PIN locks the token; no login was tried",
		"make sure of the PIN, and then run this again with --use-final-try"},
	{pkcs11.CKF_USER_PIN_TO_BE_CHANGED, Warning, "the user PIN must be changed: the token may refuse all else", "change the user PIN with the vendor's tool"},
	{pkcs11.CKF_USER_PIN_COUNT_LOW, Warning, "a wrong PIN was given since the last right one", "find out who gave it; a right one clears this"},
}

func (p *patient) pinState() []Step { return pinState(p.slot.info.Flags, p.token.UseFinalTry) }

func pinState(flags uint, useFinalTry bool) []Step {
	if flags&pkcs11.CKF_USER_PIN_INITIALIZED == 0 {
		return one(Failed, "the token has no user PIN", "have the security officer set one")
	}
	for _, r := range pinRows {
		if flags&r.flag == 0 {
			continue
		}
		if r.flag == pkcs11.CKF_USER_PIN_FINAL_TRY && useFinalTry {
			return one(Warning, "one more wrong PIN locks the token; it is used as asked", "")
		}
		return one(r.status, r.detail, r.do)
	}
	return one(OK, "set, not locked, no wrong one since the last right one", "")
}

// login gives the PIN to the token, once.
func (p *patient) login() []Step {
	if p.token.PIN == "" {
		return one(Failed, "no PIN is configured", "give the user PIN")
	}
	var err error
	if p.session, err = p.p11.OpenSession(p.slot.id, pkcs11.CKF_SERIAL_SESSION); err != nil {
		return one(Failed, code("C_OpenSession", err), "check that the device takes another session")
	}
	p.open = true
	if err := p.p11.Login(p.session, pkcs11.CKU_USER, p.token.PIN.Reveal()); err != nil {
		detail := code("C_Login", err)
		if info, err := p.p11.GetTokenInfo(p.slot.id); err == nil && info.Flags&pkcs11.CKF_USER_PIN_COUNT_LOW != 0 {
			detail += "; the token now counts wrong PINs"
		}
		return one(Failed, detail, "correct the PIN before anything tries again: it was tried once, and tokens lock")
	}
	return one(OK, "logged in with one try", "")
}

// mechanismRows are the mechanisms that keys are used and made with.
var mechanismRows = []struct {
	mechanism uint
	name      string
	flags     uint
	missing   Status
	do        string
}{
	{pkcs11.CKM_AES_GCM, "CKM_AES_GCM", pkcs11.CKF_ENCRYPT | pkcs11.CKF_DECRYPT, Failed, "use a device, firmware or partition policy with AES-GCM: there is no way round it"},
	{pkcs11.CKM_AES_KEY_GEN, "CKM_AES_KEY_GEN", pkcs11.CKF_GENERATE, Failed, "use a device that generates AES keys: the proxy's health check makes one in its session"},
}

func (p *patient) mechanisms() []Step {
	var found []Step
	for _, r := range mechanismRows {
		info, err := p.p11.GetMechanismInfo(p.slot.id, []*pkcs11.Mechanism{pkcs11.NewMechanism(r.mechanism, nil)})
		s := Step{Status: OK, Subject: p.subject, Detail: fmt.Sprintf("%s, key sizes %d to %d", r.name, info.MinKeySize, info.MaxKeySize)}
		switch {
		case err != nil:
			s.Status, s.Detail, s.Do = r.missing, r.name+" is missing: "+code("C_GetMechanismInfo", err), r.do
		case info.Flags&r.flags != r.flags:
			s.Status, s.Detail, s.Do = r.missing, r.name+" does not do what is needed", r.do
		case !has256(info):
			s.Status, s.Do = Warning, "the sizes leave out 256 bits, which may be the module's mistake: see the step canary"
		}
		found = append(found, s)
	}
	return found
}

// has256 tells whether 256 bits are among the key sizes, which some modules give
// in bytes and others in bits; 0 stands for unknown.
func has256(i pkcs11.MechanismInfo) bool {
	within := func(n uint) bool { return i.MinKeySize <= n && n <= i.MaxKeySize }
	return i.MaxKeySize == 0 || within(32) || within(256)
}
