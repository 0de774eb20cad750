package hsm

import (
	"context"
	"errors"
)

// An operation is a kind of work.
type operation struct {
	name  string // for the observer
	fault string // as rules for failures name it
	login bool   // needs the login
	once  bool   // not to be tried again once begun, since each try may count
	proof bool   // its success shows that keys on the token work
}

// The operations. Those that the proxy has are named after it in fault rules.
var (
	opEncrypt    = &operation{name: "Encrypt", fault: "Encrypt", login: true, proof: true}
	opDecrypt    = &operation{name: "Decrypt", fault: "Decrypt", login: true, proof: true}
	opKey        = &operation{name: "Key", fault: "GetKeyMetadata", login: true}
	opHealth     = &operation{name: "Health", fault: "GetHealthStatus"}
	opKeys       = &operation{name: "Keys", fault: "Keys", login: true}
	opCreateKey  = &operation{name: "CreateKey", fault: "CreateKey", login: true}
	opRotateKey  = &operation{name: "RotateKey", fault: "RotateKey", login: true}
	opDeleteKey  = &operation{name: "DeleteKey", fault: "DeleteKey", login: true}
	opSetEnabled = &operation{name: "SetEnabled", fault: "SetEnabled", login: true}
	opRandom     = &operation{name: "Random", fault: "Random"}
	opLogin      = &operation{name: "Login", fault: "Login", once: true}
	opLogout     = &operation{name: "Logout", fault: "Logout"}
	opSetPIN     = &operation{name: "SetPIN", fault: "SetPIN", once: true}
	opProbe      = &operation{name: "Probe", fault: "Probe"}
)

// maxIdle is how often work may find, before it begins, that the module was
// reloaded for another token's sake.
const maxIdle = 5

// do has op done and, when the connection proves broken, mended and op done
// once more.
func (t *Token) do(ctx context.Context, l *lane, op *operation, work func(*worker) error, undo func(*worker)) error {
	for begun, idle := 0, 0; ; {
		if err := t.ready(op); err != nil {
			return err
		}
		err := l.do(ctx, op, work, undo)
		var broken *brokenError
		switch {
		case err == nil:
			if op.proof {
				t.mender.well()
			}
			return nil
		case err == errShrunk: // not for ever, since the last worker stays
			continue
		case !errors.As(err, &broken):
			return err
		case broken.idle:
			idle++
		default:
			begun++
		}
		mended := t.mend(ctx, broken)
		if mended != nil || begun > 1 || idle > maxIdle || (op.once && begun > 0) {
			return broken.err
		}
	}
}

// ready tells why op cannot be done now, without asking the device.
func (t *Token) ready(op *operation) error {
	if t.life.Err() != nil {
		return ErrClosed
	}
	if down := t.down.Load(); down != nil {
		return down.err
	}
	if op.login {
		return t.login.state.Load().usable()
	}
	return nil
}
