package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// commandTimeout is what a command that prints a secret may take. A reload
// waits for it, while the configuration before goes on being served.
const commandTimeout = 10 * time.Second

// SecretFromCommand runs a program, without a shell, and gives what it prints on
// standard output, at most 64 KiB, without the line ends behind it. The program
// gets this process's environment and no input. What it prints on standard error
// is thrown away. It has ten seconds, after which it is killed. Errors name the
// program and its exit status, but neither its arguments nor its output, since
// both may hold secrets.
func SecretFromCommand(ctx context.Context, command ...string) (Secret, error) {
	if len(command) == 0 || command[0] == "" {
		return "", errors.New("the command has no program; give [PROGRAM, ARGUMENT…]")
	}
	program := command[0]
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	out := &limitedBuffer{left: maxSecretFile}
	cmd := exec.CommandContext(ctx, program, command[1:]...)
	cmd.Stdout = out
	cmd.WaitDelay = 100 * time.Millisecond // for what it started itself and left behind
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("the secret's command %s was ended: it took longer than %s", program, commandTimeout)
	case out.full:
		return "", fmt.Errorf("the secret's command %s prints more than %d bytes; let it print the secret alone", program, maxSecretFile)
	case errors.As(err, &exit):
		return "", fmt.Errorf("the secret's command %s failed with %s; run it by hand to see why", program, exit.ProcessState)
	case err != nil:
		return "", fmt.Errorf("running the secret's command: %w; check its path and permissions", err)
	}
	text := strings.TrimRight(out.b.String(), "\r\n")
	if text == "" {
		return "", fmt.Errorf("the secret's command %s printed nothing; let it print the secret on standard output", program)
	}
	return Secret(text), nil
}

// A limitedBuffer takes so many bytes and no more.
type limitedBuffer struct {
	b    bytes.Buffer // not embedded: it would take all, by ReadFrom
	left int
	full bool
}

var errFull = fmt.Errorf("the output is too long: %w", io.ErrShortWrite)

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(p) > b.left {
		b.full = true
		return 0, errFull
	}
	b.left -= len(p)
	return b.b.Write(p)
}
