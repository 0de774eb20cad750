package keystore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/google/uuid"

	"hyok/certs"
	"hyok/internal/clock"
	"hyok/internal/sigv4"
	"hyok/kmsfront/material"
	"hyok/proxy/xks"
)

func newRequestID() string { return uuid.NewString() }

// external is the material.Backend of the keys of an external key store.
type external struct {
	storeID  string
	client   *xks.Client
	shown    *certificates
	software *material.Software
	log      *slog.Logger
}

// newSession makes a session with the settings of r; it does not connect.
func (m *Manager) newSession(r *Record) (*session, error) {
	s := newSession(r.settings())
	if r.Cluster != nil {
		return m.newClusterSession(r, s)
	}
	config := m.proxyTLS()
	shown := watchCertificates(config, func() { m.reconnected(r.ID, s) })
	client, err := m.newProxyClient(r, config, func(o xks.Observation) { m.c.Observer.ProxyCall(observation(r.ID, o, m.c.ProxyTimeout)) })
	if err != nil {
		return nil, err
	}
	s.external = &external{storeID: r.ID, client: client, shown: shown, software: m.c.Software, log: m.c.Log}
	s.Backend, s.end = s.external, client.Close
	return s, nil
}

// proxyTLS is what a proxy is called with. Its certificate expires by the clock
// that can be moved, so that this can be rehearsed.
func (m *Manager) proxyTLS() *tls.Config {
	c := certs.ClientConfig(m.c.Roots)
	c.Time = m.c.Clock.Now
	return c
}

