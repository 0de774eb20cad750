// Command hyok is the workbench: it brings up a KMS front end and an external
// key store proxy on SoftHSM with one command, and breaks them on purpose.
//
// Output is data on standard output and talk on standard error. An error is one
// line that says what is wrong and how to mend it. Exit status: 0 done, 1
// failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"hyok/internal/metrics"
)

// commands is the command line; each command has a file of its own.
type commands struct {
	Version kong.VersionFlag `help:"Print the version and exit."`

	Up         upCmd         `cmd:"" help:"Bring up everything on this machine and run it in the foreground."`
	Env        envCmd        `cmd:"" help:"Print the variables of a running hyok, for eval in a shell."`
	Demo       demoCmd       `cmd:"" help:"Walk the whole road once in a temporary directory and check each step."`
	Key        keyCmd        `cmd:"" help:"External keys on the token, through PKCS#11."`
	HSM        hsmCmd        `cmd:"" name:"hsm" help:"The HSMs of the simulated CloudHSM cluster."`
	Cluster    clusterCmd    `cmd:"" help:"Simulated CloudHSM clusters: users, passwords, locks, keys, backups, network."`
	Clock      clockCmd      `cmd:"" help:"Move the front end's clock forward."`
	Fault      faultCmd      `cmd:"" help:"Failures made on purpose."`
	VPCService vpcServiceCmd `cmd:"" name:"vpc-service" help:"Simulated VPC endpoint services, behind which external key stores can have their proxies."`
	Load       loadCmd       `cmd:"" help:"Send requests at a constant rate or from many callers, and measure the answers."`
	Doctor     doctorCmd     `cmd:"" help:"Check a PKCS#11 device and a proxy's configuration step by step."`
	Credential credentialCmd `cmd:"" help:"Proxy authentication credentials, with which KMS signs what it sends to the proxy."`
	Bench      benchCmd      `cmd:"" hidden:"" help:"Measure each hop against its floor; make bench runs it."`
}

// streams are where a command writes: data to Out, talk to Err.
type streams struct{ Out, Err io.Writer }

// usageError is wrong usage that kong cannot see: exit status 2.
type usageError string

func (e usageError) Error() string { return string(e) }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

func main() { os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr})) }

func run(args []string, s streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var c commands
	exit := -1
	parser := kong.Must(&c,
		kong.Name("hyok"),
		kong.Description("Hold your own key: AWS KMS with custom key stores, on your own machine."),
		kong.Vars{"version": metrics.Version()},
		kong.Writers(s.Out, s.Err),
		kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s))
	k, err := parser.Parse(args)
	switch {
	case exit >= 0: // --help and --version are done
		return exit
	case err != nil:
		return fail(s, usagef("%v; see hyok --help", err))
	}
	return fail(s, k.Run())
}

// fail prints err as one line and gives the exit status.
func fail(s streams, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(s.Err, "hyok: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}
