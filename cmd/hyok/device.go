package main

import (
	"context"
	"fmt"
	"os"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/softhsm"
)

// deviceOptions put the external keys on a device of the user's instead of a
// SoftHSM token. All three are given, or none.
type deviceOptions struct {
	Module  string `name:"pkcs11-module" placeholder:"PATH" help:"Put the external keys on a device of yours: its PKCS#11 module. NSS_LIB_PARAMS is handed to NSS."`
	Token   string `name:"pkcs11-token" placeholder:"LABEL" help:"The token on it."`
	Profile string `name:"pkcs11-profile" placeholder:"NAME" help:"What kind of device it is: softhsm, nss, cloudhsm, luna, nshield or generic, the default."`
	PINFile string `name:"pkcs11-pin-file" placeholder:"FILE" help:"The file with its user PIN, mode 0600."`
}

func (o *deviceOptions) check() error {
	given := 0
	for _, v := range []string{o.Module, o.Token, o.PINFile} {
		if v != "" {
			given++
		}
	}
	if given != 0 && given != 3 {
		return usagef("--pkcs11-module, --pkcs11-token and --pkcs11-pin-file belong together; give all three or none")
	}
	if o.Profile != "" && given == 0 {
		return usagef("--pkcs11-profile is for a device of --pkcs11-module")
	}
	if _, err := hsm.ProfileNamed(o.Profile); err != nil {
		return usagef("--pkcs11-profile: %v", err)
	}
	return nil
}

// softHSM is the profile of the tokens that the workbench makes.
const softHSM = "softhsm"

// A device is where the external keys are.
type device struct {
	path, token, profile string
	pin                  config.Secret
}

// openKeys opens the token with the external keys, and makes the first key on
// it unless it is there.
func (w *workbench) openKeys(ctx context.Context) (err error) {
	module := w.module
	if w.options.Module == "" {
		path, err := softhsm.Module()
		if err != nil {
			return err
		}
		w.device = device{path, keysToken, softHSM, config.Secret(w.state.KeysPIN)}
	} else {
		pin, err := config.SecretFromFile(w.options.PINFile)
		if err != nil {
			return fmt.Errorf("reading the PIN of --pkcs11-pin-file: %w", err)
		}
		w.device = device{w.options.Module, w.options.Token, w.options.Profile, pin}
		module, err = hsm.Load(hsm.ModuleConfig{
			Path: w.device.path, Reserved: os.Getenv("NSS_LIB_PARAMS"), Faults: w.faults, Log: w.log,
		})
		if err != nil {
			return err
		}
		w.onClose(module.Close)
	}
	if w.keys, err = module.Open(ctx, hsm.TokenConfig{
		Label: w.device.token, Profile: w.device.profile, PIN: w.device.pin, Observe: w.meter.Observer(w.device.token)}); err != nil {
		return err
	}
	return w.makeExternalKey(ctx)
}
