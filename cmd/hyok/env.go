package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"hyok/certs"
	"hyok/internal/durable"
	"hyok/internal/sigv4"
)

// envNames are the variables of DIR/env in their order.
var envNames = []string{
	"AWS_ENDPOINT_URL_KMS", "HYOK_KMS_TLS_URL", "AWS_ENDPOINT_URL_CLOUDHSM_V2",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION",
	"HYOK_CA_BUNDLE",
	"HYOK_XKS_URI_ENDPOINT", "HYOK_XKS_URI_PATH", "HYOK_XKS_ACCESS_KEY_ID", "HYOK_XKS_SECRET_ACCESS_KEY", "HYOK_XKS_KEY_ID",
	"HYOK_CLUSTER_ID", "HYOK_TRUST_ANCHOR", "HYOK_KMSUSER_PASSWORD",
	"HYOK_ADMIN_URL", "HYOK_ADMIN_TOKEN", "HYOK_TRAIL", "HYOK_EVENTS",
	"HYOK_METRICS_URL", "HYOK_PROXY_METRICS_URL",
	"HYOK_PKCS11_MODULE", "HYOK_PKCS11_TOKEN", "HYOK_PKCS11_PIN", "SOFTHSM2_CONF",
}

// writeEnv waits until everything answers, and then writes DIR/env.
func (w *workbench) writeEnv(ctx context.Context) error {
	at := w.state.Addresses
	caller, err := w.caller()
	if err != nil {
		return err
	}
	w.env = map[string]string{
		"AWS_ENDPOINT_URL_KMS":         httpURL("http", at["kms"], ""),
		"HYOK_KMS_TLS_URL":             "https://localhost:" + port(at["kms-tls"]),
		"AWS_ENDPOINT_URL_CLOUDHSM_V2": httpURL("http", at["admin"], cloudHSMPath),
		"AWS_ACCESS_KEY_ID":            caller.ID,
		"AWS_SECRET_ACCESS_KEY":        caller.Secret,
		"AWS_REGION":                   w.region(),
		"AWS_DEFAULT_REGION":           w.region(),
		"HYOK_CA_BUNDLE":               w.path(caFile),
		"HYOK_XKS_URI_ENDPOINT":        "https://localhost:" + port(at["proxy"]),
		"HYOK_XKS_URI_PATH":            uriPath,
		"HYOK_XKS_ACCESS_KEY_ID":       w.state.Proxy.ID,
		"HYOK_XKS_SECRET_ACCESS_KEY":   w.state.Proxy.Secret,
		"HYOK_XKS_KEY_ID":              w.state.ExternalKeyID,
		"HYOK_CLUSTER_ID":              w.state.ClusterID,
		"HYOK_TRUST_ANCHOR":            w.path(trustAnchor),
		"HYOK_KMSUSER_PASSWORD":        w.state.KmsuserFirst,
		"HYOK_ADMIN_URL":               httpURL("http", at["admin"], ""),
		"HYOK_ADMIN_TOKEN":             w.state.AdminToken,
		"HYOK_TRAIL":                   w.path("trail.jsonl"),
		"HYOK_EVENTS":                  w.path("events.jsonl"),
		"HYOK_METRICS_URL":             httpURL("http", at["admin"], "/metrics/kmsfront"),
		"HYOK_PROXY_METRICS_URL":       httpURL("http", at["admin"], "/metrics/xksproxy"),
		"HYOK_PKCS11_MODULE":           w.device.path,
		"HYOK_PKCS11_TOKEN":            w.device.token,
		"HYOK_PKCS11_PIN":              w.device.pin.Reveal(),
		"SOFTHSM2_CONF":                w.path("softhsm/softhsm2.conf"),
	}
	if err := w.answers(ctx); err != nil {
		return err
	}
	return w.saveEnv()
}

// saveEnv writes the variables to DIR/env.
func (w *workbench) saveEnv() error {
	var b strings.Builder
	for _, name := range envNames {
		fmt.Fprintf(&b, "export %s=%s\n", name, shellQuote(w.env[name]))
	}
	return durable.WriteFile(w.path("env"), []byte(b.String()), 0o600)
}

// answers asks each listener once; they all listen already, so an answer of any
// status shows that it is served.
func (w *workbench) answers(ctx context.Context) error {
	roots, err := certs.LoadPool(w.path(caFile))
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: certs.ClientConfig(roots), DisableKeepAlives: true}}
	for _, name := range []string{"AWS_ENDPOINT_URL_KMS", "HYOK_KMS_TLS_URL", "HYOK_XKS_URI_ENDPOINT", "HYOK_ADMIN_URL"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.env[name], nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", name, err)
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (c credential) sigv4() []sigv4.Credential {
	return []sigv4.Credential{{AccessKeyID: c.ID, Secret: c.Secret}}
}

// writeIdentities writes the identities file that holds without --identities.
func (c credential) writeIdentities(path string) error {
	text := fmt.Sprintf(`# Written by hyok up. The account's user admin may do everything.
accounts:
  - id: %q
    users:
      - name: admin
        access_keys: [{id: %q, secret: %q}]
`, account, c.ID, c.Secret)
	return durable.WriteFile(path, []byte(text), 0o600)
}
