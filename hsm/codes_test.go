package hsm

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
)

func TestEveryReturnCodeHasOneRow(t *testing.T) {
	if len(rowByCode) != len(codeRows) || len(rowByName) != len(codeRows) {
		t.Errorf("%d rows hold %d codes and %d names", len(codeRows), len(rowByCode), len(rowByName))
	}
	// The binding knows the names of most codes, and must know them alike.
	for code := uint(1); code <= 0x200; code++ {
		_, name, known := strings.Cut(pkcs11.Error(code).Error(), "CKR_")
		row, ok := rowByCode[code]
		if known && (!ok || row.name != "CKR_"+name) {
			t.Errorf("0x%x is CKR_%s; the table says %q", code, name, row.name)
		}
	}
}

// TestErrorClassesOfTheGuide walks "Error classes for Go", guide hsm.md §2.
func TestErrorClassesOfTheGuide(t *testing.T) {
	for _, c := range []struct {
		class class
		is    error
		codes []uint
	}{
		{classSession, ErrUnavailable, []uint{0xB3, 0xB0, 0x90}},
		{classHandle, ErrUnavailable, []uint{0x82, 0x60}},
		{classLogin, ErrUnavailable, []uint{0x101}},
		{classDevice, ErrUnavailable, []uint{0x30, 0x31, 0x32, 0xE0, 0x190, 0x5, 0x6}},
		{classSessions, ErrUnavailable, []uint{0xB1}},
		{classPIN, ErrPIN, []uint{0xA0, 0xA4}},
		{classCiphertext, ErrInvalidCiphertext, []uint{0x40, 0x41}},
		{classUsage, ErrKeyUsage, []uint{0x68}},
		{classDevice, ErrUnavailable, []uint{0x4, 0x80000001}}, // unknown, and a vendor's
	} {
		for _, code := range c.codes {
			err := fmt.Errorf("doing it: %w", coded("C_Do", pkcs11.Error(code)))
			if got := codeClass(err); got != c.class {
				t.Errorf("0x%x is of class %d, want %d", code, got, c.class)
			}
			for _, sentinel := range sentinels {
				if errors.Is(err, sentinel) != (sentinel == c.is) {
					t.Errorf("0x%x: errors.Is(%v) is %v", code, sentinel, sentinel != c.is)
				}
			}
			if codeOf(err) != code {
				t.Errorf("0x%x comes back as 0x%x", code, codeOf(err))
			}
		}
	}
}

func TestErrorsNameFunctionAndCode(t *testing.T) {
	for code, want := range map[uint]string{
		0xA0:       "C_Login: CKR_PIN_INCORRECT (0xa0): PIN refused by the token",
		0x80000001: "C_Login: unknown or vendor's code (0x80000001): device is unavailable",
	} {
		if got := coded("C_Login", pkcs11.Error(code)).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := coded("C_Login", nil); err != nil {
		t.Errorf("success became %v", err)
	}
}

// TestDevicesFaultsAreNotBlamedOnTheCaller: XKS fact 87.
func TestDevicesFaultsAreNotBlamedOnTheCaller(t *testing.T) {
	for _, c := range []struct {
		function string
		code     uint
		want     error
	}{
		{"C_FindObjectsInit", 0x7, ErrUnavailable},
		{"C_GetAttributeValue", 0x68, ErrUnavailable},
		{"C_GetSessionInfo", 0xA0, ErrUnavailable},
		{"C_Encrypt", 0x40, ErrUnavailable},
		{"C_Decrypt", 0x40, ErrInvalidCiphertext},
		{"C_Encrypt", 0x21, ErrBadInput},
		{"C_EncryptInit", 0x68, ErrKeyUsage},
		{"C_Login", 0xA0, ErrPIN},
	} {
		if err := coded(c.function, pkcs11.Error(c.code)); !errors.Is(err, c.want) {
			t.Errorf("%v is not %v", err, c.want)
		}
	}
}
