package hsm

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"hyok/internal/config"
	"hyok/internal/fault"
)

// Defaults of TokenConfig.
const (
	defaultWorkers = 2                      // guide hsm.md §1b: more add no throughput and a long tail
	defaultWait    = 150 * time.Millisecond // below the 250 ms that KMS gives the proxy (XKS fact 89)
	defaultTimeout = 5 * time.Second
	defaultMaxLost = 8
)

// closeLimit is how long Close waits for calls in the device.
const closeLimit = 2 * time.Second

// PIN is a PIN that shows itself in no log and no error.
type PIN = config.Secret

// TokenConfig says which token to open and how. The zero value opens the
// module's only token without logging in.
type TokenConfig struct {
	Serial  string        // the safest choice; "": by Label
	Label   string        // must belong to one token only; "": by Serial; both empty: the module's only token
	PIN     config.Secret // of the user; "": not logged in until Login
	Profile string        // name of what the device wants, as ProfileNamed has it; "": GenericProfile
	Workers int           // sessions for Encrypt, Decrypt and other quick calls; 0: the profile's, 2 of the generic one
	Wait    time.Duration // longest wait for a worker, or for recovery to begin; 0: 150 ms
	Timeout time.Duration // longest call when the context has no deadline; 0: 5 s
	MaxLost int           // workers that may hang in the device and still be replaced; 0: 8
	Faults  *fault.Set    // nil: the module's
	Log     *slog.Logger  // nil: the module's
	Observe Observer      // nil: the module's
	// MayBeAway opens a token by its Serial though it is not there: it is
	// unavailable until it comes. Its TokenInfo says only what is known then.
	MayBeAway bool
}

func (c TokenConfig) withDefaults(m ModuleConfig, p Profile) TokenConfig {
	c.Workers = defaulted(c.Workers, p.Workers)
	c.Wait = defaulted(c.Wait, defaultWait)
	c.Timeout = defaulted(c.Timeout, defaultTimeout)
	c.MaxLost = defaulted(c.MaxLost, defaultMaxLost)
	if c.Faults == nil {
		c.Faults = m.Faults
	}
	if c.Log == nil {
		c.Log = m.Log
	}
	if c.Observe == nil {
		c.Observe = m.Observe
	}
	return c
}

func defaulted[T int | time.Duration](value, zeroMeans T) T {
	if value <= 0 {
		return zeroMeans
	}
	return value
}

// Token is an open token. Its methods are safe for concurrent use. Each gives
// ErrTimeout when its context ends or no worker is free in TokenConfig.Wait,
// ErrUnavailable while the device is away, ErrPIN after the token has refused
// the PIN, and ErrClosed after Close; further errors stand with each method.
type Token struct {
	module  *Module
	lib     *library
	config  TokenConfig
	profile Profile
	info    TokenInfo
	login   *login

	conn atomic.Pointer[connection]
	down breaker

	quick  *lane // Encrypt, Decrypt, Key, Random, Health
	slow   *lane // one worker: what takes long or changes the token
	mender mender
	prober prober

	nextSearch atomic.Int64 // when to look for other versions next, in nanoseconds since started
	large      atomic.Bool  // it has more than fewKeys, as the last survey found
	surveying  atomic.Bool  // a survey is under way
	seen       sync.Map     // labels of keys that were found once
	nextReload atomic.Int64 // when a version that is not found may cost a reload next, likewise

	life    context.Context // ends with Close
	end     context.CancelFunc
	closing sync.Once
}

// Open opens the token that c names and logs in to it when c has a PIN.
// ErrNoToken and ErrAmbiguous list what there is; ErrBadInput: no such profile; ErrPIN: the token refused the
// PIN, which was tried once.
func (m *Module) Open(ctx context.Context, c TokenConfig) (*Token, error) {
	profile, err := ProfileNamed(c.Profile)
	if err != nil {
		return nil, fmt.Errorf("opening a token: %w", err)
	}
	info, err := m.choose(ctx, c)
	if c.mayOpenAway(err) {
		return m.openAway(c, profile, err)
	}
	if err != nil {
		return nil, err
	}
	t := m.newToken(c.withDefaults(m.config, profile), profile, info)
	if err = t.begin(ctx, c.PIN); err == nil {
		_ = t.survey(ctx) // what the keys are will show when they are used
		err = m.adopt(t)
	}
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("opening token %q: %w", info.Label, err)
	}
	return t, nil
}

