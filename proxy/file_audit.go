package proxy

import (
	"log/slog"

	"hyok/internal/config"
	"hyok/proxy/audit"
)

// FileAudit is the audit log.
type FileAudit struct {
	File    string              `yaml:"file"`     // empty: none
	MaxSize int                 `yaml:"max_size"` // in bytes; 0: no limit
	Key     config.SecretSource `yaml:"key"`      // of HMACs; empty: plain hashes
}

// minAuditKey is the least length of the key, in bytes: what a digest has.
const minAuditKey = 32

func (a FileAudit) validate() error {
	switch {
	case a.File == "" && a != FileAudit{}:
		return fieldError("file", "must be the path of the audit log")
	case a.Key.Secret != "" && len(a.Key.Reveal()) < minAuditKey:
		return fieldError("key", "must have at least %d characters", minAuditKey)
	}
	return notNegative("max_size", a.MaxSize)
}

// open opens the log; nil when none is wanted.
func (a FileAudit) open(log *slog.Logger) (*audit.Log, error) {
	if a.File == "" {
		return nil, nil
	}
	return audit.Open(audit.Config{Path: a.File, MaxSize: int64(a.MaxSize), Key: a.Key.Secret, Log: log})
}
