package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"hyok/certs"
	"hyok/hsm"
	"hyok/hsm/hsmbench"
	"hyok/internal/config"
	"hyok/internal/sigv4"
	"hyok/proxy/xks"
	"hyok/softhsm"
)

// A benchStack is what is measured: hyok up and the echo in processes of their
// own, and in this one a token that has SoftHSM to itself.
type benchStack struct {
	road   *road
	client *http.Client
	token  *hsm.Token
	pin    string
	module string
	echoes [2]string // host:port of HTTP and HTTPS

	targets  map[string]*target
	callers  int
	duration time.Duration
	closes   []func() error
}

// Names of the targets.
const (
	echoTLS   = "(a) HTTPS echo"
	hsmCall   = "(b) hsm Encrypt"
	cLoop     = "    SoftHSM's C loop, one thread"
	proxyCall = "(c) proxy Encrypt, signed, with integrity value"
	proxyOnce = "    the same without (one call of the device)"
	frontCall = "(d) front end Encrypt, AWS_KMS"
	echoPlain = "    HTTP echo"
	roadCall  = "(e) front end Encrypt, EXTERNAL_KEY_STORE"
	hsmRoad   = "(f) front end Encrypt, AWS_CLOUDHSM"
)

// startBench brings up everything that is measured, in dir.
func startBench(ctx context.Context, dir string, c *benchRunCmd, log *slog.Logger) (b *benchStack, err error) {
	b = &benchStack{callers: c.Callers, duration: c.Duration, targets: map[string]*target{}}
	started := b
	defer func() {
		if err != nil {
			err = errors.Join(err, started.close())
		}
	}()
	up := filepath.Join(dir, "up")
	if _, err := b.child(ctx, "up", "--dir", up, "--quotas", "off", "--log-level", "error",
		"--kms-listen", "127.0.0.1:0", "--proxy-listen", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	env, err := os.ReadFile(filepath.Join(up, "env"))
	if err != nil {
		return nil, err
	}
	b.road = newRoad(parseEnv(string(env)))
	addresses, err := b.child(ctx, "bench", "echo", "--cert", filepath.Join(up, "proxy.pem"), "--key", filepath.Join(up, "proxy-key.pem"))
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Sscan(addresses, &b.echoes[0], &b.echoes[1]); err != nil {
		return nil, fmt.Errorf("reading the echo's addresses: %w", err)
	}
	if err := b.makeKeys(ctx); err != nil {
		return nil, err
	}
	if err := b.makeClient(); err != nil {
		return nil, err
	}
	return b, b.openToken(ctx, dir, log)
}

// child starts this program again, waits for its first line, and stops it at the end.
func (b *benchStack) child(ctx context.Context, args ...string) (line string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 6 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	b.closes = append(b.closes, func() error {
		return errors.Join(in.Close(), cmd.Process.Signal(os.Interrupt), cmd.Wait())
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s ended before it was ready", strings.Join(args[:2], " "))
	}
	return line, nil
}

func (b *benchStack) makeKeys(ctx context.Context) error {
	if err := errors.Join(b.road.createExternal(ctx), b.road.createCloudHSM(ctx)); err != nil {
		return err
	}
	for _, origin := range []string{software, external, hsmStore} {
		if err := b.road.createKey(ctx, origin); err != nil {
			return err
		}
	}
	return nil
}

// makeClient makes the one client that every figure is measured with.
func (b *benchStack) makeClient() error {
	roots, err := certs.LoadPool(b.road.env["HYOK_CA_BUNDLE"])
	if err != nil {
		return err
	}
	tls := certs.ClientConfig(roots)
	tls.NextProtos = []string{"http/1.1"}
	b.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: tls, MaxIdleConnsPerHost: 1024, DisableCompression: true,
	}}
	return nil
}

func (b *benchStack) openToken(ctx context.Context, dir string, log *slog.Logger) error {
	d, err := softhsm.New(filepath.Join(dir, "token"))
	if err != nil {
		return err
	}
	b.pin = letters(12)
	if err := d.InitToken(keysToken, b.pin, letters(12)); err != nil {
		return err
	}
	if err := d.Use(); err != nil {
		return err
	}
	if b.module, err = softhsm.Module(); err != nil {
		return err
	}
	m, err := hsm.Load(hsm.ModuleConfig{Path: b.module, Log: log})
	if err != nil {
		return err
	}
	b.closes = append(b.closes, m.Close)
	if b.token, err = m.Open(ctx, hsm.TokenConfig{Label: keysToken, Profile: softHSM, PIN: config.Secret(b.pin), Wait: 10 * time.Second}); err != nil {
		return err
	}
	_, err = b.token.CreateKey(ctx, benchKey)
	return err
}

const (
	benchKey   = "bench"
	cLoopCalls = 50_000 // one to two seconds
)