// newProxyClient makes a client. Each has a TLS configuration, and with it
// sessions, of its own: a key store that is being created, changed or connected
// sees the proxy's certificate anew.
func (m *Manager) newProxyClient(r *Record, config *tls.Config, observe func(xks.Observation)) (*xks.Client, error) {
	c, err := xks.NewClient(xks.ClientConfig{
		Endpoint: r.Proxy.Endpoint, Path: r.Proxy.Path, Region: r.Owner.Region,
		Credential: sigv4.Credential{AccessKeyID: r.Proxy.AccessKeyID, Secret: string(r.Proxy.Secret)},
		TLS:        config, Resolve: m.resolve(r), Timeout: m.c.ProxyTimeout, Faults: m.c.Faults, Observe: observe,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the client of the external key store proxy: %w", err)
	}
	return c, nil
}

// Encrypt encrypts under the key's own material, and that under the external
// key: the proxy never sees the plaintext (guide 004:20276, 20312-20316).
func (x *external) Encrypt(ctx context.Context, k *material.Key, plaintext, encContext []byte) ([]byte, error) {
	h := material.NewHeader(material.FormatExternal, k)
	aad, err := h.ExternalAAD(encContext)
	if err != nil {
		return nil, err
	}
	inner, err := x.software.SealInner(k, h, plaintext, aad)
	if err != nil {
		return nil, err
	}
	resp, err := x.client.Encrypt(ctx, k.XksKeyID, &xks.EncryptRequest{
		RequestMetadata:                       metadataFor(ctx, k),
		AdditionalAuthenticatedData:           aad,
		Plaintext:                             inner,
		EncryptionAlgorithm:                   xks.AlgorithmAESGCM,
		CiphertextDataIntegrityValueAlgorithm: xks.AlgorithmSHA256,
	})
	if err != nil {
		return nil, x.refused(ctx, err, colCrypto)
	}
	return material.ExternalBlob{
		Header: h, IV: resp.InitializationVector, Tag: resp.AuthenticationTag,
		Metadata: resp.CiphertextMetadata, Ciphertext: resp.Ciphertext,
	}.Marshal()
}

// Decrypt opens the outer layer at the proxy, then the inner one.
func (x *external) Decrypt(ctx context.Context, k *material.Key, blob, encContext []byte) ([]byte, error) {
	b, err := material.ParseExternal(blob)
	if err != nil {
		return nil, err
	}
	if err := b.Header.Check(material.FormatExternal, k); err != nil {
		return nil, err
	}
	aad, err := b.Header.ExternalAAD(encContext)
	if err != nil {
		return nil, err
	}
	resp, err := x.client.Decrypt(ctx, k.XksKeyID, &xks.DecryptRequest{
		RequestMetadata:             metadataFor(ctx, k),
		AdditionalAuthenticatedData: aad,
		AuthenticationTag:           b.Tag,
		Ciphertext:                  b.Ciphertext,
		CiphertextMetadata:          b.Metadata,
		EncryptionAlgorithm:         xks.AlgorithmAESGCM,
		InitializationVector:        b.IV,
	})
	if err != nil {
		return nil, x.refused(ctx, err, colCrypto)
	}
	plaintext, err := x.software.OpenInner(k, b.Header, resp.Plaintext, aad)
	if errors.Is(err, material.ErrInvalidCiphertext) {
		return nil, evInner.exception(colCrypto) // guide 004:22761
	}
	return plaintext, err
}

// refused is what the caller sees of a proxy's error. The proxy's own words
// never reach the caller; they are in the log (XKS spec, error codes).
func (x *external) refused(ctx context.Context, err error, c column) error {
	logProxy(ctx, x.log, x.storeID, err)
	return eventOf(err).exception(c)
}

func logProxy(ctx context.Context, log *slog.Logger, storeID string, err error) {
	r := material.RequestFrom(ctx)
	log.LogAttrs(ctx, slog.LevelInfo, "external key store proxy did not do what it was asked for",
		slog.String("keyStore", storeID), slog.String("operation", r.Operation),
		slog.String("requestId", r.RequestID), slog.Any("error", err))
}

// metadataFor says on whose behalf the external key of k is used (guide 004:22915-22925).
func metadataFor(ctx context.Context, k *material.Key) xks.RequestMetadata {
	md := callerMetadata(material.RequestFrom(ctx), k)
	md.KMSKeyArn = k.ARN
	return md
}

// callerMetadata leaves out the key's ARN, which a key that is being created
// does not have yet. The VPC is told only when the caller is in the key's
// account (guide 004:22913).
func callerMetadata(r material.Request, k *material.Key) xks.RequestMetadata {
	md := xks.RequestMetadata{
		AWSPrincipalArn: r.PrincipalARN, KMSOperation: r.Operation,
		KMSRequestID: r.RequestID, KMSViaService: r.ViaService,
	}
	if accountOf(r.PrincipalARN) == k.Account {
		md.AWSSourceVpc, md.AWSSourceVpce = r.SourceVpc, r.SourceVpce
	}
	return md
}

// accountOf is the fifth field of an ARN; service principals have none.
func accountOf(arn string) string {
	fields := strings.SplitN(arn, ":", 6)
	if len(fields) < 6 {
		return ""
	}
	return fields[4]
}

// health asks a proxy for its health on behalf of a KMS operation. With an
// error comes the event that it is; all external key managers being
// Unavailable is one, Degraded ones are none (guide 004:20268, 7679-7683).
func (m *Manager) health(ctx context.Context, x *external, operation string) (event, error) {
	resp, err := x.client.GetHealthStatus(ctx, &xks.GetHealthStatusRequest{
		RequestMetadata: xks.RequestMetadata{KMSOperation: operation, KMSRequestID: requestID(ctx)},
	})
	if err != nil {
		logProxy(ctx, x.log, x.storeID, err)
		return eventOf(err), err
	}
	var n Managers
	for _, d := range resp.EkmFleetDetails {
		switch d.HealthStatus {
		case xks.HealthActive:
			n.Active++
		case xks.HealthDegraded:
			n.Degraded++
		default:
			n.Unavailable++
		}
	}
	if x.storeID != "" {
		m.c.Observer.Managers(x.storeID, n)
	}
	if n.Active+n.Degraded == 0 {
		return evUnhealthy, errors.New("all external key managers are unavailable")
	}
	return 0, nil
}

// reconnected tells the observer of the connection that s makes, if s is what the
// key store is used through: what another session saw on trial is nobody's news.
func (m *Manager) reconnected(storeID string, s *session) {
	r, ok := m.Get(storeID)
	l, linked := m.links.Load(storeID)
	if !ok || !linked || r.Proxy == nil || l.(*link).session.Load() != s {
		return
	}
	c := Connection{CredentialCreated: r.Proxy.CredentialCreated}
	if leaf := s.external.shown.last.Load(); leaf != nil {
		c.CertificateName, c.CertificateExpires = certificateName(leaf), leaf.NotAfter
	}
	m.c.Observer.Connection(storeID, c)
}

// watch checks a connected proxy every few minutes, for the metrics only: the
// answer never changes the connection state (guide 004:21615, 21397). All the
// time some connections are kept ready.
func (m *Manager) watch(storeID string, s *session) {
	if m.c.HealthInterval > 0 {
		s.every(m, m.c.HealthInterval, m.c.HealthInterval, m.c.Clock.AfterFunc, func(ctx context.Context) {
			_, _ = m.health(ctx, s.external, "KmsHealthCheck") // seen by the observer and the log
			m.reconnected(storeID, s)
		})
	}
	if m.c.Ready < 0 {
		return
	}
	pause := 0
	s.every(m, 0, xks.WarmInterval, clock.System{}.AfterFunc, func(ctx context.Context) {
		if pause--; pause >= 0 {
			return
		}
		if err := s.external.client.Warm(ctx, m.c.Ready); err != nil {
			pause = warmPause
			m.c.Log.LogAttrs(ctx, slog.LevelDebug, "no connection could be kept ready",
				slog.String("keyStore", storeID), slog.Any("error", err))
		}
	})
}
