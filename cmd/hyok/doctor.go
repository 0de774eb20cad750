package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"hyok/hsm/doctor"
	"hyok/internal/config"
	"hyok/proxy"
)

// doctorCmd examines devices and a configuration. It loads modules itself, in
// this process, which does nothing else.
type doctorCmd struct {
	Config string `placeholder:"FILE" help:"Configuration file of xksproxy."`

	Module   string `name:"pkcs11-module" placeholder:"PATH" help:"Without --config: the PKCS#11 module."`
	Reserved string `name:"pkcs11-reserved" placeholder:"TEXT" help:"Without --config: what the module is initialised with, as NSS wants it."`
	Token    string `name:"pkcs11-token" placeholder:"LABEL" help:"Without --config: the token's label."`
	PINFile  string `name:"pkcs11-pin-file" placeholder:"FILE" help:"Without --config: the file with the user PIN, mode 0600."`

	UseFinalTry bool   `help:"Log in even if one wrong PIN would lock the token."`
	Endpoint    string `placeholder:"HOST" help:"The host name under which KMS reaches the proxy, to compare with the certificate."`
	CABundle    string `name:"ca-bundle" placeholder:"FILE" help:"Authorities to trust instead of the system's, PEM."`
	JSON        bool   `name:"json" help:"Print JSON."`

	Measure    time.Duration `default:"500ms" help:"How long to measure each number of sessions, at most 1s."`
	MeasureKey string        `placeholder:"LABEL" help:"Key to measure with, up to some 100,000 encryptions of throw-away data; without it a session key, which may be faster than those on the token."`
}

// Help is what --help adds.
func (c *doctorCmd) Help() string {
	return `Each step is ok, warning, failed, or skipped because of one that failed, and says what to do. Nothing on the token
is changed. The PIN is tried once, and not at all when one more wrong one would lock the token.

1. hyok doctor --config xksproxy.yaml --endpoint xks.example.com
2. hyok doctor --pkcs11-module /usr/lib/softhsm/libsofthsm2.so --pkcs11-token mine --pkcs11-pin-file pin
3. hyok doctor --config xksproxy.yaml --json

Exit status: 0 well or warnings only, 1 a step failed, 2 wrong usage.`
}

// Validate refuses what does not go together.
func (c *doctorCmd) Validate() error {
	device := c.Module + c.Reserved + c.Token + c.PINFile
	switch {
	case c.Config != "" && device != "":
		return errors.New("--config and --pkcs11-... contradict each other; give one of them")
	case c.Config == "" && (c.Module == "" || c.Token == "" || c.PINFile == ""):
		return errors.New("give --config, or --pkcs11-module, --pkcs11-token and --pkcs11-pin-file")
	case c.Measure <= 0 || c.Measure > time.Second:
		return errors.New("--measure must be above 0 and at most 1s")
	case c.Config == "" && c.Endpoint+c.CABundle != "":
		return errors.New("--endpoint and --ca-bundle need --config, which names the certificate")
	}
	return nil
}

// Run examines, and prints what it found.
func (c *doctorCmd) Run(ctx context.Context, s streams) error {
	report := new(doctor.Report)
	if c.Config == "" {
		pin, err := config.SecretFromFile(c.PINFile)
		if err != nil {
			return err
		}
		report = doctor.Check(ctx, doctor.Module{Name: "module", Path: c.Module, Reserved: c.Reserved, Measure: c.Measure, Tokens: []doctor.Token{
			{Name: c.Token, Label: c.Token, PIN: pin, UseFinalTry: c.UseFinalTry, AllKeys: true, MeasureKey: c.MeasureKey},
		}})
	} else {
		c.examineConfig(ctx, report)
	}
	if err := c.print(s, report); err != nil {
		return err
	}
	if n := report.Count(doctor.Failed); n > 0 {
		return fmt.Errorf("steps that failed: %d; what to do stands beside each", n)
	}
	return nil
}

func (c *doctorCmd) print(s streams, report *doctor.Report) error {
	if !c.JSON {
		return report.Write(s.Out)
	}
	out := json.NewEncoder(s.Out)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(report)
}

// uncheckedFile is proxy.File without its check, so that the steps tell of all
// that is wrong instead of the first fault only.
type uncheckedFile proxy.File

func (c *doctorCmd) examineConfig(ctx context.Context, report *doctor.Report) {
	f, err := proxy.LoadFile(c.Config)
	if err == nil {
		report.Add(doctor.Step{Status: doctor.OK, Step: "config", Subject: c.Config, Detail: "read and checked"})
	} else {
		report.Add(doctor.Step{Status: doctor.Failed, Step: "config", Subject: c.Config, Detail: err.Error(), Do: "correct the line that is named"})
		unchecked := new(uncheckedFile)
		if config.Load(c.Config, unchecked) != nil {
			report.Add(doctor.Step{Status: doctor.Skipped, Step: "all others", Subject: c.Config, Detail: "needs the step config, which was failed"})
			return
		}
		f = (*proxy.File)(unchecked)
	}
	if c.MeasureKey != "" && !c.measures(f) {
		report.Add(doctor.Step{Status: doctor.Failed, Step: "throughput", Subject: c.MeasureKey, Detail: "no key store of the configuration has a key of this label", Do: "correct --measure-key"})
	}
	for _, m := range c.modulesOf(f) {
		m.Measure = c.Measure
		report.Join(doctor.Check(ctx, m))
	}
	report.Add(c.examineTLS(ctx, f.TLS, time.Now())...)
	for _, st := range f.Stores {
		report.Add(examineStore(st)...)
		report.Add(examinePolicy(st)...)
	}
}

// measures tells whether a key store has the key to measure with.
func (c *doctorCmd) measures(f *proxy.File) bool {
	return slices.ContainsFunc(f.Stores, func(st proxy.FileStore) bool {
		return st.AllKeys || slices.ContainsFunc(st.Keys, func(k proxy.FileKey) bool { return cmp.Or(k.Label, k.ID) == c.MeasureKey })
	})
}

// modulesOf are the modules of a configuration with their tokens and the keys
// that its stores use.
func (c *doctorCmd) modulesOf(f *proxy.File) []doctor.Module {
	var all []doctor.Module
	for _, m := range f.Modules {
		one := doctor.Module{Name: m.Name, Path: m.Path, Reserved: m.Reserved}
		for _, t := range f.Tokens {
			if t.Module != m.Name && (t.Module != "" || len(f.Modules) > 1) {
				continue
			}
			token := doctor.Token{
				Name: t.Name, Label: t.Label, Serial: t.Serial, PIN: t.PIN.Secret, Workers: t.Workers, UseFinalTry: c.UseFinalTry,
			}
			for _, st := range f.Stores {
				if slices.Contains(f.TokensOf(st), t.Name) {
					addKeys(&token, st)
				}
			}
			if token.AllKeys || slices.Contains(token.Keys, c.MeasureKey) {
				token.MeasureKey = c.MeasureKey
			}
			one.Tokens = append(one.Tokens, token)
		}
		all = append(all, one)
	}
	return all
}

// addKeys adds the keys of a store that are not there yet.
func addKeys(t *doctor.Token, st proxy.FileStore) {
	t.AllKeys = t.AllKeys || st.AllKeys
	seen := make(map[string]bool)
	for _, label := range t.Keys {
		seen[label] = true
	}
	for _, k := range st.Keys {
		if label := cmp.Or(k.Label, k.ID); !seen[label] {
			t.Keys = append(t.Keys, label)
			seen[label] = true
		}
	}
}
