package proxy

import (
	"fmt"
	"net"
	"net/url"
	"time"

	"hyok/hsm"
	"hyok/internal/config"
	"hyok/proxy/xks"
)

// fieldError is a fault of the key at path.
func fieldError(path, format string, args ...any) error {
	return config.FieldError{Field: path, Msg: fmt.Sprintf(format, args...)}
}

// first gives the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// each validates the elements of the list at key.
func each[T any](key string, list []T, validate func(T) error) error {
	for i, element := range list {
		if err := validate(element); err != nil {
			return config.At(fmt.Sprintf("%s.%d", key, i), err)
		}
	}
	return nil
}

// Validate implements config.Validator.
func (f *File) Validate() error {
	modules, tokens, prefixes := names{}, names{}, names{}
	devices := names{} // tokens and groups
	return first(
		checkListen("listen", f.Listen),
		f.validateMetrics(),
		config.At("tls", f.TLS.validate()),
		notEmpty("modules", len(f.Modules)),
		each("modules", f.Modules, func(m FileModule) error { return m.validate(modules) }),
		notEmpty("tokens", len(f.Tokens)),
		each("tokens", f.Tokens, func(t FileToken) error { return t.validate(tokens, modules) }),
		f.validateGroups(tokens, devices),
		notEmpty("stores", len(f.Stores)),
		each("stores", f.Stores, func(s FileStore) error { return s.validate(prefixes, devices) }),
		f.validateClusters(modules),
		config.At("audit", f.Audit.validate()),
		config.At("log", notNegative("sample", f.Log.Sample)),
		notNegative("drain_delay", f.DrainDelay),
		config.At("tracing", f.Tracing.validate()))
}

func (f *File) validateMetrics() error {
	if f.MetricsListen == "" {
		if f.InjectFaults {
			return fieldError("inject_faults", "needs metrics_listen, where faults are set")
		}
		if f.Pprof {
			return fieldError("pprof", "needs metrics_listen, where profiles are served")
		}
		return nil
	}
	if err := checkListen("metrics_listen", f.MetricsListen); err != nil {
		return err
	}
	switch loopback := isLoopback(f.MetricsListen); {
	case f.InjectFaults && !loopback:
		return fieldError("metrics_listen", "must be a loopback address while inject_faults is true, since anybody who reaches it could stop the proxy")
	case f.Pprof && !loopback:
		return fieldError("pprof", "needs a loopback address as metrics_listen, since profiles show the memory of the proxy and slow it down")
	}
	return nil
}

func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (f *File) validateClusters(modules names) error {
	if len(f.Clusters) > 0 && !f.SimulateClusters {
		return fieldError("clusters", "simulated clusters need simulate_clusters: true")
	}
	ids := names{}
	return each("clusters", f.Clusters, func(c FileCluster) error { return c.validate(ids, modules) })
}

func (t FileTracing) validate() error {
	if t.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(t.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fieldError("endpoint", "must be the http or https URL of an OTLP receiver, such as http://127.0.0.1:4318")
	}
	return nil
}

func checkListen(key, address string) error {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return fieldError(key, "must be HOST:PORT, such as 127.0.0.1:4600 or :443")
	}
	return nil
}

func notEmpty(key string, n int) error {
	if n == 0 {
		return fieldError(key, "must have at least one entry")
	}
	return nil
}

func notNegative[T int | time.Duration](key string, n T) error {
	if n < 0 {
		return fieldError(key, "must not be negative; leave it out for the default")
	}
	return nil
}

// names are the names of a list's entries, for references to them.
type names map[string]bool

// add takes a new name.
func (n names) add(key, name string) error {
	if name == "" {
		return fieldError(key, "must be given")
	}
	return n.addAny(key, name)
}

// addAny is add where a name may be empty.
func (n names) addAny(key, name string) error {
	if n[name] {
		return fieldError(key, "%q is the name of another entry; each needs its own", name)
	}
	n[name] = true
	return nil
}

// refer checks a reference, which may be empty when there is one name only.
func (n names) refer(key, name string) error {
	switch {
	case name == "" && len(n) == 1 || n[name]:
		return nil
	case name == "":
		return fieldError(key, "must be given, since there are several")
	}
	return fieldError(key, "%q is not defined in this file", name)
}

func (t FileTLS) validate() error {
	switch {
	case t.Cert == "":
		return fieldError("cert", "must be the path of a certificate chain in PEM; KMS speaks HTTPS only")
	case t.Key == "":
		return fieldError("key", "must be the path of the certificate's private key in PEM")
	case (t.ClientCA == "") != (len(t.ClientNames) == 0):
		return fieldError("client_names", "client_ca and client_names belong together; give both or neither")
	}
	return nil
}

func (m FileModule) validate(all names) error {
	if m.Path == "" {
		return fieldError("path", "must be the path of a PKCS#11 module")
	}
	return all.add("name", m.Name)
}

func (t FileToken) validate(all, modules names) error {
	if t.PIN.Secret == "" {
		return fieldError("pin", "must be given, best as {file: PATH}, {env: NAME} or {command: [PROGRAM]}")
	}
	_, err := hsm.ProfileNamed(t.Profile)
	return first(all.add("name", t.Name), modules.refer("module", t.Module), atKey("profile", err),
		notNegative("workers", t.Workers), notNegative("wait", t.Wait))
}

func (s FileStore) validate(all, tokens names) error {
	keys := names{}
	if !s.AllKeys && len(s.Keys) == 0 {
		return fieldError("keys", "must have at least one entry; or give all_keys: true")
	}
	return first(
		atKey("path_prefix", xks.CheckPrefix(s.PathPrefix)),
		all.addAny("path_prefix", s.PathPrefix),
		tokens.refer("token", s.Token),
		validateCredentials(s.Credentials),
		notNegative("deadline", s.Deadline),
		config.At("policy", s.Policy.validate()),
		each("keys", s.Keys, func(k FileKey) error {
			if !xks.ValidKeyID(k.ID) {
				return fieldError("id", "must be 1 to %d of A-Z a-z 0-9 . _ -", xks.MaxKeyID)
			}
			return first(keys.add("id", k.ID), config.At("sample_proxy_ciphertexts", k.SampleProxyCiphertexts.validate()))
		}))
}

// atKey makes err a fault of the key; nil stays nil.
func atKey(key string, err error) error {
	if err == nil {
		return nil
	}
	return config.FieldError{Field: key, Msg: err.Error()}
}

func validateCredentials(list []FileCredential) error {
	ids := names{}
	return first(notEmpty("credentials", len(list)),
		each("credentials", list, func(c FileCredential) error {
			return first(
				atKey("access_key_id", CheckAccessKeyID(c.AccessKeyID)),
				ids.add("access_key_id", c.AccessKeyID),
				atKey("secret", CheckSecret(c.Secret.Reveal())))
		}))
}

func (c FileCluster) validate(all, modules names) error {
	if !clusterIDForm.MatchString(c.ID) {
		return fieldError("id", "must be cluster- and up to 40 letters and digits")
	}
	if c.TrustAnchor == "" {
		return fieldError("trust_anchor", "must be the path of customerCA.crt")
	}
	for i, cred := range c.Credentials {
		if !cred.Since.IsZero() {
			return fieldError(fmt.Sprintf("credentials.%d.since", i), "is for credentials of stores, whose age is a metric; leave it out")
		}
	}
	_, err := hsm.ProfileNamed(c.Profile)
	return first(all.add("id", c.ID), modules.refer("module", c.Module), atKey("profile", err), validateCredentials(c.Credentials))
}
