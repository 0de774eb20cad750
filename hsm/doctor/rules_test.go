package doctor

import (
	"testing"
	"testing/synctest"

	"github.com/miekg/pkcs11"
)

func TestNoLoginIsTriedThatCouldLock(t *testing.T) {
	const set = pkcs11.CKF_USER_PIN_INITIALIZED
	for _, c := range []struct {
		name     string
		flags    uint
		finalTry bool
		want     Status
	}{
		{"well", set, false, OK},
		{"no PIN", 0, false, Failed},
		{"a wrong PIN before", set | pkcs11.CKF_USER_PIN_COUNT_LOW, false, Warning},
		{"the final try", set | pkcs11.CKF_USER_PIN_COUNT_LOW | pkcs11.CKF_USER_PIN_FINAL_TRY, false, Failed},
		{"the final try, asked for", set | pkcs11.CKF_USER_PIN_FINAL_TRY, true, Warning},
		{"locked", set | pkcs11.CKF_USER_PIN_LOCKED, true, Failed},
		{"to be changed", set | pkcs11.CKF_USER_PIN_TO_BE_CHANGED, false, Warning},
	} {
		if got := pinState(c.flags, c.finalTry)[0]; got.Status != c.want {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
}

func TestKeySizesMayBeInBytesOrBits(t *testing.T) {
	for _, c := range []struct {
		min, max uint
		want     bool
	}{{16, 32, true}, {128, 256, true}, {0, 0, true}, {16, 16, false}, {128, 192, false}} {
		if got := has256(pkcs11.MechanismInfo{MinKeySize: c.min, MaxKeySize: c.max}); got != c.want {
			t.Errorf("%d to %d: %v", c.min, c.max, got)
		}
	}
}

func TestFewestSessionsNearTheBestAreRecommended(t *testing.T) {
	for _, c := range []struct {
		speeds []float64
		want   int
	}{{[]float64{100}, 1}, {[]float64{95, 100, 99, 98}, 1}, {[]float64{50, 92, 100, 100}, 2}, {[]float64{10, 20, 40, 80}, 8}} {
		var all []Speed
		for i, s := range c.speeds {
			all = append(all, Speed{Sessions: 1 << i, PerSecond: s})
		}
		if got := recommended(all).Sessions; got != c.want {
			t.Errorf("%v: %d sessions, want %d", c.speeds, got, c.want)
		}
	}
}

func TestSessionLimitOfTheToken(t *testing.T) {
	unknown := ^uint(0)
	for _, c := range []struct {
		name    string
		max, rw uint
		workers int
		want    Status
	}{
		{"infinite", 0, 0, 0, OK}, {"unknown", unknown, unknown - 1, 0, OK}, {"many", 1024, 1024, 8, OK},
		{"YubiHSM", 16, 16, 8, Warning}, {"too few", 16, 16, 16, Failed}, {"few for writing", 1024, 4, 8, Failed},
	} {
		p := &patient{token: Token{Workers: c.workers}}
		p.slot.info.MaxSessionCount, p.slot.info.MaxRwSessionCount = c.max, c.rw
		if got := p.sessions()[0]; got.Status != c.want {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
}

func TestNothingIsMeasuredBeyondTheSessionLimit(t *testing.T) {
	p := new(patient)
	p.slot.info.MaxSessionCount = 1 // holds the login
	if got := p.measureAll(0, "none")[0]; got.Status != Failed {
		t.Errorf("got %+v", got)
	}
}

// A call that hangs fails its step, and whatever would call the module again is
// left out.
func TestHangingCallEndsTheExamination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &exam{ctx: t.Context(), module: Module{StepLimit: defaultStepLimit}, report: new(Report)}
		back := make(chan struct{})
		x.patient("token").examine([]step{
			{"hangs", nil, func(*patient) []Step { <-back; return nil }},
			{"needs it", []string{"hangs"}, nil},
			{"needs nothing", nil, nil},
		})
		close(back)
		for i, want := range []Status{Failed, Skipped, Skipped} {
			if got := x.report.Steps[i]; got.Status != want {
				t.Errorf("step %d: %+v, want %s", i, got, want)
			}
		}
	})
}
