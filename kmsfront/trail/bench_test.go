package trail

import (
	"path/filepath"
	"testing"
	"time"

	"hyok/kmsfront/api"
)

func encryptCall() *api.Call {
	return &api.Call{
		Op: api.Operations["Encrypt"],
		In: &api.EncryptRequest{
			KeyId:             "alias/app",
			Plaintext:         []byte("secret"),
			EncryptionContext: map[string]string{"purpose": "test", "tenant": "42"},
		},
		Caller:    alice,
		RequestID: "12345126-30d5-4b28-98b9-9153da559963",
		Region:    "us-west-2",
		SourceIP:  "192.0.2.0",
		UserAgent: "aws-sdk-go-v2/1.30 os/linux lang/go#1.26",
		Start:     time.Date(2022, 7, 14, 20, 17, 42, 0, time.UTC),
	}
}

func BenchmarkNew(b *testing.B) {
	call := encryptCall()
	b.ReportAllocs()
	for b.Loop() {
		New(call, &api.EncryptResponse{}, nil, Extra{KeyARN: keyARN})
	}
}

func BenchmarkWrite16(b *testing.B) {
	t, err := Open(Config{Path: filepath.Join(b.TempDir(), "trail")})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	r := New(encryptCall(), &api.EncryptResponse{}, nil, Extra{KeyARN: keyARN})
	b.ReportAllocs()
	b.SetParallelism(8) // 16 callers on two processors
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := t.Write(r); err != nil {
				b.Error(err)
			}
		}
	})
}
