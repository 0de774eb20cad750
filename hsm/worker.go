package hsm

import (
	"errors"
	"fmt"
	"time"

	"github.com/miekg/pkcs11"

	"hyok/internal/fault"
)

// A worker does requests, one at a time, in a session of its own.
type worker struct {
	t    *Token
	lane *lane

	conn    *connection // for the request at hand
	session pkcs11.SessionHandle
	epoch   uint64 // of the session; 0: there is none
	entry   *entry // the key that the request at hand uses; nil: none yet

	answers []*request  // of this round, done
	watch   *time.Timer // calls pace.slow
}

// A brokenError says that the connection was of no use. The token mends it, and
// the work is done once more.
type brokenError struct {
	conn   *connection
	reload bool // a probe will not do: only a reloaded module can tell
	idle   bool // the work had not begun
	err    error
}

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// errShrunk says that the worker left for want of a session; another one will
// do the work.
var errShrunk = fmt.Errorf("%w: no session left", ErrUnavailable)

// newWorker makes a worker for a lane of t.
func newWorker(t *Token, l *lane) *worker {
	w := &worker{t: t, lane: l}
	w.watch = time.AfterFunc(patience, func() { l.pace.slow(w) })
	w.watch.Stop()
	return w
}

// run takes requests until the lane is closed or the worker is no longer needed.
func (w *worker) run() {
	defer w.closeSession()
	defer w.lane.pace.leave(w)
	for w.lane.pace.await(w) {
		select {
		case r := <-w.lane.requests:
			if !w.round(r) {
				return
			}
		case <-w.lane.quit:
			return
		}
	}
}

// round does r and, if the pace allows, what else is in the queue, and then
// answers the callers. It tells whether the worker stays.
func (w *worker) round(r *request) (stay bool) {
	start := time.Now()
	alone := w.lane.pace.begin(w)
	stay = w.serve(r)
	took := time.Since(start)
	calls := 1
	for alone && stay && calls < roundSize && took < roundTime {
		if r = w.lane.next(); r == nil {
			break
		}
		stay = w.serve(r)
		took = time.Since(start)
		calls++
	}
	w.lane.pace.end(w, alone, took)
	w.lane.mean.add(took, calls)
	for _, r := range w.answers {
		r.done <- struct{}{}
	}
	w.answers = w.answers[:0]
	return stay
}

// serve does one request and tells whether the worker stays.
func (w *worker) serve(r *request) (stay bool) {
	lib := w.t.lib
	lib.gate.enter()
	if !r.state.CompareAndSwap(waiting, running) {
		lib.gate.leave()
		return true
	}
	r.err = w.attempt(r)
	shrunk := r.err == errShrunk
	answered := r.state.CompareAndSwap(running, finished)
	if !answered && r.err == nil && r.undo != nil {
		r.undo(w)
	}
	lib.gate.leave()
	if answered {
		w.answers = append(w.answers, r)
		return !shrunk
	}
	if r.state.CompareAndSwap(abandoned, finished) {
		return !shrunk
	}
	return w.lane.found() && !shrunk
}

// attempt does r's work, applying the remedies of the classes of errors, each
// once, and tells the observer.
func (w *worker) attempt(r *request) error {
	if observe := w.t.config.Observe; observe != nil {
		start := time.Now()
		err := w.remedied(r)
		observe(r.op.name, time.Since(start), err)
		return err
	}
	return w.remedied(r)
}

func (w *worker) remedied(r *request) error {
	var tried [len(sentinels)]bool
	for {
		w.conn, w.entry = w.t.conn.Load(), nil
		err := w.once(r)
		var broken *brokenError
		var code *CodeError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &broken):
			return err
		case !errors.As(err, &code) && errors.Is(err, ErrUnavailable) && err != errShrunk:
			return &brokenError{conn: w.conn, err: err}
		case code == nil:
			return err
		}
		c := code.class()
		if tried[c] || !w.remedy(c) {
			if sentinels[c] == ErrUnavailable {
				return &brokenError{conn: w.conn, err: err}
			}
			return err
		}
		tried[c] = true
	}
}

// once does r's work in a session that fits the connection.
func (w *worker) once(r *request) error {
	if w.conn == nil {
		return ErrClosed
	}
	if w.conn.epoch != w.t.lib.epoch.Load() {
		return &brokenError{conn: w.conn, idle: true, err: fmt.Errorf("%w: the module was reloaded", ErrUnavailable)}
	}
	if err := w.openSession(); err != nil {
		return err
	}
	if err := w.fault(r.op); err != nil {
		return err
	}
	return r.work(w)
}

// remedy does what an error's class calls for and tells whether the work is
// worth another try.
func (w *worker) remedy(c class) bool {
	switch c {
	case classSession:
		w.closeSessionInside()
		return true
	case classHandle:
		if w.entry == nil {
			return false
		}
		w.suspect(w.entry)
		return true
	case classLogin:
		_, err := w.t.logInAgain(w.conn)
		return err == nil
	case classUsage:
		// What the cache says of the key is out of date, or the device is right.
		if w.entry == nil {
			return false
		}
		w.dropCopy(w.entry)
		return w.refresh(w.entry) == nil
	}
	return false
}

// openSession opens a session unless there is one of the module's epoch.
func (w *worker) openSession() error {
	if w.epoch == w.conn.epoch {
		return nil
	}
	w.epoch = 0 // sessions of an earlier epoch ended with it
	s, err := w.t.lib.openSession(w.conn.slot)
	if codeOf(err) == pkcs11.CKR_SESSION_COUNT && w.lane.leave() {
		return errShrunk
	}
	if err != nil {
		return err
	}
	w.session, w.epoch = s, w.conn.epoch
	return nil
}

// openSession opens a read-write session, which making and changing keys needs;
// a read-only one on a token that allows no other.
func (l *library) openSession(slot uint) (pkcs11.SessionHandle, error) {
	s, err := l.ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if errors.Is(err, pkcs11.Error(pkcs11.CKR_TOKEN_WRITE_PROTECTED)) {
		s, err = l.ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	}
	return s, coded("C_OpenSession", err)
}

// closeSession closes the session when the worker goes.
func (w *worker) closeSession() {
	w.t.lib.gate.enter()
	w.closeSessionInside()
	w.t.lib.gate.leave()
}

// closeSessionInside closes the session; a poisoned one is never used again
// (guide hsm.md §2, trap 5). Its error says only that it was closed before.
func (w *worker) closeSessionInside() {
	if w.epoch != 0 && w.epoch == w.t.lib.epoch.Load() {
		_ = w.t.lib.ctx.CloseSession(w.session)
	}
	w.epoch = 0
}

// fault lets a failure made on purpose happen in place of the device's.
func (w *worker) fault(op *operation) error {
	effect, ok := w.t.config.Faults.Match(fault.HSM, op.fault)
	if !ok {
		return nil
	}
	// A device takes its time whether the caller is still there or not.
	if err := effect.Wait(w.t.life); err != nil {
		return ErrClosed
	}
	if effect.Error == "" {
		return nil
	}
	return &CodeError{Function: "fault made on purpose", Code: rowByName[effect.Error].code}
}
