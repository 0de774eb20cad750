package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"hyok/internal/loadgen"
	"hyok/internal/sigv4"
)

// load runs hyok load --json on the running one.
func (r *running) load(args ...string) *loadgen.Report {
	r.t.Helper()
	var report loadgen.Report
	must(r.t, json.Unmarshal([]byte(r.do(append([]string{"load", "--json"}, args...)...)), &report))
	return &report
}

// Keys of all origins take part, found by their key stores, and a fault on the way
// to one shows in its row.
func TestLoadOnSeveralStores(t *testing.T) {
	r := up(t, t.TempDir())
	r.makeAll(t.Context())
	args := []string{"--rate", "60", "--duration", "1s", "--op", "Encrypt=2,Decrypt,ReEncrypt",
		"--store", r.stores[external], "--store", r.stores[hsmStore], "--key", r.keys[software]}
	report := r.load(args...)
	if report.Errors != 0 || report.OK != 60 || len(report.Series) != 9 {
		t.Errorf("%d answered, %d errors, %d rows: %+v", report.OK, report.Errors, len(report.Series), report.Failures)
	}
	r.do("fault", "add", "--at", "network", "--op", "Decrypt", "--reset")
	report = r.load(args...)
	failed := map[bool]int64{}
	for _, s := range report.Series {
		failed[s.Name == "Decrypt" && s.Target == r.stores[external]] += s.Errors
	}
	if failed[true] == 0 || len(report.Failures) != 1 || report.Failures[0].Name != "KMSInvalidStateException" {
		t.Errorf("errors %v: %+v", failed, report.Failures)
	}
}

// What is no exception has a name for what became of the connection.
func TestErrorNames(t *testing.T) {
	cut := func(w http.ResponseWriter, linger int) {
		c, _, err := w.(http.Hijacker).Hijack()
		must(t, err)
		must(t, c.(*net.TCPConn).SetLinger(linger))
		must(t, c.Close())
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/exception":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"com.amazonaws.kms#NotFoundException","message":"not there"}`)
		case "/capital":
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"__type":"KMSInternalException","Message":"not there"}`)
		case "/page":
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "not there")
		case "/closed":
			cut(w, -1)
		case "/reset":
			cut(w, 0)
		case "/silent":
			<-r.Context().Done() // the caller has given up
		}
	}))
	defer server.Close()
	for path, want := range map[string]string{
		"/exception": "NotFoundException: not there", "/capital": "KMSInternalException: not there", "/page": "(status 502): not there",
		"/closed": "(connection closed)", "/reset": "(connection reset)", "/silent": "(timed out)", "/well": "",
	} {
		err := sendOnce(t, server.URL+path)
		got := ""
		if err != nil {
			got = errorName(err)
		}
		if _, answered := errors.AsType[*exceptionError](err); answered {
			got += ": " + err.Error()
		}
		if got != want {
			t.Errorf("%s: %q (%v), want %q", path, got, err, want)
		}
	}
	server.Close()
	if got := errorName(sendOnce(t, server.URL)); got != "(connection refused)" {
		t.Errorf("nobody listens: %s", got)
	}
}

func sendOnce(t *testing.T, url string) error {
	e := &loadEndpoint{url: url, region: "eu-central-1", who: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "session")}
	must(t, e.makeClient(1))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	return (&kmsRequest{endpoint: e, operation: "ListKeys", body: []byte(`{}`)}).do(ctx)
}

// A signature is good, with the session's token, and made anew when the second is over.
func TestRequestsAreSignedAnewEachSecond(t *testing.T) {
	e := &loadEndpoint{url: "http://kms.example/", region: "eu-central-1",
		who: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "session")}
	r := &kmsRequest{endpoint: e, operation: "ListKeys", body: []byte(`{"Limit":5}`)}
	now := time.Now()
	first, err := r.sign(t.Context(), now)
	must(t, err)
	again, err := r.sign(t.Context(), now)
	must(t, err)
	later, err := r.sign(t.Context(), now.Add(time.Second))
	must(t, err)
	if first != again || first == later {
		t.Error("a signature must last for the second that it was made in")
	}
	v := sigv4.NewVerifier(sigv4.VerifierConfig{Service: "kms", Lookup: func(string) (string, bool) { return "secret", true }})
	req := httptest.NewRequest(http.MethodPost, first.url, bytes.NewReader(first.body))
	req.Header = first.headers
	who, err := v.Verify(req, first.body, now)
	must(t, err)
	if who.Region != "eu-central-1" || who.SessionToken != "session" {
		t.Errorf("signed by %+v", who)
	}
}

// The AWS SDK finds Region, credentials and endpoint, in a profile too.
func TestEndpointComesFromTheAWSProfile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(dir, "config")
	must(t, os.WriteFile(file, []byte(`[profile there]
region = eu-west-1
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = secret
services = local
[profile aws]
region = cn-north-1
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = secret
[services local]
kms =
  endpoint_url = https://kms.example:8443/
`), 0o600))
	for _, name := range []string{"AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HYOK_ADMIN_URL"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
	for _, row := range []struct{ profile, url, region string }{
		{"there", "https://kms.example:8443/", "eu-west-1"},
		{"aws", "https://kms.cn-north-1.amazonaws.com.cn/", "cn-north-1"},
	} {
		t.Setenv("AWS_PROFILE", row.profile)
		e, err := openLoadEndpoint(t.Context(), "", 1)
		must(t, err)
		if e.url != row.url || e.region != row.region || e.own {
			t.Errorf("%s: %s in %s, own %v", row.profile, e.url, e.region, e.own)
		}
	}
}

// An interrupted load reports what it measured until then.
func TestInterruptedLoadReports(t *testing.T) {
	r := up(t, t.TempDir())
	cmd := hyok("load", "--dir", r.dir, "--op", "ListKeys", "--rate", "50", "--duration", "1h", "--json")
	var out bytes.Buffer
	cmd.Stdout = &out
	talk, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended if all is well
	lines := bufio.NewScanner(talk)
	for lines.Scan() && !strings.Contains(lines.Text(), " in flight, ") { // the first line of progress
	}
	must(t, cmd.Process.Signal(os.Interrupt))
	_, _ = io.Copy(io.Discard, talk)
	must(t, cmd.Wait())
	var report loadgen.Report
	must(t, json.Unmarshal(out.Bytes(), &report))
	if report.OK < 100 || report.Errors != 0 || report.Unsent > 50 {
		t.Errorf("%d answered, %d errors, %d unsent", report.OK, report.Errors, report.Unsent)
	}
}

func TestProgressIsALineUnlessOnATerminal(t *testing.T) {
	var talk strings.Builder
	var g loadgen.Config
	end := showProgress(streams{Err: &talk}, &g)
	g.Progress(loadgen.Progress{Elapsed: 5 * time.Second, Sent: 500, Errors: 3, InFlight: 2, PerSecond: 99.6, P50: time.Millisecond, P99: 12 * time.Millisecond})
	end()
	if want := "5s: 500 sent, 2 in flight, 3 errors, 100 answers a second, p50 1.00 ms, p99 12.0 ms\n"; talk.String() != want || g.Every != 5*time.Second {
		t.Errorf("%q every %s, want %q", &talk, g.Every, want)
	}
}
