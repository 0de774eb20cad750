// Package daemon is the command line that kmsfront and xksproxy share: a
// configuration file that can be checked, a commented reference, a log level.
//
// Errors are one line on standard error. Exit status: 0 done, 1 failed, 2 wrong
// usage.
package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"hyok/internal/logging"
	"hyok/internal/metrics"
	"hyok/internal/serve"
)

// A Program is what differs between daemons.
type Program struct {
	Name        string
	Description string // for --help, with examples
	Reference   string // the commented configuration that --print-config shows
	// Check reads the configuration file and all that it needs to be valid.
	Check func(file string) error
	// Serve runs the daemon until ctx ends, and returns when all is closed.
	Serve func(ctx context.Context, file string, log *slog.Logger) error
	// Commands may stand first on the command line, and then take it over.
	Commands []Command
}

// A Command is something else that the program can do.
type Command struct {
	Name string // the word
	Help string // one line
	// Run gets the arguments behind the word, and gives the exit status.
	Run func(args []string, stdout, stderr io.Writer) int
}

type command struct {
	Config      string           `placeholder:"FILE" help:"The configuration file; --print-config shows a commented one."`
	CheckConfig bool             `name:"check-config" help:"Check the configuration file and exit."`
	PrintConfig bool             `name:"print-config" help:"Print the commented reference configuration and exit."`
	LogLevel    string           `name:"log-level" enum:"debug,info,warn,error" default:"info" help:"What is logged: debug, info, warn, error."`
	Version     kong.VersionFlag `help:"Print the version and exit."`
}

// Main runs p with the arguments behind its name, and gives the exit status.
// SIGINT and SIGTERM end it.
func Main(p Program, args []string, stdout, stderr io.Writer) int {
	for _, other := range p.Commands {
		if len(args) > 0 && args[0] == other.Name {
			return other.Run(args[1:], stdout, stderr)
		}
	}
	var c command
	exit := -1
	parser := kong.Must(&c,
		kong.Name(p.Name), kong.Description(p.description()),
		kong.Vars{"version": metrics.Version()},
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }))
	_, err := parser.Parse(args)
	switch {
	case exit >= 0: // --help and --version are done
		return exit
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v; see %s --help\n", p.Name, err, p.Name)
		return 2
	case c.PrintConfig:
		fmt.Fprint(stdout, p.Reference)
		return 0
	case c.Config == "":
		fmt.Fprintf(stderr, "%s: --config FILE is missing; %s --print-config shows a file to begin with\n", p.Name, p.Name)
		return 2
	}
	if err := c.run(p, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", p.Name, strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

// description is what --help says of p.
func (p Program) description() string {
	text := p.Description
	for i, c := range p.Commands {
		if i == 0 {
			text += "\n\nCommands, each with a --help of its own:"
		}
		text += fmt.Sprintf("\n  %s %s: %s", p.Name, c.Name, c.Help)
	}
	return text
}

func (c *command) run(p Program, stdout, stderr io.Writer) error {
	if c.CheckConfig {
		if err := p.Check(c.Config); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "%s is valid\n", c.Config)
		return err
	}
	level, err := logging.Level(c.LogLevel)
	if err != nil {
		return err
	}
	serve.Collect()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return p.Serve(ctx, c.Config, logging.New(stderr, level))
}
