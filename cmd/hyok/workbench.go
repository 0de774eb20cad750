package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hyok/certs"
	"hyok/hsm"
	"hyok/internal/clock"
	"hyok/internal/config"
	"hyok/internal/fault"
	"hyok/internal/metrics"
	"hyok/internal/serve"
	"hyok/kmsfront"
	"hyok/proxy"
	"hyok/proxy/cluster"
	"hyok/softhsm"
)

// Names inside a workbench directory and on its tokens.
const (
	keysToken    = "hyok-external-keys"
	clusterToken = "hyok-cluster"
	account      = "111122223333"
	uriPath      = "/kms/xks/v1"
)

// A workbench is a directory with everything in it, and what runs on it: the
// proxy on two SoftHSM tokens, and the front end that calls it. Both run in this
// process, so that nothing is left when it is killed; they talk over HTTPS alone.
type workbench struct {
	dir     string
	options upOptions
	state   *state
	lock    *os.File
	log     *slog.Logger

	clock  *clock.Movable
	faults *fault.Set
	front  *metrics.Registry
	data   http.Handler       // of CloudWatch's metrics
	meter  *proxy.DeviceMeter // of devices, in behind
	behind *metrics.Registry  // the proxy's

	module  *hsm.Module
	device  device
	keys    *hsm.Token // with the external keys
	ca      *certs.Authority
	leaf    *certs.Reloader // the proxy's certificate
	tokens  *softhsm.Dir
	fleet   *cluster.Fleet
	proxy   *proxy.Server
	proxies *serve.Group // nil while the proxy is stopped
	group   *serve.Group
	env     map[string]string
	closes  []func() error
}

// openWorkbench takes the directory and makes what is missing in it. Nobody
// else may have it.
func openWorkbench(ctx context.Context, dir string, o upOptions, log *slog.Logger) (w *workbench, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory: %w; choose another with --dir", err)
	}
	w = &workbench{
		dir: dir, options: o, log: log, clock: &clock.Movable{}, faults: fault.New(nil),
		front: metrics.New("kmsfront", metrics.Version()), behind: metrics.New("xksproxy", metrics.Version()),
	}
	opened := w
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.close())
		}
	}()
	if err := w.take(); err != nil {
		return nil, err
	}
	if w.state, err = loadState(dir); err != nil {
		return nil, err
	}
	if err := w.makeCertificates(); err != nil {
		return nil, err
	}
	return w, w.makeTokens(ctx)
}

// take locks the directory for this process; the lock goes with the process.
func (w *workbench) take() error {
	f, err := os.OpenFile(w.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking the directory: %w", err)
	}
	w.lock = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s is in use by another hyok; stop that one, or choose another directory with --dir", w.dir)
	}
	if err := os.Remove(w.path("env")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the old env file: %w", err)
	}
	return nil
}

func (w *workbench) path(name string) string { return filepath.Join(w.dir, name) }

// makeTokens makes the two tokens and opens the module. They share one
// directory because one process has one SoftHSM configuration.
func (w *workbench) makeTokens(ctx context.Context) error {
	d, err := softhsm.New(w.path("softhsm"))
	if err != nil {
		return err
	}
	if err := d.Use(); err != nil {
		return err
	}
	for label, pin := range map[string]string{keysToken: w.state.KeysPIN, clusterToken: w.state.KmsuserFirst} {
		if err := d.InitToken(label, pin, w.state.SecurityPIN); err != nil && !errors.Is(err, softhsm.ErrExists) {
			return err
		}
	}
	w.tokens = d
	path, err := softhsm.Module()
	if err != nil {
		return err
	}
	w.module, err = hsm.Load(hsm.ModuleConfig{Path: path, Faults: w.faults, Log: w.log})
	if err != nil {
		return err
	}
	w.onClose(w.module.Close)
	return nil
}

// start serves the proxy, then the front end behind which it stands, and
// writes DIR/env when both answer.
func (w *workbench) start(ctx context.Context) error {
	if err := w.openProxy(ctx); err != nil {
		return err
	}
	if err := w.openLeaf(); err != nil {
		return err
	}
	if err := w.startProxy(); err != nil {
		return err
	}
	w.onClose(w.stopProxy)
	front, err := w.openFront(ctx)
	if err != nil {
		return err
	}
	w.onClose(front.Close)
	w.data = front.MetricData()
	if err := errors.Join(w.nameServices(front.KeyStores()), w.beRude()); err != nil {
		return err
	}
	cloudHSM, err := w.openCloudHSM()
	if err != nil {
		return err
	}
	kmsTLS, err := certs.EndpointConfig(w.serverTLS("kms"))
	if err != nil {
		return err
	}
	w.group, err = serve.Start(
		serve.Endpoint{Name: "kms", Listen: w.address("kms", w.options.KMSListen), Handler: front.Handler(), Share: 20},
		serve.Endpoint{Name: "kms-tls", Listen: w.address("kms-tls", sameHost(w.options.KMSListen)), TLS: kmsTLS, Handler: front.Handler(), Share: 20},
		serve.Endpoint{Name: "admin", Listen: w.address("admin", "127.0.0.1:0"), Handler: w.admin(front.KeyStores(), cloudHSM), Share: 5})
	if err != nil {
		return err
	}
	w.onClose(func() error { return w.group.Close(drain) })
	for _, name := range []string{"kms", "kms-tls", "admin"} {
		w.state.Addresses[name] = w.group.Addr(name)
	}
	if err := w.state.save(w.dir); err != nil {
		return err
	}
	return w.writeEnv(ctx)
}

