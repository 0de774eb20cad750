package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"hyok/internal/loadgen"
)

// loadAlias names the key that a running hyok makes for hyok load.
const loadAlias = "alias/hyok-load"

// loadContext goes with each ciphertext.
var loadContext = map[string]string{"purpose": "hyok load"}

// A loadKey is what requests with one key are made of.
type loadKey struct {
	name      string // as it was given, or its key store
	arn       string
	plaintext []byte
	blob      []byte // a ciphertext under it, if one is needed
	next      string // ReEncrypt's destination, the key after it
}

type members = map[string]any

// A loadOperation is an operation that can be sent.
type loadOperation struct {
	name      string
	keyless   bool
	encrypted bool // needs a ciphertext
	body      func(k *loadKey) members
}

var loadOperations = []loadOperation{
	{name: "Encrypt", body: func(k *loadKey) members {
		return members{"KeyId": k.arn, "Plaintext": k.plaintext, "EncryptionContext": loadContext}
	}},
	{name: "Decrypt", encrypted: true, body: func(k *loadKey) members {
		return members{"KeyId": k.arn, "CiphertextBlob": k.blob, "EncryptionContext": loadContext}
	}},
	{name: "ReEncrypt", encrypted: true, body: func(k *loadKey) members {
		return members{"SourceKeyId": k.arn, "CiphertextBlob": k.blob, "SourceEncryptionContext": loadContext,
			"DestinationKeyId": k.next, "DestinationEncryptionContext": loadContext}
	}},
	{name: "GenerateDataKey", body: dataKey},
	{name: "GenerateDataKeyWithoutPlaintext", body: dataKey},
	{name: "DescribeKey", body: func(k *loadKey) members { return members{"KeyId": k.arn} }},
	{name: "GenerateRandom", keyless: true, body: func(*loadKey) members { return members{"NumberOfBytes": 32} }},
	{name: "ListKeys", keyless: true, body: func(*loadKey) members { return members{} }},
}

func dataKey(k *loadKey) members {
	return members{"KeyId": k.arn, "KeySpec": "AES_256", "EncryptionContext": loadContext}
}

func loadOperationNames() (names []string) {
	for _, o := range loadOperations {
		names = append(names, o.name)
	}
	return names
}

func loadOperationNamed(name string) *loadOperation {
	i := slices.IndexFunc(loadOperations, func(o loadOperation) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return &loadOperations[i]
}

// operations makes the requests of a mix, a series for each operation and key.
func (e *loadEndpoint) operations(ctx context.Context, c *loadCmd, mix []share) ([]loadgen.Operation, error) {
	var keys []*loadKey
	if slices.ContainsFunc(mix, func(s share) bool { return !s.op.keyless }) {
		var err error
		encrypted := slices.ContainsFunc(mix, func(s share) bool { return s.op.encrypted })
		if keys, err = e.prepare(ctx, c, encrypted); err != nil {
			return nil, err
		}
	}
	var all []loadgen.Operation
	for _, s := range mix {
		with := keys
		if s.op.keyless {
			with = []*loadKey{{}}
		}
		for _, k := range with {
			body, err := json.Marshal(s.op.body(k))
			if err != nil {
				return nil, err
			}
			r := &kmsRequest{endpoint: e, operation: s.op.name, body: body}
			all = append(all, loadgen.Operation{Name: s.op.name, Target: k.name, Weight: s.weight / float64(len(with)), Do: r.do})
		}
	}
	return all, nil
}

// prepare finds the keys, and makes a ciphertext under each if one is needed.
func (e *loadEndpoint) prepare(ctx context.Context, c *loadCmd, encrypted bool) ([]*loadKey, error) {
	shown, ids := slices.Clone(c.Key), slices.Clone(c.Key)
	for _, store := range c.Store {
		id, err := e.keyIn(ctx, store)
		if err != nil {
			return nil, fmt.Errorf("looking for a key in %s: %w", store, err)
		}
		shown, ids = append(shown, store), append(ids, id)
	}
	if len(ids) == 0 {
		if !e.own {
			return nil, usagef("name a key with --key or a custom key store with --store; only in a hyok on this machine is a key made unasked")
		}
		if err := e.makeKey(ctx); err != nil {
			return nil, fmt.Errorf("making the key %s: %w", loadAlias, err)
		}
		shown, ids = []string{loadAlias}, []string{loadAlias}
	}
	var keys []*loadKey
	for i, id := range ids {
		k, err := e.key(ctx, id, c.Size, encrypted)
		if err != nil {
			return nil, fmt.Errorf("preparing key %s: %w", id, err)
		}
		k.name = shown[i]
		keys = append(keys, k)
	}
	for i, k := range keys {
		k.next = keys[(i+1)%len(keys)].arn
	}
	return keys, nil
}

func (e *loadEndpoint) key(ctx context.Context, id string, size int, encrypted bool) (*loadKey, error) {
	found, err := e.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(id)})
	if err != nil {
		return nil, err
	}
	k := &loadKey{arn: aws.ToString(found.KeyMetadata.Arn), plaintext: make([]byte, size)}
	if found.KeyMetadata.KeySpec != types.KeySpecSymmetricDefault {
		return nil, fmt.Errorf("its key spec is %s, and load wants a symmetric encryption key", found.KeyMetadata.KeySpec)
	}
	if encrypted {
		out, err := e.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: found.KeyMetadata.Arn, Plaintext: k.plaintext, EncryptionContext: loadContext})
		if err != nil {
			return nil, err
		}
		k.blob = out.CiphertextBlob
	}
	return k, nil
}

// keyIn finds an enabled key of a custom key store.
func (e *loadEndpoint) keyIn(ctx context.Context, store string) (id string, err error) {
	for pages := kms.NewListKeysPaginator(e.kms, &kms.ListKeysInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", err
		}
		for _, listed := range page.Keys {
			found, err := e.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: listed.KeyArn})
			if err != nil {
				return "", err
			}
			if m := found.KeyMetadata; m.Enabled && aws.ToString(m.CustomKeyStoreId) == store {
				return aws.ToString(m.KeyId), nil
			}
		}
	}
	return "", errors.New("it has no enabled key; create one with CreateKey")
}

// makeKey makes the key of loadAlias, if it is not there.
func (e *loadEndpoint) makeKey(ctx context.Context) error {
	_, err := e.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(loadAlias)})
	if _, missing := errors.AsType[*types.NotFoundException](err); !missing {
		return err
	}
	made, err := e.kms.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String("used by hyok load")})
	if err != nil {
		return err
	}
	_, err = e.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(loadAlias), TargetKeyId: made.KeyMetadata.KeyId})
	return err
}
