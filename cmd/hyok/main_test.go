package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hyok/internal/logtest"
)

// asHyok in the environment makes the test binary behave as hyok.
const asHyok = "HYOK_TEST_AS_HYOK"

func TestMain(m *testing.M) {
	if os.Getenv(asHyok) != "" {
		os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr}))
	}
	testscript.Main(m, map[string]func(){
		"hyok": func() { os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr})) },
	})
}

// hyok is a command line of this program.
func hyok(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asHyok+"=1")
	return cmd
}

// A running is a hyok up in a process of its own.
type running struct {
	*road
	t   *testing.T
	dir string
	cmd *exec.Cmd
	log *logtest.Buffer
}

// up starts hyok up in dir and waits until it is ready. The test's end kills it.
func up(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	r := &running{t: t, dir: dir, log: new(logtest.Buffer)}
	r.cmd = hyok(append([]string{"up", "--dir", dir, "--kms-listen", "127.0.0.1:0", "--proxy-listen", "127.0.0.1:0", "--log-level", "info"}, args...)...)
	r.cmd.Stderr = r.log
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready") {
		t.Fatalf("hyok up printed %q (%v), want a line that begins with ready; its log:\n%s", line, err, r.log)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	r.road = newRoad(parseEnv(string(env)))
	return r
}

// again starts hyok up in the same directory, with the same stores and keys in hand.
func (r *running) again(args ...string) *running {
	r.t.Helper()
	next := up(r.t, r.dir, args...)
	next.stores, next.keys = r.stores, r.keys
	return next
}

// stop sends SIGTERM and checks the promise: exit status 0 within five seconds.
func (r *running) stop() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			r.t.Errorf("after SIGTERM hyok up ended with %v; its log:\n%s", err, r.log)
		}
	case <-time.After(5 * time.Second):
		r.t.Error("hyok up did not stop within five seconds of SIGTERM")
		r.kill()
	}
}

func (r *running) kill() {
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait() // killed is what it reports
	}
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"ready":       waitReady,
			"exits":       exits,
			"device":      makeDevice,
			"certificate": makeCertificate,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("SOFTHSM2_MODULE", os.Getenv("SOFTHSM2_MODULE")) // empty: looked for
			return nil
		},
	})
}

// exits runs a program that must end with a status: exits STATUS PROGRAM [ARG...].
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM [ARG...]")
	}
	status := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		status = ended.ExitCode()
	}
	if fmt.Sprint(status) != args[0] {
		ts.Fatalf("exit status %d, want %s", status, args[0])
	}
}

// waitReady waits until a hyok up in the background has written DIR/env, and
// sets its variables: ready DIR.
func waitReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready DIR")
	}
	path := filepath.Join(ts.MkAbs(args[0]), "env")
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if b, err := os.ReadFile(path); err == nil {
			for name, value := range parseEnv(string(b)) {
				ts.Setenv(name, value)
			}
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", fmt.Sprint(path))
}
