package proxy_test

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"hyok/proxy"
	"hyok/proxy/audit"
	"hyok/proxy/xks"
)

// BenchmarkEncrypt is a signed Encrypt with an integrity value, as KMS sends it:
// client, HTTPS and two calls of the device, all in this process.
//
//	go test ./proxy -run '^$' -bench Encrypt -cpu 2
func BenchmarkEncrypt(b *testing.B) { benchmarkEncrypt(b, func(*proxy.Config) {}) }

// BenchmarkEncryptAudited has an audit log on the disk of temporary files.
func BenchmarkEncryptAudited(b *testing.B) {
	log, err := audit.Open(audit.Config{Path: filepath.Join(b.TempDir(), "audit.jsonl")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = log.Close() })
	benchmarkEncrypt(b, func(c *proxy.Config) { c.Audit = log })
}

// BenchmarkEncryptTraced makes spans, in batches, for nobody.
func BenchmarkEncryptTraced(b *testing.B) {
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(nowhere{}))
	b.Cleanup(func() { _ = traces.Shutdown(context.Background()) })
	benchmarkEncrypt(b, func(c *proxy.Config) { c.Tracer = traces.Tracer("bench") })
}

type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }

func benchmarkEncrypt(b *testing.B, change func(*proxy.Config)) {
	r := newRig(b, func(c *proxy.Config) {
		change(c)
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
