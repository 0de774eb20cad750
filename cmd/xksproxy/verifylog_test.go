package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hyok/internal/config"
	"hyok/proxy/audit"
)

// auditKey is in audit.key.
const auditKey = "0123456789abcdef0123456789abcdef"

// writeLogs makes the audit logs of the scripts: whole.jsonl; removed.jsonl, which
// lacks the third line; and keyed.jsonl with auditKey, each request in a file of its own.
func writeLogs(dir string) error {
	whole := filepath.Join(dir, "whole.jsonl")
	err := errors.Join(
		writeLog(audit.Config{Path: whole}),
		writeLog(audit.Config{Path: filepath.Join(dir, "keyed.jsonl"), Key: config.Secret(auditKey), MaxSize: 1}),
		os.WriteFile(filepath.Join(dir, "audit.key"), []byte(auditKey+"\n"), 0o600))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(whole)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(text), "\n")
	return os.WriteFile(filepath.Join(dir, "removed.jsonl"), []byte(strings.Join(append(lines[:2:2], lines[3:]...), "")), 0o600)
}

func writeLog(c audit.Config) error {
	l, err := audit.Open(c)
	if err != nil {
		return err
	}
	for range 4 {
		err = errors.Join(err, l.Write(context.Background(), &audit.Record{KMSRequestID: "r", Operation: "Encrypt", Outcome: "ok"}))
	}
	return errors.Join(err, l.Close())
}

func TestVerifyLogTellsABrokenChainFromOneNotChecked(t *testing.T) {
	dir := t.TempDir()
	if err := writeLogs(dir); err != nil {
		t.Fatal(err)
	}
	for name, status := range map[string]int{"whole": 0, "removed": 1, "none": 2} {
		if got := run([]string{"verify-log", filepath.Join(dir, name+".jsonl")}); got != status {
			t.Errorf("%s: exit status %d, want %d", name, got, status)
		}
	}
}
