package xks

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// maxErrorMessage is the most of an errorMessage that is kept (XKS facts 1.11).
const maxErrorMessage = 511

// Limits of the lists in answers (XKS facts 58, 69).
const (
	maxKeyUsages    = 10
	maxFleetDetails = 10
)

// readResponse takes an answer apart into resp, or into an *Error. An answer
// that the protocol does not know is a *TransportError.
func readResponse[T any](a answer, attempts int, resp *T, check func(*T) error) error {
	var err error
	if a.status == http.StatusOK {
		if err = Unmarshal(a.body, resp); err == nil {
			err = check(resp)
		}
	} else {
		var answered *Error
		if answered, err = readError(a); err == nil {
			return answered
		}
	}
	if err != nil {
		return &TransportError{Kind: InvalidResponse, Attempts: attempts, Err: err}
	}
	return nil
}

// readError reads an error answer. The name alone decides: the status is what
// the name makes it, or some balancer's.
func readError(a answer) (*Error, error) {
	e := new(Error)
	if a.status < 400 {
		return nil, fmt.Errorf("the answer has status %d", a.status)
	}
	if err := Unmarshal(a.body, e); err != nil {
		return nil, fmt.Errorf("the answer has status %d and no error name of the protocol", a.status)
	}
	if !e.Name.Valid() {
		return nil, fmt.Errorf("the answer has status %d and an error name that is not of the protocol", a.status)
	}
	e.Message = PrintableMessage(e.Message)
	return e, nil
}

// PrintableMessage makes s an errorMessage of the protocol: printable ASCII,
// below 512 characters (XKS facts 1.11). Other bytes become "?".
func PrintableMessage(s string) string {
	if len(s) > maxErrorMessage {
		s = s[:maxErrorMessage]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
}

// checkKeyMetadata checks an answer of GetKeyMetadata (XKS facts 57 to 59).
func checkKeyMetadata(r *GetKeyMetadataResponse) error {
	switch {
	case r.KeySpec == "":
		return errors.New("keySpec is missing")
	case r.KeyUsage == nil:
		return errors.New("keyUsage is missing")
	case len(r.KeyUsage) > maxKeyUsages:
		return fmt.Errorf("keyUsage has %d values, at most %d are allowed", len(r.KeyUsage), maxKeyUsages)
	case r.KeyStatus != StatusEnabled && r.KeyStatus != StatusDisabled:
		return errors.New("keyStatus is neither ENABLED nor DISABLED")
	}
	return nil
}

// checkEncrypt checks an answer of Encrypt against its request (XKS facts 54,
// 62, 82).
func checkEncrypt(req *EncryptRequest, r *EncryptResponse) error {
	switch {
	case r.Ciphertext == nil || len(r.Ciphertext) != len(req.Plaintext):
		return fmt.Errorf("ciphertext has %d bytes for a plaintext of %d", len(r.Ciphertext), len(req.Plaintext))
	case len(r.InitializationVector) != IVSize && len(r.InitializationVector) != LongIVSize:
		return fmt.Errorf("initializationVector has %d bytes", len(r.InitializationVector))
	case len(r.AuthenticationTag) != TagSize:
		return fmt.Errorf("authenticationTag has %d bytes", len(r.AuthenticationTag))
	case len(r.CiphertextMetadata) > MaxMetadata:
		return fmt.Errorf("ciphertextMetadata has %d bytes", len(r.CiphertextMetadata))
	case req.CiphertextDataIntegrityValueAlgorithm == "":
		return nil
	}
	want := IntegrityValue(req.AdditionalAuthenticatedData, r.CiphertextMetadata,
		r.InitializationVector, r.Ciphertext, r.AuthenticationTag)
	if string(r.CiphertextDataIntegrityValue) != string(want[:]) {
		return errors.New("ciphertextDataIntegrityValue does not fit the answer")
	}
	return nil
}

// checkDecrypt checks an answer of Decrypt against its request.
func checkDecrypt(req *DecryptRequest, r *DecryptResponse) error {
	if r.Plaintext == nil || len(r.Plaintext) != len(req.Ciphertext) {
		return fmt.Errorf("plaintext has %d bytes for a ciphertext of %d", len(r.Plaintext), len(req.Ciphertext))
	}
	return nil
}

// checkHealth checks an answer of GetHealthStatus (XKS facts 69, 70).
func checkHealth(r *GetHealthStatusResponse) error {
	switch {
	case r.XksProxyFleetSize <= 0:
		return errors.New("xksProxyFleetSize is not above zero")
	case r.XksProxyVendor == "" || r.XksProxyModel == "" || r.EkmVendor == "":
		return errors.New("xksProxyVendor, xksProxyModel or ekmVendor is missing")
	case len(r.EkmFleetDetails) == 0 || len(r.EkmFleetDetails) > maxFleetDetails:
		return fmt.Errorf("ekmFleetDetails has %d entries, 1 to %d are allowed", len(r.EkmFleetDetails), maxFleetDetails)
	}
	for i, d := range r.EkmFleetDetails {
		if d.ID == "" || d.Model == "" {
			return fmt.Errorf("ekmFleetDetails entry %d has no id or no model", i)
		}
		switch d.HealthStatus {
		case HealthActive, HealthDegraded, HealthUnavailable:
		default:
			return fmt.Errorf("ekmFleetDetails entry %d has an unknown healthStatus", i)
		}
	}
	return nil
}
