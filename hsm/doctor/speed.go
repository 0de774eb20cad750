package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/hsm/internal/gcm"
)

// What is compared with.
const (
	defaultWorkers = 2                      // of the proxy
	otherSessions  = 1                      // beside the workers': the one that holds the login
	storeQuota     = 1800                   // requests a second of a key store (XKS fact 92)
	tooSlow        = 100 * time.Millisecond // leaves half of the proxy's deadline to the rest
	wellKnown      = 1 << 30                // a limit above is no limit: ~0 is unknown, and some give nearly that
	goodEnough     = 0.9                    // of the best throughput; more sessions only lengthen the tail (guide hsm.md §1b)
)

// sessionLimit is how many sessions the token takes; 0: no known limit.
func (s slot) sessionLimit() uint {
	limit := uint(0)
	for _, n := range []uint{s.info.MaxSessionCount, s.info.MaxRwSessionCount} {
		if n != 0 && n < wellKnown && (limit == 0 || n < limit) {
			limit = n
		}
	}
	return limit
}

func (p *patient) sessions() []Step {
	want := uint(cmp.Or(p.token.Workers, defaultWorkers) + otherSessions)
	limit := p.slot.sessionLimit()
	switch {
	case limit == 0:
		return one(OK, "the token gives no limit", "")
	case limit < want:
		return one(Failed, fmt.Sprintf("the token takes %d, and the proxy needs %d", limit, want), "lower workers, or raise the token's limit")
	case limit < 2*want:
		return one(Warning, fmt.Sprintf("the token takes %d, and the proxy needs %d", limit, want), "leave room for other programs and for sessions that hang")
	}
	return one(OK, fmt.Sprintf("the token takes %d, and the proxy needs %d", limit, want), "")
}

// throughput measures 1, 2, 4 and 8 sessions, with the canary unless another key
// is asked for: SoftHSM reads a token key from disk each time and takes some three
// times as long as for a session key (guide hsm.md §1a).
func (p *patient) throughput() []Step {
	key, name := p.key, "a session key (keys on the token may be slower)"
	if label := p.token.MeasureKey; label != "" {
		handles, err := p.find(label)
		if err != "" || len(handles) != 1 {
			return one(Failed, fmt.Sprintf("the key %q to measure with is not there once", label), "name another key, or none for a session key")
		}
		key, name = handles[0], fmt.Sprintf("the key %q", label)
	}
	return p.measureAll(key, name)
}

func (p *patient) measureAll(key pkcs11.ObjectHandle, name string) []Step {
	var all []Speed
	var stopped string
	for _, n := range []int{1, 2, 4, 8} {
		if limit := p.slot.sessionLimit(); limit != 0 && uint(n+otherSessions) > limit {
			stopped = "; more sessions than the token takes were not tried"
			break
		}
		speed, failed := p.measure(n, key)
		if failed != "" && len(all) == 0 {
			return one(Failed, failed, "check the device")
		}
		if failed != "" {
			stopped = fmt.Sprintf("; %d sessions: %s", n, failed)
			break
		}
		all = append(all, speed)
	}
	if len(all) == 0 {
		return one(Failed, "the token takes too few sessions to measure one", "raise the token's limit")
	}
	best := recommended(all)
	p.speeds, p.pool = all, best.Sessions
	detail := fmt.Sprintf("recommended workers: %d: with %s %.0f encryptions a second, p50 %.3f ms, p99 %.3f ms%s", best.Sessions, name, best.PerSecond, best.P50, best.P99, stopped)
	switch {
	case best.PerSecond < storeQuota:
		return one(Warning, detail, fmt.Sprintf("set rate_limit below what the device does; KMS may send %d a second", storeQuota))
	case best.P99 > float64(tooSlow.Milliseconds()):
		return one(Warning, detail, "find out what else uses the device or this machine: KMS gives up after 250 ms")
	case stopped != "":
		return one(Warning, detail, "keep workers at what is recommended")
	}
	return one(OK, detail, "")
}

// recommended is the fewest sessions that come near the best throughput.
func recommended(all []Speed) Speed {
	top := slices.MaxFunc(all, func(a, b Speed) int { return cmp.Compare(a.PerSecond, b.PerSecond) })
	for _, s := range all {
		if s.PerSecond >= goodEnough*top.PerSecond {
			return s
		}
	}
	return top
}

// measure has n sessions encrypt side by side.
func (p *patient) measure(n int, key pkcs11.ObjectHandle) (Speed, string) {
	sessions := make([]pkcs11.SessionHandle, 0, n)
	defer func() {
		for _, s := range sessions {
			_ = p.p11.CloseSession(s)
		}
	}()
	for range n {
		s, err := p.p11.OpenSession(p.slot.id, pkcs11.CKF_SERIAL_SESSION)
		if err != nil {
			return Speed{}, code("C_OpenSession", err)
		}
		sessions = append(sessions, s)
	}
	times, codes := make([][]time.Duration, n), make([]uint, n)
	start := time.Now()
	var working sync.WaitGroup
	for i, s := range sessions {
		working.Go(func() { times[i], codes[i] = p.encryptUntil(start.Add(p.module.Measure), s, key) })
	}
	working.Wait()
	took := time.Since(start)
	for _, rv := range codes {
		if rv != 0 {
			return Speed{}, codeOf("C_Encrypt", rv)
		}
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	ms := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))].Nanoseconds()) / 1e6 }
	return Speed{Token: p.subject, Sessions: n, PerSecond: float64(len(all)) / took.Seconds(), P50: ms(0.5), P99: ms(0.99)}, ""
}

// encryptUntil encrypts one block after the other, at least one, and gives the
// time of each.
func (p *patient) encryptUntil(end time.Time, s pkcs11.SessionHandle, key pkcs11.ObjectHandle) (times []time.Duration, rv uint) {
	plaintext, out := make([]byte, canarySize), make([]byte, canarySize+gcm.TagSize+gcm.Margin)
	for start := time.Now(); ; {
		r := p.gcm.Encrypt(uint(s), uint(key), newIV(), canaryAAD, plaintext, out)
		if r.RV != 0 {
			return nil, r.RV
		}
		now := time.Now()
		times = append(times, now.Sub(start))
		if now.After(end) {
			return times, 0
		}
		start = now
	}
}
