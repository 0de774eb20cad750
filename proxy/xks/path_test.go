package xks

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// XKS fact 22.
func TestKeyIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, ".": true, "..": true, "A_b-1.c": true, strings.Repeat("x", 128): true,
		"": false, strings.Repeat("x", 129): false, "a/b": false, "a%2eb": false, "a b": false, "é": false, "a\n": false,
	} {
		if ValidKeyID(id) != want {
			t.Errorf("%.20q: got %t", id, !want)
		}
	}
}

// XKS fact 19.
func TestPaths(t *testing.T) {
	for path, want := range map[string]bool{
		"/kms/xks/v1": true, "/kms/xks/v10": true, "/a/b_c-D/kms/xks/v1": true, "/kms/xks/v1/kms/xks/v1": true,
		"/" + strings.Repeat("p", 116) + "/kms/xks/v1": true,
		"/" + strings.Repeat("p", 117) + "/kms/xks/v1": false,
		"": false, "/": false, "/kms/xks/v": false, "/kms/xks/v100": false, "/kms/xks/v1/": false, "/kms/xks/vx": false,
		"a/kms/xks/v1": false, "//kms/xks/v1": false, "/a.b/kms/xks/v1": false, "/a%20/kms/xks/v1": false,
	} {
		if err := CheckPath(path); (err == nil) != want {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	good := ClientConfig{Endpoint: testHost, Path: testPath, Credential: testCredential, Region: testRegion}
	if _, err := NewClient(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*ClientConfig){
		"no endpoint":     func(c *ClientConfig) { c.Endpoint = "" },
		"plain HTTP":      func(c *ClientConfig) { c.Endpoint = "http://example.com" },
		"path in it":      func(c *ClientConfig) { c.Endpoint = "https://example.com/" },
		"user in it":      func(c *ClientConfig) { c.Endpoint = "https://u@example.com" },
		"no host":         func(c *ClientConfig) { c.Endpoint = "https://:443" },
		"wrong path":      func(c *ClientConfig) { c.Path = "/kms" },
		"no access key":   func(c *ClientConfig) { c.Credential.AccessKeyID = "" },
		"no secret":       func(c *ClientConfig) { c.Credential.Secret = "" },
		"no Region given": func(c *ClientConfig) { c.Region = "" },
	} {
		c := good
		change(&c)
		if _, err := NewClient(c); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), testCredential.Secret) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}

// XKS facts 21, 22: what the protocol does not allow is not sent.
func TestRequestsThatAreNotSent(t *testing.T) {
	p := startProxy(t, echoEncrypt, nil)
	long := p.client(t, func(c *ClientConfig) { c.Path = "/" + strings.Repeat("p", 116) + BasePath })
	for name, call := range map[string]func() error{
		"key ID": func() error {
			_, err := p.client(t, nil).Encrypt(context.Background(), "a/b", &EncryptRequest{})
			return err
		},
		"no UTF8": func() error { _, err := encryptWith(p.client(t, nil), "\xff"); return err },
		"URI of more than 256 characters": func() error {
			_, err := long.Encrypt(context.Background(), strings.Repeat("k", 128), &EncryptRequest{})
			return err
		},
	} {
		var te *TransportError
		if err := call(); err == nil || errors.As(err, &te) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := p.requests.Load(); n != 0 {
		t.Errorf("%d requests reached the proxy", n)
	}
}

func encryptWith(c *Client, requestID string) (*EncryptResponse, error) {
	m := someMetadata()
	m.KMSRequestID = requestID
	return c.Encrypt(context.Background(), "key", &EncryptRequest{RequestMetadata: m})
}
