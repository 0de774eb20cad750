package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"hyok/internal/config"
	"hyok/proxy/audit"
)

const verifyDescription = `Check the chain of an audit log: that no line was removed, altered, inserted or moved.

Give all files of the log, in any order. Lines cut from the end show only against a number and hash that were kept elsewhere; xksproxy logs them whenever it opens, continues or closes the file. Exit status: 0 the chain is whole, 1 it is broken, 2 it could not be checked.

Examples:
  1. xksproxy verify-log audit.jsonl
  2. xksproxy verify-log audit.jsonl*
  3. xksproxy verify-log --key-file audit.key audit.jsonl*`

// verifyLog is the command verify-log.
func verifyLog(args []string, stdout, stderr io.Writer) int {
	var c struct {
		KeyFile string   `name:"key-file" placeholder:"FILE" help:"The file with the key, if the configuration gives one (audit.key)."`
		Files   []string `arg:"" name:"file" help:"The audit log's files."`
	}
	exit := -1
	parser := kong.Must(&c, kong.Name("xksproxy verify-log"), kong.Description(verifyDescription),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exit = code }))
	_, err := parser.Parse(args)
	switch {
	case exit >= 0: // --help is done
		return exit
	case err != nil:
		fmt.Fprintf(stderr, "xksproxy: %v; see xksproxy verify-log --help\n", err)
		return 2
	}
	result, err := checkLog(c.KeyFile, c.Files)
	if problem, ok := errors.AsType[*audit.Problem](err); ok {
		fmt.Fprintln(stdout, problem)
		return 1
	}
	if err != nil {
		fmt.Fprintf(stderr, "xksproxy: %v\n", err)
		return 2
	}
	if result.First > 1 {
		fmt.Fprintf(stdout, "lines 1 to %d are not in these files\n", result.First-1)
	}
	fmt.Fprintf(stdout, "the chain is whole: lines %d to %d, last hash %s\n", result.First, result.Last, result.Hash)
	return 0
}

func checkLog(keyFile string, files []string) (audit.Result, error) {
	var key config.Secret
	if keyFile != "" {
		var err error
		if key, err = config.SecretFromFile(keyFile); err != nil {
			return audit.Result{}, err
		}
	}
	return audit.Check(key, files...)
}
