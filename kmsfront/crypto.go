package kmsfront

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
)

var (
	// errIncorrectKey is guide 004:4675-4701.
	errIncorrectKey = api.Errorf(api.CodeIncorrectKeyException,
		"The key ID in the request does not identify a CMK that can perform this operation.")
	errInvalidCiphertext = api.Errorf(api.CodeInvalidCiphertextException, "")
	errDryRun            = api.Errorf(api.CodeDryRunOperationException,
		"The request would have succeeded, but the DryRun option is set.")
)

// dataKeySizes is the key length of a DataKeySpec in bytes (guide kms-core DK-02).
var dataKeySizes = map[string]int{api.DataKeySpecAes256: 32, api.DataKeySpecAes128: 16}

// isTrue reads an optional flag.
func isTrue(b *bool) bool { return b != nil && *b }

// madeBy finds the key that made a symmetric ciphertext, by the blob's header.
func (s *Server) madeBy(c *api.Call, blob []byte) (*Key, error) {
	h, _, err := material.ParseHeader(blob)
	if err != nil {
		return nil, errInvalidCiphertext
	}
	if k, ok := s.lookup(recordKey(h.Account, c.Region, h.KeyID)); ok {
		return k, nil
	}
	return nil, api.Errorf(api.CodeAccessDeniedException,
		"The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
}

// encryptUnder makes a ciphertext blob in the key's backend.
func (s *Server) encryptUnder(ctx context.Context, r *request, k *Key, plaintext []byte, ec map[string]string) ([]byte, error) {
	b, err := s.backend(k)
	if err != nil {
		return nil, err
	}
	blob, err := b.Encrypt(r.withRequest(ctx, k.ARN), &k.Key, plaintext, material.EncodeContext(ec))
	return blob, cryptoError(err)
}

// decryptUnder opens a ciphertext blob in the key's backend.
func (s *Server) decryptUnder(ctx context.Context, r *request, k *Key, blob []byte, ec map[string]string) ([]byte, error) {
	b, err := s.backend(k)
	if err != nil {
		return nil, err
	}
	plaintext, err := b.Decrypt(r.withRequest(ctx, k.ARN), &k.Key, blob, material.EncodeContext(ec))
	return plaintext, cryptoError(err)
}

func cryptoError(err error) error {
	switch {
	case errors.Is(err, material.ErrInvalidCiphertext):
		return errInvalidCiphertext
	case errors.Is(err, material.ErrContextTooLong):
		return api.Errorf(api.CodeValidationException, "The encryption context is too long for a key in an external key store: "+
			"with the ciphertext's header it may have %d bytes.", material.MaxExternalAAD)
	}
	return err
}

// symmetricOnly refuses an algorithm that the key does not have (guide kms-core §2.3).
func symmetricOnly(k *Key, algorithm string) error {
	if algorithm == "" || algorithm == api.EncryptionAlgorithmSpecSymmetricDefault {
		return nil
	}
	return api.Errorf(api.CodeInvalidKeyUsageException,
		"Algorithm %s is incompatible with key spec %s.", algorithm, k.Spec)
}

// noRecipient refuses what would otherwise hand out plaintext that the caller
// asked to be sealed for an enclave.
func noRecipient(r *api.RecipientInfo) error {
	if r == nil {
		return nil
	}
	return api.Errorf(api.CodeUnsupportedOperationException, "Recipient (Nitro Enclaves attestation) is not built yet in this version of hyok.")
}

func (s *Server) encrypt(ctx context.Context, r *request, in *api.EncryptRequest) (*api.EncryptResponse, error) {
	if err := symmetricOnly(r.key, in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	if isTrue(in.DryRun) {
		return nil, errDryRun
	}
	blob, err := s.encryptUnder(ctx, r, r.key, in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &api.EncryptResponse{
		CiphertextBlob: blob, KeyId: r.key.ARN,
		EncryptionAlgorithm: api.EncryptionAlgorithmSpecSymmetricDefault,
	}, nil
}

// withoutCiphertext says whether a dry run asks about the key alone.
func withoutCiphertext(dryRun *bool, modifiers []string) bool {
	return isTrue(dryRun) && len(modifiers) > 0 && modifiers[0] == api.DryRunModifierTypeIgnoreCiphertext
}

func findDecrypt(s *Server, r *request) (err error) {
	in := r.In.(*api.DecryptRequest)
	r.key, err = s.findDecryptionKey(r.Call, in.KeyId, "keyId", in.CiphertextBlob, withoutCiphertext(in.DryRun, in.DryRunModifiers))
	return err
}

// findDecryptionKey also makes sure that there is a ciphertext: the model does
// not demand one, because a dry run may leave it out.
func (s *Server) findDecryptionKey(c *api.Call, id, member string, blob []byte, without bool) (*Key, error) {
	switch {
	case without && id == "":
		return nil, required(member)
	case without:
		return s.findKey(c, id, true)
	case len(blob) == 0:
		return nil, required("ciphertextBlob")
	}
	return s.findCiphertextKey(c, id, blob)
}

func required(member string) error {
	return api.Errorf(api.CodeValidationException,
		"1 validation error detected: Value at '%s' failed to satisfy constraint: Member must not be null", member)
}

func (s *Server) decrypt(ctx context.Context, r *request, in *api.DecryptRequest) (*api.DecryptResponse, error) {
	if err := symmetricOnly(r.key, in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	if isTrue(in.DryRun) && (r.key.StoreID != "" || len(in.DryRunModifiers) > 0) {
		return nil, errDryRun // a dry run calls no proxy (guide 004:28921)
	}
	plaintext, err := s.decryptUnder(ctx, r, r.key, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if isTrue(in.DryRun) {
		return nil, errDryRun
	}
	return &api.DecryptResponse{
		KeyId: r.key.ARN, Plaintext: plaintext, KeyMaterialId: materialID(r.key, in.CiphertextBlob),
		EncryptionAlgorithm: api.EncryptionAlgorithmSpecSymmetricDefault,
	}, nil
}

// materialID names the key material that made a blob; only keys whose material
// KMS keeps have such an ID.
func materialID(k *Key, blob []byte) string {
	if k.Origin != api.OriginTypeAwsKms {
		return ""
	}
	h, _, err := material.ParseHeader(blob)
	if err != nil {
		return ""
	}
	return k.materialID(h.Version)
}

func findReEncrypt(s *Server, r *request) (err error) {
	in := r.In.(*api.ReEncryptRequest)
	without := withoutCiphertext(in.DryRun, in.DryRunModifiers)
	if r.source, err = s.findDecryptionKey(r.Call, in.SourceKeyId, "sourceKeyId", in.CiphertextBlob, without); err != nil {
		return err
	}
	r.key, err = s.findKey(r.Call, in.DestinationKeyId, true)
	return err
}

func (s *Server) reEncrypt(ctx context.Context, r *request, in *api.ReEncryptRequest) (*api.ReEncryptResponse, error) {
	if err := symmetricOnly(r.source, in.SourceEncryptionAlgorithm); err != nil {
		return nil, err
	}
	if err := symmetricOnly(r.key, in.DestinationEncryptionAlgorithm); err != nil {
		return nil, err
	}
	if isTrue(in.DryRun) && (r.source.StoreID != "" || len(in.DryRunModifiers) > 0) {
		return nil, errDryRun
	}
	plaintext, err := s.decryptUnder(ctx, r, r.source, in.CiphertextBlob, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	if isTrue(in.DryRun) {
		return nil, errDryRun
	}
	blob, err := s.encryptUnder(ctx, r, r.key, plaintext, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	return &api.ReEncryptResponse{
		CiphertextBlob: blob, KeyId: r.key.ARN, SourceKeyId: r.source.ARN,
		SourceKeyMaterialId:            materialID(r.source, in.CiphertextBlob),
		DestinationKeyMaterialId:       materialID(r.key, blob),
		SourceEncryptionAlgorithm:      api.EncryptionAlgorithmSpecSymmetricDefault,
		DestinationEncryptionAlgorithm: api.EncryptionAlgorithmSpecSymmetricDefault,
	}, nil
}

func (s *Server) generateDataKey(ctx context.Context, r *request, in *api.GenerateDataKeyRequest) (*api.GenerateDataKeyResponse, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	plaintext, blob, err := s.dataKey(ctx, r, in.KeySpec, in.NumberOfBytes, isTrue(in.DryRun), in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyResponse{
		CiphertextBlob: blob, Plaintext: plaintext, KeyId: r.key.ARN, KeyMaterialId: materialID(r.key, blob),
	}, nil
}

func (s *Server) generateDataKeyWithoutPlaintext(ctx context.Context, r *request, in *api.GenerateDataKeyWithoutPlaintextRequest) (*api.GenerateDataKeyWithoutPlaintextResponse, error) {
	plaintext, blob, err := s.dataKey(ctx, r, in.KeySpec, in.NumberOfBytes, isTrue(in.DryRun), in.EncryptionContext)
	clear(plaintext)
	if err != nil {
		return nil, err
	}
	return &api.GenerateDataKeyWithoutPlaintextResponse{
		CiphertextBlob: blob, KeyId: r.key.ARN, KeyMaterialId: materialID(r.key, blob),
	}, nil
}

// dataKey makes a data key and its encrypted copy (guide 004:25829).
func (s *Server) dataKey(ctx context.Context, r *request, spec string, size *int32, dryRun bool, ec map[string]string) (plaintext, blob []byte, err error) {
	n := dataKeySizes[spec]
	switch {
	case spec == "" && size == nil, spec != "" && size != nil:
		return nil, nil, api.Errorf(api.CodeValidationException, "Please specify either number of bytes or key spec.")
	case size != nil:
		n = int(*size)
	}
	if dryRun {
		return nil, nil, errDryRun
	}
	if plaintext, err = s.randomBytes(n); err != nil {
		return nil, nil, err
	}
	blob, err = s.encryptUnder(ctx, r, r.key, plaintext, ec)
	return plaintext, blob, err
}

// generateRandom takes the bytes from a CloudHSM key store's cluster where the
// request names one (custom-key-stores QU-01a).
func (s *Server) generateRandom(ctx context.Context, r *request, in *api.GenerateRandomRequest) (*api.GenerateRandomResponse, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	if in.NumberOfBytes == nil {
		return nil, required("numberOfBytes")
	}
	n := int(*in.NumberOfBytes)
	if in.CustomKeyStoreId == "" {
		b, err := s.randomBytes(n)
		return &api.GenerateRandomResponse{Plaintext: b}, err
	}
	b, err := s.stores.Random(r.withRequest(ctx, ""), r.owner(), in.CustomKeyStoreId, n)
	return &api.GenerateRandomResponse{Plaintext: b}, err
}

func (s *Server) randomBytes(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.random, b); err != nil {
		return nil, fmt.Errorf("reading random bytes: %w", err)
	}
	return b, nil
}
