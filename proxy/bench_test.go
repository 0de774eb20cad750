package proxy_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"hyok/proxy"
	"hyok/proxy/xks"
)

// BenchmarkEncrypt is a signed Encrypt with an integrity value, as KMS sends it:
// client, HTTPS and two calls of the device, all in this process.
//
//	go test ./proxy -run '^$' -bench Encrypt -cpu 2
func BenchmarkEncrypt(b *testing.B) {
	r := newRig(b, func(c *proxy.Config) {
		c.Stores[0].Concurrency = -1
		c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
	})
	c := r.client(b, short)
	req := &xks.EncryptRequest{
		RequestMetadata: xks.RequestMetadata{
			AWSPrincipalArn: "arn:aws:iam::123456789012:user/Alice", KMSOperation: "Encrypt", KMSRequestID: "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
			KMSKeyArn: "arn:aws:kms:us-east-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
		Plaintext: make([]byte, 60), AdditionalAuthenticatedData: make([]byte, 100),
		EncryptionAlgorithm: xks.AlgorithmAESGCM, CiphertextDataIntegrityValueAlgorithm: xks.AlgorithmSHA256,
	}
	b.ReportAllocs()
	b.SetParallelism(8) // 16 connections on two processors
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Encrypt(context.Background(), "good", req); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
