package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hyok/internal/sigv4"
	"hyok/proxy/xks"
)

const callers = 16

// traffic is callers that encrypt and decrypt by turns without end, each with a
// kept connection that it replaces now and then.
type traffic struct {
	credential atomic.Pointer[sigv4.Credential]
	done       [callers]atomic.Int64
	failed     atomic.Pointer[error]
	stop       chan struct{}
	callers    sync.WaitGroup

	mu     sync.Mutex
	sealed []sealedVersion // the first of each version
}

// A sealedVersion is a ciphertext, and how often it was decrypted.
type sealedVersion struct {
	*xks.EncryptResponse
	opened int
}

func (c *child) startTraffic(t *testing.T, cred sigv4.Credential) *traffic {
	tr := &traffic{stop: make(chan struct{})}
	tr.credential.Store(&cred)
	for i := range callers {
		tr.callers.Go(func() { tr.call(t, c, &tr.done[i]) })
	}
	return tr
}

func (tr *traffic) call(t *testing.T, c *child, done *atomic.Int64) {
	var signer *sigv4.Credential
	client := c.client(t, *tr.credential.Load())
	defer func() { client.Close() }()
	for n := 0; ; n++ {
		select {
		case <-tr.stop:
			return
		case <-time.After(8 * time.Millisecond): // more than 1,000 a second for all
		}
		if now := tr.credential.Load(); now != signer || n%50 == 0 {
			client.Close()
			client, signer = c.client(t, *now), now
		}
		var err error
		if n%2 == 0 {
			err = tr.encrypt(client)
		} else {
			err = tr.decrypt(client, n/2)
		}
		if err != nil {
			tr.failed.CompareAndSwap(nil, &err)
		}
		done.Add(1)
	}
}

func (tr *traffic) encrypt(client *xks.Client) error {
	resp, err := encryptOne(client)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	version := versionOf(resp)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, s := range tr.sealed {
		if versionOf(s.EncryptResponse) == version {
			return nil
		}
	}
	tr.sealed = append(tr.sealed, sealedVersion{EncryptResponse: resp})
	return nil
}

// decrypt opens a ciphertext of each version by turns.
func (tr *traffic) decrypt(client *xks.Client, n int) error {
	tr.mu.Lock()
	if len(tr.sealed) == 0 {
		tr.mu.Unlock()
		return nil
	}
	s := &tr.sealed[n%len(tr.sealed)]
	s.opened++
	resp := s.EncryptResponse
	tr.mu.Unlock()
	got, err := client.Decrypt(context.Background(), "key", &xks.DecryptRequest{
		RequestMetadata: callMetadata("Decrypt"), EncryptionAlgorithm: xks.AlgorithmAESGCM,
		Ciphertext: resp.Ciphertext, CiphertextMetadata: resp.CiphertextMetadata,
		InitializationVector: resp.InitializationVector, AuthenticationTag: resp.AuthenticationTag,
	})
	if err == nil && !bytes.Equal(got.Plaintext, callPlaintext) {
		err = errors.New("another plaintext came back")
	}
	if err != nil {
		return fmt.Errorf("decrypting version %d: %w", versionOf(resp), err)
	}
	return nil
}

// versionOf is the version of the key that a ciphertext names.
func versionOf(r *xks.EncryptResponse) uint32 {
	return binary.BigEndian.Uint32(r.CiphertextMetadata[1:])
}

// sign makes all callers sign with cred, and waits until they do.
func (tr *traffic) sign(t *testing.T, cred sigv4.Credential) {
	t.Helper()
	tr.credential.Store(&cred)
	for i := range tr.done {
		before := tr.done[i].Load()
		for deadline := time.Now().Add(20 * time.Second); tr.done[i].Load() < before+2; <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("caller %d does not get on", i)
			}
		}
	}
}

// end stops the callers, and gives how many requests they made.
func (tr *traffic) end() (total int64) {
	close(tr.stop)
	tr.callers.Wait()
	for i := range tr.done {
		total += tr.done[i].Load()
	}
	return total
}
