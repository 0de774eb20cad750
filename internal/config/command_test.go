package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hyok/internal/config"
)

func TestASecretFromACommand(t *testing.T) {
	for _, tc := range []struct{ name, command, want, fault string }{
		{"what it prints", `[printf, hunter2]`, "hunter2", ""},
		{"the arguments as they are, without a shell", `[printf, "%s", "$HOME;x"]`, "$HOME;x", ""},
		{"no line ends behind it", `[printf, 'hunter2\n\r\n\n']`, "hunter2", ""},
		{"no standard error", `[sh, -c, "echo hush >&2; echo hunter2"]`, "hunter2", ""},
		{"a failure by its exit status", `[sh, -c, "echo hush; echo hush >&2; exit 3"]`, "", "c.yaml:1: pin: the secret's command sh failed with exit status 3; run it by hand to see why"},
		{"a signal", `[sh, -c, "kill -9 $$"]`, "", "c.yaml:1: pin: the secret's command sh failed with signal: killed; run it by hand to see why"},
		{"nothing printed", `["true"]`, "", "c.yaml:1: pin: the secret's command true printed nothing; let it print the secret on standard output"},
		{"too much printed", `[yes, hush]`, "", "c.yaml:1: pin: the secret's command yes prints more than 65536 bytes; let it print the secret alone"},
		{"no such program", `[/no/such/program, hush]`, "", "c.yaml:1: pin: running the secret's command: fork/exec /no/such/program: no such file or directory; check its path and permissions"},
		{"no program", `[]`, "", "c.yaml:1: pin: the command has no program; give [PROGRAM, ARGUMENT…]"},
		{"a line for a shell", `printf hush`, "", "c.yaml:1: pin.command: want a list, not this text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c struct{ PIN config.SecretSource }
			t.Chdir(t.TempDir())
			if err := os.WriteFile("c.yaml", []byte("pin: {command: "+tc.command+"}"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := config.Load("c.yaml", &c)
			switch {
			case tc.fault == "" && err != nil:
				t.Fatal(err)
			case tc.fault != "" && (err == nil || err.Error() != tc.fault):
				t.Errorf("got  %v\nwant %s", err, tc.fault)
			case tc.fault == "" && c.PIN.Reveal() != tc.want:
				t.Errorf("read %q, want %q", c.PIN.Reveal(), tc.want)
			}
		})
	}
}

func TestTextFromAnywhereStartsNoProgram(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	var c struct{ PIN config.SecretSource }
	err := config.Parse("c.yaml", []byte("pin: {command: [touch, "+mark+"]}"), env, &c)
	if err == nil || !strings.Contains(err.Error(), "c.yaml:1: pin: a command is only run for a file") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the program was started")
	}
}

func TestSourcesShowWhenToReadAgain(t *testing.T) {
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "pin")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var c struct{ PIN config.SecretSource }
	load := func() *config.Sources {
		s, err := config.LoadSources(file, &c)
		if err != nil && !strings.Contains(err.Error(), "no such file") {
			t.Fatal(err)
		}
		return s
	}
	for _, step := range []struct {
		what   string
		change func()
	}{
		{"the file appears", func() { write(file, "pin: {file: "+secret+"}") }},
		{"the secret's file appears", func() { write(secret, "1") }},
		{"the secret's file grows", func() { write(secret, "12") }},
		{"the secret's file is replaced by one as long", func() {
			write(secret+".new", "34")
			if err := os.Rename(secret+".new", secret); err != nil {
				t.Fatal(err)
			}
		}},
		{"the file changes", func() { write(file, "pin: {file: "+secret+"} # changed") }},
		{"the secret's file goes", func() {
			if err := os.Remove(secret); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		s := load()
		if !s.Now().Same(s.AsRead()) {
			t.Errorf("before %s a change is seen", step.what)
		}
		if step.change(); s.Now().Same(s.AsRead()) {
			t.Errorf("%s: no change is seen", step.what)
		}
	}
}

func TestAPipeIsNotReadAgain(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "pipe")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(file, []byte("pin: {file: "+pipe+"}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte("hunter2\n"), 0) }()
	var c struct{ PIN config.SecretSource }
	s, err := config.LoadSources(file, &c)
	if err := errors.Join(err, <-written); err != nil || c.PIN.Reveal() != "hunter2" {
		t.Fatalf("read %q, %v", c.PIN.Reveal(), err)
	}
	if !s.Now().Same(s.AsRead()) {
		t.Error("a pipe that was read counts as changed")
	}
}
