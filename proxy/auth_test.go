package proxy_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hyok/internal/sigv4"
	"hyok/proxy"
	"hyok/proxy/xks"
)

// underPrefix asks the store of another prefix.
func underPrefix(p string) func(*http.Request) {
	return func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, prefix, p, 1) }
}

// XKS fact 39: any failure is 401, on all four APIs, before anything is told of
// keys or of the request.
func TestSignaturesThatAreRefused(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) {
		second := c.Stores[0]
		second.PathPrefix, second.Credentials = "/other", second.Credentials[1:]
		c.Stores = append(c.Stores, second)
	})
	unknown := sigv4.Credential{AccessKeyID: "Invalid" + long.AccessKeyID, Secret: short.Secret}
	for what, q := range map[string]request{
		"unknown access key ID of a form that none has (XKS fact 37)": {credential: unknown},
		"wrong secret":                          {credential: sigv4.Credential{AccessKeyID: short.AccessKeyID, Secret: long.Secret}},
		"credential of another store (fact 24)": {credential: short, before: underPrefix("/other")},
		"Region that is not allowed (fact 29)":  {region: "eu-west-1"},
		"six minutes old (fact 35)":             {date: time.Now().Add(-6 * time.Minute)},
		"six minutes ahead (fact 35)":           {date: time.Now().Add(6 * time.Minute)},
		"no signature":                          {after: func(r *http.Request) { r.Header.Del("Authorization") }},
		"Host rewritten (fact 32)":              {after: func(r *http.Request) { r.Host = "proxy.example.com" }},
		"path changed":                          {after: func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "good", "other", 1) }},
		"date changed":                          {after: func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260101T000000Z") }},
		"query added (fact 33)":                 {after: func(r *http.Request) { r.URL.RawQuery = "a=b" }},
		"body changed (fact 33)": {after: func(r *http.Request) {
			r.Body, r.ContentLength = http.NoBody, 0
		}},
	} {
		for _, path := range []string{"/health", "/keys/good/metadata", "/keys/good/encrypt", "/keys/good/decrypt"} {
			if what == "path changed" && path == "/health" {
				continue // it has no key ID
			}
			q.path, q.body = path, "not JSON"
			a := r.do(t, q)
			a.want(t, what+" "+path, xks.AuthenticationFailedException)
			if strings.Contains(a.Message, "Invalid"+long.AccessKeyID) {
				t.Errorf("%s: the message repeats the request: %q", what, a.Message)
			}
		}
	}
}

func TestAllFailuresOfAuthenticationLookAlike(t *testing.T) { // no oracle for access key IDs
	r := newRig(t, nil)
	unknown := sigv4.Credential{AccessKeyID: strings.Repeat("C", 20), Secret: short.Secret}
	wrong := sigv4.Credential{AccessKeyID: short.AccessKeyID, Secret: long.Secret}
	a := r.do(t, request{path: "/health", body: "{}", credential: unknown})
	b := r.do(t, request{path: "/health", body: "{}", credential: wrong})
	if string(a.body) != string(b.body) {
		t.Errorf("got %s and %s", a.body, b.body)
	}
}

// XKS facts 30, 31, 35, 37, 38.
func TestSignaturesThatAreAccepted(t *testing.T) {
	r := newRig(t, nil)
	for what, q := range map[string]request{
		"shortest credential":  {credential: short},
		"longest credential":   {credential: long},
		"four minutes old":     {date: time.Now().Add(-4 * time.Minute)},
		"four minutes ahead":   {date: time.Now().Add(4 * time.Minute)},
		"headers nobody knows": {after: func(r *http.Request) { r.Header.Set("X-Later", "1") }}, // XKS fact 16
	} {
		q.path, q.body = "/health", members{"requestMetadata": metadataOf("KmsHealthCheck")}
		r.do(t, q).want(t, what, "")
	}
}

func TestMoreHeadersMayBeSigned(t *testing.T) { // XKS fact 30: curl signs content-type too
	r := newRig(t, nil)
	body := `{"requestMetadata":{"kmsOperation":"KmsHealthCheck","kmsRequestId":"1"}}`
	req, err := http.NewRequestWithContext(soon(t), http.MethodPost, r.https.URL+prefix+xks.BasePath+"/health", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	err = sigv4.Sign(req, []byte(body), short, region, xks.Service, time.Now(), sigv4.Options{RawPath: true, SignedHeaders: []string{"content-type"}})
	if err != nil {
		t.Fatal(err)
	}
	r.send(t, req).want(t, "content-type signed", "")
}

// XKS fact 38: without a restart, and without cutting a connection.
func TestCredentialsAreReplacedWhileServing(t *testing.T) {
	r := newRig(t, func(c *proxy.Config) { c.Stores[0].Credentials = []sigv4.Credential{short} })
	health := request{path: "/health", body: members{"requestMetadata": metadataOf("KmsHealthCheck")}}
	old, next := health, health
	old.credential, next.credential = short, long
	for _, step := range []struct {
		what      string
		creds     []sigv4.Credential
		old, next xks.ErrorName
	}{
		{"both", []sigv4.Credential{short, long}, "", ""},
		{"the new one alone", []sigv4.Credential{long}, xks.AuthenticationFailedException, ""},
	} {
		if err := r.server.SetCredentials(prefix, step.creds); err != nil {
			t.Fatal(err)
		}
		r.do(t, old).want(t, step.what+", old", step.old)
		r.do(t, next).want(t, step.what+", new", step.next)
	}
	for what, set := range map[string]func() error{
		"none":          func() error { return r.server.SetCredentials(prefix, nil) },
		"unknown store": func() error { return r.server.SetCredentials("/none", []sigv4.Credential{long}) },
		"ID too short": func() error {
			return r.server.SetCredentials(prefix, []sigv4.Credential{{AccessKeyID: "A", Secret: long.Secret}})
		},
		"secret too long": func() error {
			return r.server.SetCredentials(prefix, []sigv4.Credential{{AccessKeyID: long.AccessKeyID, Secret: long.Secret + "a"}})
		},
		"one ID twice": func() error { return r.server.SetCredentials(prefix, []sigv4.Credential{long, long}) },
	} {
		if err := set(); err == nil || strings.Contains(err.Error(), long.Secret) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	r.do(t, next).want(t, "after refused changes", "")
}
