// Package doctor examines PKCS#11 devices step by step and says, for each step,
// whether it is well and what to do if it is not.
//
// The steps stand in tables (moduleSteps, tokenSteps) with what each needs of
// the ones before; a step that fails takes down only those that need it. Nothing
// on the token is changed: the keys that are tried out are session objects,
// which go with the session. The PIN is given to the token once, and not at all
// when the token says that a wrong one would lock it.
//
// Limits: it calls C_Initialize and C_Finalize itself, so it needs a process of
// its own; package hsm must not have the module loaded. A call that does not
// return cannot be stopped: its step fails after StepLimit, the rest of the
// module is skipped, and the module is left as it is.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm/internal/gcm"
	"hyok/internal/config"
)

// defaultStepLimit is above any step's time with ten thousand keys (guide hsm.md §1d).
const defaultStepLimit = 30 * time.Second

// Module is a PKCS#11 module to examine, and the tokens to examine on it.
type Module struct {
	Name     string // in the report
	Path     string // of the shared library
	Reserved string // pReserved of C_Initialize; "": none
	Tokens   []Token
	// StepLimit is how long a step may take; 0: 30 seconds.
	StepLimit time.Duration
	// Measure is how long each number of sessions is measured, at most a second;
	// 0: half a second.
	Measure time.Duration
}

// Token is a token to examine.
type Token struct {
	Name          string // in the report
	Label, Serial string // which token; "": any
	PIN           config.Secret
	// UseFinalTry gives the PIN to a token that would lock if it were wrong.
	UseFinalTry bool
	Workers     int      // sessions that the proxy will use, for comparison; 0: its default
	Keys        []string // labels of the keys that must be there
	AllKeys     bool     // examine every secret key of the token, and Keys
	// MeasureKey is the label of the key to measure with; "": a session key, which
	// costs no key of the owner's anything. Each encryption has a random IV, of
	// which a key stands 2^32.
	MeasureKey string
}

// Check examines m. It ends early, with a failed step, when ctx ends.
func Check(ctx context.Context, m Module) *Report {
	if m.StepLimit == 0 {
		m.StepLimit = defaultStepLimit
	}
	if m.Measure <= 0 || m.Measure > time.Second {
		m.Measure = time.Second / 2
	}
	x := &exam{ctx: ctx, module: m, report: new(Report)}
	on := x.patient(m.Name)
	on.examine(moduleSteps)
	for _, t := range m.Tokens {
		p := x.patient(t.Name)
		p.token = t
		p.inherit(on)
		p.examine(tokenSteps)
		if !x.hung && p.pool > 0 {
			x.report.Speeds = append(x.report.Speeds, p.speeds...)
			x.report.recommend(t.Name, p.pool)
		}
		p.close()
	}
	if !x.hung && x.initialized {
		_ = x.p11.Finalize() // the process ends anyway
	}
	return x.report
}

// An exam is the examination of one module.
type exam struct {
	ctx    context.Context
	module Module
	report *Report

	p11         *pkcs11.Ctx
	gcm         *gcm.Functions
	initialized bool
	hung        bool // a call has not come back: no further ones
	slots       []slot
}

// A patient is what a row of steps is about: the module, or a token of it.
type patient struct {
	*exam
	subject string
	bad     map[string]string // steps that others must not build on, and why
	token   Token

	slot    slot
	session pkcs11.SessionHandle
	open    bool
	key     pkcs11.ObjectHandle // the canary: an AES-256 key of the session
	speeds  []Speed
	pool    int // sessions recommended
}

func (x *exam) patient(subject string) *patient {
	return &patient{exam: x, subject: subject, bad: make(map[string]string)}
}

func (p *patient) inherit(from *patient) {
	for name, why := range from.bad {
		p.bad[name] = why
	}
}

// A step is one row of an examination.
type step struct {
	name  string
	needs []string
	run   func(*patient) []Step
}

var moduleSteps = []step{
	{"module", nil, (*patient).load},
	{"slots", []string{"module"}, (*patient).listSlots},
}

var tokenSteps = []step{
	{"token", []string{"slots"}, (*patient).choose},
	{"pin", []string{"token"}, (*patient).pinState},
	{"login", []string{"pin"}, (*patient).login},
	{"mechanisms", []string{"token"}, (*patient).mechanisms},
	{"key", []string{"login"}, (*patient).keys},
	{"canary", []string{"login", "mechanisms"}, (*patient).canary},
	{"iv", []string{"canary"}, (*patient).ivs},
	{"sessions", []string{"token"}, (*patient).sessions},
	{"throughput", []string{"canary"}, (*patient).throughput},
}

func (p *patient) examine(steps []step) {
	for _, s := range steps {
		for _, found := range p.take(s) {
			found.Step = s.name
			if found.Subject == "" {
				found.Subject = p.subject
			}
			if found.Status == Failed || found.Status == Skipped {
				p.bad[s.name] = string(found.Status)
			}
			p.report.Add(found)
		}
	}
}

// take runs a step, unless one that it needs is bad.
func (p *patient) take(s step) []Step {
	for _, need := range s.needs {
		if why := p.bad[need]; why != "" {
			return one(Skipped, fmt.Sprintf("needs the step %s, which was %s", need, why), "")
		}
	}
	if p.hung {
		return one(Skipped, "a call into the module has not returned", "")
	}
	done := make(chan []Step, 1)
	go func() { done <- s.run(p) }()
	timer := time.NewTimer(p.module.StepLimit)
	defer timer.Stop()
	select {
	case found := <-done:
		return found
	case <-p.ctx.Done():
		p.hung = true
		return one(Failed, "interrupted", "run the command again")
	case <-timer.C:
		p.hung = true
		return one(Failed, fmt.Sprintf("the module did not answer in %s", p.module.StepLimit),
			"check the device and the network to it, and the vendor's client log")
	}
}

// close ends the session, and with it the login and the canary.
func (p *patient) close() {
	if p.open && !p.hung {
		_ = p.p11.CloseSession(p.session) // the module is finalised next
	}
}