// sign makes the requests of a round anew: a signature holds for five minutes.
func (b *benchStack) sign(context.Context) error {
	env := b.road.env
	body, err := b.xksBody(xks.AlgorithmSHA256)
	if err != nil {
		return err
	}
	once, err := b.xksBody("")
	if err != nil {
		return err
	}
	b.targets[echoPlain] = &target{url: "http://" + b.echoes[0], headers: http.Header{}, body: b.kmsBody(software)}
	b.targets[echoTLS] = &target{url: "https://" + b.echoes[1], headers: http.Header{}, body: body}
	xksURL := env["HYOK_XKS_URI_ENDPOINT"] + env["HYOK_XKS_URI_PATH"] + "/keys/" + env["HYOK_XKS_KEY_ID"] + "/encrypt"
	proxyCredential := sigv4.Credential{AccessKeyID: env["HYOK_XKS_ACCESS_KEY_ID"], Secret: env["HYOK_XKS_SECRET_ACCESS_KEY"]}
	for name, body := range map[string][]byte{proxyCall: body, proxyOnce: once} {
		if b.targets[name], err = signed(xksURL, body, nil, proxyCredential, env["AWS_REGION"], "kms-xks-proxy", true); err != nil {
			return err
		}
	}
	caller := sigv4.Credential{AccessKeyID: env["AWS_ACCESS_KEY_ID"], Secret: env["AWS_SECRET_ACCESS_KEY"]}
	headers := http.Header{"X-Amz-Target": {"TrentService.Encrypt"}, "Content-Type": {"application/x-amz-json-1.1"}}
	for name, origin := range map[string]string{frontCall: software, roadCall: external, hsmRoad: hsmStore} {
		b.targets[name], err = signed(env["AWS_ENDPOINT_URL_KMS"]+"/", b.kmsBody(origin), headers, caller, env["AWS_REGION"], "kms", false)
		if err != nil {
			return err
		}
	}
	return nil
}

// xksBody is an Encrypt as KMS sends it, with or without the integrity value.
func (b *benchStack) xksBody(integrity string) ([]byte, error) {
	return json.Marshal(xks.EncryptRequest{
		RequestMetadata: xks.RequestMetadata{
			AWSPrincipalArn: "arn:aws:iam::111122223333:user/admin", KMSKeyArn: b.road.keys[external],
			KMSOperation: "Encrypt", KMSRequestID: "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
		},
		AdditionalAuthenticatedData: make([]byte, 64), Plaintext: make([]byte, 60),
		EncryptionAlgorithm: xks.AlgorithmAESGCM, CiphertextDataIntegrityValueAlgorithm: integrity,
	})
}

func (b *benchStack) kmsBody(origin string) []byte {
	return fmt.Appendf(nil, `{"KeyId":%q,"Plaintext":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=","EncryptionContext":{"purpose":"bench"}}`,
		b.road.keys[origin])
}

func signed(url string, body []byte, headers http.Header, c sigv4.Credential, region, service string, raw bool) (*target, error) {
	req, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range headers {
		req.Header[name] = values
	}
	err = sigv4.Sign(req, body, c, region, service, time.Now(), sigv4.Options{RawPath: raw})
	return &target{url: url, headers: req.Header, body: body}, err
}

// figures are what is measured, floors before what is compared with them.
func (b *benchStack) figures() []*figure {
	return []*figure{
		{Name: echoTLS, measure: b.shoot(echoTLS)},
		{Name: cLoop, measure: b.cLoop},
		{Name: hsmCall, Floor: cLoop, Wanted: 0.85, measure: b.hsmCall},
		{Name: proxyCall, Floor: echoTLS, Wanted: 0.45, measure: b.shoot(proxyCall)},
		{Name: proxyOnce, Floor: echoTLS, Wanted: 0.6, measure: b.shoot(proxyOnce)},
		{Name: echoPlain, measure: b.shoot(echoPlain)},
		{Name: frontCall, Floor: echoPlain, Wanted: 0.6, measure: b.shoot(frontCall)},
		{Name: roadCall, Floor: proxyCall, Wanted: 0.55, measure: b.shoot(roadCall)},
		{Name: hsmRoad, Floor: proxyCall, Wanted: 0.55, measure: b.shoot(hsmRoad)},
	}
}

func (b *benchStack) shoot(name string) func(ctx context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		return closedLoop(ctx, b.callers, b.duration, func(ctx context.Context) error {
			return b.targets[name].shoot(ctx, b.client)
		})
	}
}

func (b *benchStack) hsmCall(ctx context.Context) (float64, error) {
	plaintext, aad := make([]byte, 32), make([]byte, 32)
	return closedLoop(ctx, b.callers, b.duration, func(ctx context.Context) error {
		_, err := b.token.Encrypt(ctx, benchKey, plaintext, aad)
		return err
	})
}

// cLoop is the same work in C on one thread, without Go, and so the floor.
func (b *benchStack) cLoop(context.Context) (float64, error) {
	return hsmbench.CLoop(b.module, keysToken, b.pin, benchKey, cLoopCalls)
}

func (b *benchStack) close() error {
	var all error
	for i := len(b.closes) - 1; i >= 0; i-- {
		all = errors.Join(all, b.closes[i]())
	}
	b.closes = nil
	return all
}

// untilEOF calls end when the parent has closed standard input.
func untilEOF(end func()) {
	_, _ = io.Copy(io.Discard, os.Stdin) // any end will do
	end()
}
