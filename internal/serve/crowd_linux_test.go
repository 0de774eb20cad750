package serve

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// asCrowded in the environment makes the test binary serve with few descriptors.
const asCrowded = "SERVE_TEST_CROWDED"

// A crowd of connections leaves descriptors for files, so that a device that
// opens one for each use of a key goes on.
func TestACrowdLeavesDescriptorsForFiles(t *testing.T) {
	if os.Getenv(asCrowded) != "" {
		crowded(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestACrowdLeavesDescriptorsForFiles$", "-test.v")
	cmd.Env = append(os.Environ(), asCrowded+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func crowded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// The crowd is outside, since its ends would take descriptors here.
	crowd := exec.Command("bash", "-c", `read; for i in $(seq 200); do eval "exec $((i+20))<>/dev/tcp/${0%:*}/${0#*:}"; done; echo; read`, addr)
	in, _ := crowd.StdinPipe()
	out, _ := crowd.StdoutPipe()
	if err := crowd.Start(); err != nil {
		t.Fatal(err)
	}
	defer crowd.Wait()
	defer in.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 100, Max: 100}); err != nil {
		t.Fatal(err)
	}
	g, err := Start(Endpoint{Name: "one", Listen: addr, Share: 70, Handler: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(0)
	fmt.Fprintln(in)
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// All 200 are connected; the system accepted them for us.
	<-time.After(200 * time.Millisecond)
	for i := range 10 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
		defer f.Close()
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil || len(open) < 70 {
		t.Errorf("%d descriptors are open (%v): there was no crowd", len(open), err)
	}
	_, _ = io.WriteString(in, "\n")
}