// begin connects and, if there is a PIN, logs in.
func (t *Token) begin(ctx context.Context, pin config.Secret) error {
	if pin == "" {
		return t.lib.bounded(ctx, t.connect)
	}
	if s := t.login.state.Load(); !s.wanted && s.doubtful(pin) {
		if err := t.lib.reloadWithin(ctx, t.lib.epoch.Load()); err != nil {
			return err
		}
	}
	err := t.lib.bounded(ctx, func() error {
		if err := t.claimLogin(pin); err != nil {
			return err
		}
		return t.connect()
	})
	if err == nil {
		err = t.login.state.Load().usable()
	}
	return err
}

func (m *Module) newToken(c TokenConfig, p Profile, info TokenInfo) *Token {
	t := &Token{module: m, lib: m.lib, config: c, profile: p, info: info, login: m.lib.login(info)}
	t.life, t.end = context.WithCancel(context.Background())
	t.prober.t = t
	t.login.users.Add(1)
	t.quick, t.slow = t.newLane(c.Workers), t.newLane(1)
	return t
}

func (t *Token) newLane(size int) *lane {
	c := t.config
	l := &lane{
		requests: make(chan *request, queueSize), pace: newPace(), quit: make(chan struct{}),
		wait: c.Wait, timeout: c.Timeout, size: size, maxLost: c.MaxLost,
		log: c.Log.With("token", t.info.Label), hung: &t.lib.hung, observe: c.Observe,
	}
	l.start = func() { newWorker(t, l).run() }
	l.exhausted = func() { t.giveUp(fmt.Errorf("%w: calls hang in it", ErrUnavailable)) }
	return l
}

// adopt makes Close of m close t.
func (m *Module) adopt(t *Token) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.open[t] = struct{}{}
	return nil
}

// Info describes the token as it was when it was opened.
func (t *Token) Info() TokenInfo { return t.info }

// Close lets go of the token: calls that wait get ErrClosed, calls in the device
// have two seconds to return. The token is logged out when nobody else in the
// process has it open. The error is always nil.
func (t *Token) Close() error {
	t.closing.Do(t.close)
	return nil
}

func (t *Token) close() {
	t.module.mu.Lock()
	delete(t.module.open, t)
	t.module.mu.Unlock()

	t.end()
	t.quick.close(closeLimit)
	t.slow.close(closeLimit)
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	// A device that hangs now, or has gone, needs no tidying.
	_ = t.lib.bounded(ctx, func() error {
		t.disconnect(t.conn.Swap(nil))
		return nil
	})
	t.login.release()
}

// Health is the state of a token.
type Health struct {
	Serial, Label, Model, Manufacturer, Firmware string // as they were when the token was opened
	OK                                           bool   // the token answers and its cryptography works
	Err                                          error  // why not; nil when OK
	Warning                                      error  // what may soon keep it from working: calls that hang, a wrong PIN; nil: nothing
}

// Health probes the token: C_GetTokenInfo, and a canary encrypted and decrypted
// under a session key of its own (guide hsm.md §2, trap 13). A token that is not
// logged in can be well; one that has refused its PIN is not.
func (t *Token) Health(ctx context.Context) Health {
	h := Health{
		Serial: t.info.Serial, Label: t.info.Label, Model: t.info.Model,
		Manufacturer: t.info.Manufacturer, Firmware: t.info.Firmware,
	}
	var warning error
	h.Err = t.do(ctx, t.quick, opHealth, func(w *worker) error {
		err := t.probe(w.conn, w.session)
		if err == nil {
			warning = w.warning()
		}
		return err
	}, nil)
	if refused := t.login.state.Load().refused; h.Err == nil && refused != nil {
		h.Err = refused
	}
	if h.OK = h.Err == nil; h.OK {
		h.Warning = warning
	}
	return h
}

const maxRandom = 64 << 10 // bytes

// Random gives n random bytes from the device, 1 to 65536; ErrBadInput otherwise.
// It needs no login.
func (t *Token) Random(ctx context.Context, n int) ([]byte, error) {
	if n < 1 || n > maxRandom {
		return nil, fmt.Errorf("getting random bytes: %w: %d of them, the limits are 1 and %d", ErrBadInput, n, maxRandom)
	}
	var random []byte
	err := t.do(ctx, t.quick, opRandom, func(w *worker) error {
		b, err := t.lib.ctx.GenerateRandom(w.session, n)
		random = b
		return coded("C_GenerateRandom", err)
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("getting random bytes: %w", err)
	}
	if len(random) != n {
		return nil, fmt.Errorf("getting random bytes: %w: it gave %d bytes for %d", ErrUnavailable, len(random), n)
	}
	return random, nil
}
