package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"hyok/internal/daemon"
)

func program(fail error) daemon.Program {
	return daemon.Program{
		Name: "prog", Description: "A program.", Reference: "listen: here\n",
		Check: func(string) error { return fail },
		Serve: func(_ context.Context, file string, log *slog.Logger) error {
			log.Info("serving", "file", file)
			return fail
		},
		Commands: []daemon.Command{{Name: "other", Help: "does else.", Run: func(args []string, stdout, stderr io.Writer) int {
			fmt.Fprint(stdout, args)
			return 7
		}}},
	}
}

func TestExitStatusAndOutput(t *testing.T) {
	broken := errors.New("first line\nsecond line")
	for name, c := range map[string]struct {
		args           []string
		fail           error
		status         int
		stdout, stderr string // parts of them
	}{
		"no configuration":   {nil, nil, 2, "", "prog: --config FILE is missing"},
		"unknown flag":       {[]string{"--wrong"}, nil, 2, "", "see prog --help"},
		"unknown level":      {[]string{"--config", "f", "--log-level", "loud"}, nil, 2, "", "must be one of"},
		"reference":          {[]string{"--print-config"}, nil, 0, "listen: here", ""},
		"valid file":         {[]string{"--config", "f", "--check-config"}, nil, 0, "f is valid", ""},
		"invalid file":       {[]string{"--config", "f", "--check-config"}, broken, 1, "", "prog: first line; second line"},
		"served":             {[]string{"--config", "f"}, nil, 0, "", `"file":"f"`},
		"failed":             {[]string{"--config", "f"}, broken, 1, "", "prog: first line; second line"},
		"quiet":              {[]string{"--config", "f", "--log-level", "error"}, nil, 0, "", ""},
		"help":               {[]string{"--help"}, nil, 0, "A program.", ""},
		"commands in help":   {[]string{"--help"}, nil, 0, "prog other: does else.", ""},
		"a command":          {[]string{"other", "--config", "x"}, nil, 7, "[--config x]", ""},
		"a command behind":   {[]string{"--config", "f", "other"}, nil, 2, "", "unexpected argument other"},
		"version on its own": {[]string{"--version"}, nil, 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status := daemon.Main(program(c.fail), c.args, &stdout, &stderr)
			if status != c.status || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("status %d, stdout %q, stderr %q", status, &stdout, &stderr)
			}
			if c.stderr == "" && stderr.Len() > 0 {
				t.Errorf("stderr has %q", &stderr)
			}
		})
	}
}