func (w *workbench) openProxy(ctx context.Context) (err error) {
	w.meter = proxy.NewDeviceMeter(w.behind)
	if err := w.openKeys(ctx); err != nil {
		return err
	}
	if err := w.openFleet(ctx); err != nil {
		return err
	}
	st := proxy.Store{Credentials: allSigV4(w.state.proxyCredentials()), Token: w.keys}
	if w.options.Quotas == "off" {
		st.RateLimit, st.Concurrency = -1, -1
	}
	w.proxy, err = proxy.New(ctx, proxy.Config{
		Stores: []proxy.Store{st}, Tokens: map[string]*hsm.Token{w.device.token: w.keys},
		Fleet: w.fleet.Handler(), Faults: w.faults, Log: w.log, Metrics: w.behind,
	})
	if err != nil {
		return err
	}
	w.onClose(w.proxy.Close)
	return nil
}

func (w *workbench) makeExternalKey(ctx context.Context) error {
	_, err := w.keys.Key(ctx, w.state.ExternalKeyID)
	if errors.Is(err, hsm.ErrKeyNotFound) {
		_, err = w.keys.CreateKey(ctx, w.state.ExternalKeyID)
	}
	if err != nil {
		return fmt.Errorf("making the external key: %w", err)
	}
	return nil
}

// startProxy serves the proxy where it was served before, or where it is wanted.
func (w *workbench) startProxy() error {
	tls, err := certs.ServerConfig(certs.ServerTLS{GetCertificate: w.leaf.GetCertificate})
	if err != nil {
		return err
	}
	w.proxies, err = serve.Start(serve.Endpoint{
		Name: "proxy", Listen: w.address("proxy", w.options.ProxyListen), TLS: tls, Handler: w.proxy.Handler(), Share: 20,
	})
	if err != nil {
		return err
	}
	w.rememberProxy(w.proxies.Addr("proxy"))
	return nil
}

func (w *workbench) stopProxy() error {
	if w.proxies == nil {
		return nil
	}
	err := w.proxies.Close(drain)
	w.proxies = nil
	return err
}

func (w *workbench) openFront(ctx context.Context) (*kmsfront.Front, error) {
	f := &kmsfront.File{
		Listen: w.options.KMSListen, Regions: w.options.Regions,
		Identities: w.options.Identities, Quotas: w.options.Quotas,
		Store: w.path("store.db"), RootKey: w.path("root.key"),
		Trail: w.path("trail.jsonl"), Events: w.path("events.jsonl"),
		KeyStores: kmsfront.FileKeyStores{
			AllowEndpointPort: true, Resolve: w.resolve(),
			TrustCA:      append([]string{w.path(caFile)}, w.options.TrustCA...),
			ConnectDelay: config.Duration(w.options.ConnectDelay),
			Fleet: &kmsfront.FileCluster{
				Endpoint: "https://localhost:" + port(w.state.Addresses["proxy"]), AccessKeyID: w.state.Cluster.ID,
				SecretAccessKey: config.SecretSource{Secret: config.Secret(w.state.Cluster.Secret)},
			},
		},
	}
	if f.Identities == "" {
		f.Identities = w.identities()
		if err := w.state.Admin.writeIdentities(f.Identities); err != nil {
			return nil, err
		}
	}
	return kmsfront.Open(ctx, f, kmsfront.Parts{
		Clock: w.clock, Faults: w.faults, Log: w.log, Metrics: w.front, ServiceTarget: w.state.Addresses["proxy"],
	})
}

// region is the Region of DIR/env, the first of --regions.
func (w *workbench) region() string {
	if len(w.options.Regions) > 0 {
		return w.options.Regions[0]
	}
	return "us-east-1"
}

// address is where a listener goes: where it is wanted, or for port 0 where it
// was in the last run, if that is still free.
func (w *workbench) address(name, wanted string) string {
	last := w.state.Addresses[name]
	wantedHost, wantedPort, err := net.SplitHostPort(wanted)
	lastHost, _, lastErr := net.SplitHostPort(last)
	if err != nil || lastErr != nil || wantedPort != "0" || wantedHost != lastHost {
		return wanted
	}
	l, err := net.Listen("tcp", last)
	if err != nil {
		return wanted
	}
	if l.Close() != nil {
		return wanted
	}
	return last
}

// rememberProxy notes where the proxy listens. Key stores keep the address they
// were made with; resolve leads it to the present one.
func (w *workbench) rememberProxy(addr string) {
	if last := w.state.Addresses["proxy"]; last != "" && last != addr && !slices.Contains(w.state.ProxyBefore, last) {
		w.state.ProxyBefore = append(w.state.ProxyBefore, last)
	}
	w.state.Addresses["proxy"] = addr
}

func (w *workbench) resolve() map[string]string {
	now := w.state.Addresses["proxy"]
	all := map[string]string{"localhost:" + port(now): now}
	for _, before := range w.state.ProxyBefore {
		all["localhost:"+port(before)] = now
	}
	return all
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

func sameHost(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return net.JoinHostPort(host, "0")
}

func (w *workbench) onClose(f func() error) { w.closes = append(w.closes, f) }

// close ends what runs, the last started first, and lets go of the directory.
func (w *workbench) close() error {
	var all error
	for _, f := range slices.Backward(w.closes) {
		all = errors.Join(all, f())
	}
	w.closes = nil
	if w.lock != nil {
		if w.env != nil {
			if err := os.Remove(w.path("env")); !errors.Is(err, os.ErrNotExist) {
				all = errors.Join(all, err)
			}
		}
		all = errors.Join(all, w.lock.Close())
	}
	return all
}

// httpURL is the URL of a listener.
func httpURL(scheme, addr, path string) string {
	return (&url.URL{Scheme: scheme, Host: addr, Path: path}).String()
}
