package hsm

import (
	"crypto/rand"
	"fmt"
	"strings"

	"hyok/hsm/internal/gcm"
)

// An IVMaker says who makes the IV of an encryption.
type IVMaker string

// The makers of IVs.
const (
	IVByCaller IVMaker = "caller"           // random, of crypto/rand
	IVWritten  IVMaker = "device, in place" // over twelve zero bytes that it is given
	IVAppended IVMaker = "device, at end"   // behind the tag; it is given none
)

// A Profile says what a kind of device wants.
type Profile struct {
	Name     string
	Device   string
	IV       IVMaker
	Reserved string   // form of ModuleConfig.Reserved; "": none
	Copies   bool     // keys may be used through copies in memory; how their owner changes them shows within a second
	Workers  int      // sessions when TokenConfig names no number
	Quirks   []string // what its operator should know
	Source   string
}

// networkWorkers are for devices on a network, whose calls wait for it: at the
// two milliseconds of such a call, 1,800 a second (XKS fact 92) keep four busy.
const networkWorkers = 8

// GenericProfile is the one of a TokenConfig that names none.
const GenericProfile = "generic"

// profiles are all profiles. Only SoftHSM and NSS were at hand: the rows of the
// others stand for what the sources say, and the makers of their IVs were tried
// on a library that imitates them.
var profiles = []Profile{
	{Name: GenericProfile, Device: "any PKCS#11 device", IV: IVByCaller, Workers: defaultWorkers, Source: "PKCS#11 v2.40, section 2.12.3"},
	{Name: "softhsm", Device: "SoftHSM 2.6.1", IV: IVByCaller, Copies: true, Workers: defaultWorkers,
		Quirks: []string{"an empty IV means zeros, and is never sent", "C_Decrypt gives CKR_GENERAL_ERROR for a wrong tag"},
		Source: "guide hsm.md §1a, §1b; §2, traps 1 and 3"},
	{Name: "nss", Device: "NSS softokn 3.87", IV: IVByCaller, Workers: defaultWorkers,
		Reserved: "configdir='sql:DIR' certPrefix='' keyPrefix='' secmod='secmod.db' flags=optimizeSpace",
		Quirks: []string{"all tokens have the serial number 0000000000000000: choose by label",
			"C_Encrypt tells a length without the tag, and is not asked for it"},
		Source: "guide hsm.md §3; serial numbers seen in NSS 3.87"},
	{Name: "cloudhsm", Device: "AWS CloudHSM", IV: IVWritten, Workers: networkWorkers,
		Quirks: []string{"the PIN is user:password",
			"a cluster of one HSM needs configure-pkcs11 --disable-key-availability-check, else CKR_FUNCTION_FAILED"},
		Source: "guide xks-proxy.md §2.5 and §2.6"},
	{Name: "luna", Device: "Thales Luna 7", IV: IVAppended, Workers: networkWorkers,
		Source: "guide xks-proxy.md §2.5 and §2.6"},
	{Name: "nshield", Device: "Entrust nShield", IV: IVWritten, Workers: networkWorkers,
		Quirks: []string{"C_Decrypt gives CKR_FUNCTION_FAILED for a wrong tag"},
		Source: "guide xks-proxy.md §2.5 and §2.6"},
}

// Profiles gives all profiles.
func Profiles() []Profile { return append([]Profile(nil), profiles...) }

// ProfileNamed gives the profile of that name; "" stands for GenericProfile.
// ErrBadInput, with the names there are: there is none.
func ProfileNamed(name string) (Profile, error) {
	if name == "" {
		name = GenericProfile
	}
	var names []string
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("%w: no profile %q; there are %s", ErrBadInput, name, strings.Join(names, ", "))
}

// seal encrypts with an IV of the maker that the token's profile names, and
// gives it in iv. The output and the result are those of gcm's Encrypt.
func (t *Token) seal(session, key uint, iv, aad, text, out []byte) (gcm.Result, error) {
	who := gcm.CallerIV
	switch t.profile.IV {
	case IVWritten:
		who = gcm.WrittenIV
	case IVAppended:
		who = gcm.AppendedIV
	default:
		rand.Read(iv)
	}
	r, made := t.lib.gcm.Seal(who, session, key, iv, aad, text, out)
	if r.RV == 0 && !made {
		return r, fmt.Errorf("%w: it made no IV, as profile %q has it do", ErrUnsupported, t.profile.Name)
	}
	return r, nil
}
