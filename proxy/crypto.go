package proxy

import (
	"crypto/subtle"
	"errors"
	"time"

	"hyok/hsm"
	"hyok/proxy/xks"
)

// sealTries is how often Encrypt is tried when the verifying decryption shows
// that the device, or the memory on the way, has failed (XKS fact 81).
const sealTries = 2

// encrypt serves Encrypt (XKS facts 61 to 65).
func (x *exchange) encrypt() *refusal {
	var req xks.EncryptRequest
	late, f := x.decode(&req, &req.RequestMetadata)
	if f != nil {
		return f
	}
	if late == nil {
		late = checkEncrypt(&req)
	}
	label, f := x.usableKey(late)
	if f != nil {
		return f
	}
	// Which version encrypts, only the device's call knows. It completes the frame.
	x.aad = xks.AppendFrame(x.aad[:0], req.AdditionalAuthenticatedData, newMetadata(0))
	resp := new(xks.EncryptResponse)
	if req.CiphertextDataIntegrityValueAlgorithm == "" {
		f = x.seal(label, &req, resp)
	} else {
		f = x.sealVerified(label, &req, resp)
	}
	if f != nil {
		return f
	}
	return x.answer(resp)
}

// seal encrypts req's plaintext into resp.
func (x *exchange) seal(label string, req *xks.EncryptRequest, resp *xks.EncryptResponse) *refusal {
	defer x.timeHSM(time.Now())
	number := len(x.aad) - 4
	sealed, err := x.store.Token.EncryptNamed(x.ctx, label, req.Plaintext, x.aad, number)
	if err != nil {
		x.aadLent = true
		if errors.Is(err, hsm.ErrInvalidCiphertext) { // Encrypt has no such error
			return because(err, xks.InternalException, messageInternal)
		}
		return deviceFailure(err)
	}
	resp.CiphertextMetadata = newMetadata(sealed.Version)
	copy(x.aad[number:], resp.CiphertextMetadata[1:])
	resp.InitializationVector = sealed.IV
	resp.Ciphertext = sealed.Ciphertext
	resp.AuthenticationTag = sealed.Tag
	return nil
}

// sealVerified is seal with an integrity value. The value is computed first and
// the ciphertext decrypted then, so that no fault in between can be covered by
// it, and the plaintext compared (XKS facts 81, 85).
func (x *exchange) sealVerified(label string, req *xks.EncryptRequest, resp *xks.EncryptResponse) *refusal {
	for range sealTries {
		if f := x.seal(label, req, resp); f != nil {
			return f
		}
		value := xks.IntegrityValue(req.AdditionalAuthenticatedData, resp.CiphertextMetadata,
			resp.InitializationVector, resp.Ciphertext, resp.AuthenticationTag)
		resp.CiphertextDataIntegrityValue = value[:]
		named, _ := formOf(resp.CiphertextMetadata, nil)
		plaintext, err := x.open(label, named.version, resp.InitializationVector, resp.Ciphertext, resp.AuthenticationTag)
		switch {
		case err != nil && !errors.Is(err, hsm.ErrInvalidCiphertext):
			return deviceFailure(err)
		case err == nil && subtle.ConstantTimeCompare(plaintext, req.Plaintext) == 1:
			return nil
		}
	}
	return because(errors.New("what was encrypted does not decrypt to the same"),
		xks.InternalException, "the external key manager failed to encrypt")
}

// decrypt serves Decrypt (XKS facts 66 to 68).
func (x *exchange) decrypt() *refusal {
	var req xks.DecryptRequest
	late, f := x.decode(&req, &req.RequestMetadata)
	if f != nil {
		return f
	}
	if late == nil {
		late = checkDecrypt(&req)
	}
	named, known := formOf(req.CiphertextMetadata, x.store.Keys[x.keyID].Sample)
	if late == nil && !known {
		late = errMetadata
	}
	label, f := x.usableKey(late)
	if f != nil {
		return f
	}
	x.aad = named.appendAAD(x.aad[:0], req.AdditionalAuthenticatedData, req.CiphertextMetadata)
	plaintext, err := x.open(label, named.version, req.InitializationVector, req.Ciphertext, req.AuthenticationTag)
	if err != nil {
		return deviceFailure(err)
	}
	return x.answer(&xks.DecryptResponse{Plaintext: plaintext})
}

// open decrypts under a version of the key and x.aad.
func (x *exchange) open(label string, version uint32, iv, ciphertext, tag []byte) ([]byte, error) {
	defer x.timeHSM(time.Now())
	plaintext, err := x.store.Token.DecryptVersion(x.ctx, label, version, iv, ciphertext, tag, x.aad)
	if err != nil {
		x.aadLent = true
	}
	return plaintext, err
}
