package keystore

import (
	"strings"
	"testing"

	"hyok/certs/certstest"
	"hyok/kmsfront/api"
	"hyok/kmsfront/material"
	hsmcluster "hyok/proxy/cluster"
	"hyok/proxy/xks"
)

func TestACloudHSMKeyStoreFromCreateToDelete(t *testing.T) {
	e, c := withCluster(t)
	id := e.create(c.request("one"))
	if d := e.describe(id); d.ConnectionState != "DISCONNECTED" || d.CloudHsmClusterId != clusterID || d.CustomKeyStoreType != "AWS_CLOUDHSM" {
		t.Errorf("a new key store is %+v", d)
	}
	e.connected(id)
	if !c.token.LoggedIn() {
		t.Error("connecting does not log in")
	}
	k := e.key(id, "")
	made, err := e.prepare(k)
	if err != nil {
		t.Fatal(err)
	}
	if on, err := c.token.Key(t.Context(), k.ARN); err != nil || made.BackingID == "" || made.KeyHandle == "" || made.ClusterID != clusterID || !on.AES256 {
		t.Errorf("the key on the token is %+v, %v; CreateKey learns %+v", on, err, made)
	}
	blob, err := e.encrypt(k, "plaintext")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := e.Random(t.Context(), alice, id, 32); err != nil || len(r) != 32 {
		t.Errorf("Random gives %d bytes, %v", len(r), err)
	}
	e.disconnected(id)
	if c.token.LoggedIn() {
		t.Error("disconnecting does not log out")
	}
	e.connected(id)
	if got, err := e.decrypt(k, blob); err != nil || got != "plaintext" {
		t.Errorf("after connecting again: %q, %v", got, err)
	}
	for range 2 { // what is gone already is no error
		if err := e.Discard(t.Context(), id, k); err != nil {
			t.Error(err)
		}
	}
	_, err = e.decrypt(k, blob)
	refused(t, err, "KMSInvalidStateException", msgMaterialGone) // contradiction 6
	e.disconnected(id)
	if err := e.delete(id); err != nil {
		t.Error(err)
	}
}

func TestACiphertextOfAnotherKeyOrContextDoesNotOpen(t *testing.T) {
	e, c := withCluster(t)
	id := e.connected(e.create(c.request("one")))
	k, other := e.key(id, ""), e.key(id, "")
	for _, key := range []*material.Key{k, other} {
		if _, err := e.prepare(key); err != nil {
			t.Fatal(err)
		}
	}
	blob, err := e.encrypt(k, "plaintext")
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Backend(id)
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another key": func() ([]byte, error) {
			return b.Decrypt(t.Context(), other, blob, material.EncodeContext(map[string]string{"a": "b"}))
		},
		"another context": func() ([]byte, error) { return b.Decrypt(t.Context(), k, blob, material.EncodeContext(nil)) },
		"cut short": func() ([]byte, error) {
			return b.Decrypt(t.Context(), k, blob[:len(blob)-1], material.EncodeContext(map[string]string{"a": "b"}))
		},
		"no blob": func() ([]byte, error) { return b.Decrypt(t.Context(), k, []byte("x"), nil) },
	} {
		if _, err := open(); err == nil || !strings.Contains(err.Error(), material.ErrInvalidCiphertext.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCreateChecksTheCluster(t *testing.T) {
	stranger := certstest.New(t)
	for _, c := range []struct {
		rule    string
		cluster func(*hsmcluster.Config)
		request func(*api.CreateCustomKeyStoreRequest)
		owner   Owner
		code    string
	}{
		{rule: "an unknown cluster", request: func(r *api.CreateCustomKeyStoreRequest) { r.CloudHsmClusterId = "cluster-zzzzzzzzzzz" }, code: "CloudHsmClusterNotFoundException"},
		{rule: "a cluster of another Region", owner: Owner{alice.Account, "eu-west-1"}, code: "CloudHsmClusterNotFoundException"},
		{rule: "a cluster of another account", owner: Owner{"444455556666", alice.Region}, code: "CloudHsmClusterNotFoundException"},
		{rule: "a cluster that is not active", cluster: func(c *hsmcluster.Config) { c.State = "DEGRADED" }, code: "CloudHsmClusterNotActiveException"},
		{rule: "one HSM", cluster: func(c *hsmcluster.Config) { c.Zones = c.Zones[:1] }, code: "CloudHsmClusterInvalidConfigurationException"},
		{rule: "two HSMs in one zone", cluster: func(c *hsmcluster.Config) { c.Zones[1] = c.Zones[0] }, code: "CloudHsmClusterInvalidConfigurationException"},
		{rule: "one of two HSMs active", cluster: func(c *hsmcluster.Config) {
			c.HSMs = []hsmcluster.HSM{{ID: "hsm-1", Zone: "a"}, {ID: "hsm-2", Zone: "b", State: "DELETED"}}
		}, code: "CloudHsmClusterInvalidConfigurationException"},
		{rule: "subnets in one zone", cluster: func(c *hsmcluster.Config) {
			c.HSMs = []hsmcluster.HSM{{ID: "hsm-1", Zone: "a"}, {ID: "hsm-2", Zone: "b"}}
			c.Zones = []string{"a"}
		}, code: "CloudHsmClusterInvalidConfigurationException"},
		{rule: "another trust anchor", request: func(r *api.CreateCustomKeyStoreRequest) {
			r.TrustAnchorCertificate = string(stranger.Authority.CertPEM())
		}, code: "IncorrectTrustAnchorException"},
		{rule: "no certificate", request: func(r *api.CreateCustomKeyStoreRequest) { r.TrustAnchorCertificate = "customerCA.crt" }, code: "IncorrectTrustAnchorException"},
		{rule: "a password with special characters", request: func(r *api.CreateCustomKeyStoreRequest) { r.KeyStorePassword = "pass-word" }, code: "ValidationException"},
		{rule: "a member of external key stores", request: func(r *api.CreateCustomKeyStoreRequest) { r.XksProxyUriPath = xks.BasePath }, code: "ValidationException"},
		{rule: "no password", request: func(r *api.CreateCustomKeyStoreRequest) { r.KeyStorePassword = "" }, code: "ValidationException"},
		{rule: "no trust anchor", request: func(r *api.CreateCustomKeyStoreRequest) { r.TrustAnchorCertificate = "" }, code: "ValidationException"},
		{rule: "no cluster", request: func(r *api.CreateCustomKeyStoreRequest) { r.CloudHsmClusterId = "" }, code: "ValidationException"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			e, k := withCluster(t)
			if c.cluster != nil {
				k.reconfigure(c.cluster)
			}
			in := k.request("one")
			if c.request != nil {
				c.request(in)
			}
			o := alice
			if c.owner != (Owner{}) {
				o = c.owner
			}
			_, err := e.Create(ctxOf("CreateCustomKeyStore"), o, in)
			refused(t, err, c.code, "")
			if n := e.stores.Len() + e.claims.Len(); n != 0 {
				t.Errorf("%d records are left behind", n)
			}
		})
	}
}

func TestAClusterThatDoesNotAnswerIsAnInternalErrorOfCreate(t *testing.T) {
	e, c := withCluster(t)
	c.misbehave("*", c.cut(false))
	_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, c.request("one"))
	refused(t, err, "KMSInternalException", "")
}

// connectFails are the connection error codes that a cluster can lead to.
func TestConnectionErrorCodesOfAClusterByTheirCause(t *testing.T) {
	for code, cause := range map[string]func(e *env, c *realCluster){
		"INVALID_CREDENTIALS": func(_ *env, c *realCluster) { c.setPassword(firstPassword, "changedByAnAdmin1") },
		"INSUFFICIENT_CLOUDHSM_HSMS": func(_ *env, c *realCluster) {
			c.reconfigure(func(k *hsmcluster.Config) { k.HSMs = []hsmcluster.HSM{} })
		},
		"NETWORK_ERRORS":    func(_ *env, c *realCluster) { c.Server.Close() },
		"CLUSTER_NOT_FOUND": func(e *env, _ *realCluster) { e.c.Clusters = nil; e.restart() },
		"USER_LOCKED_OUT": func(_ *env, c *realCluster) {
			c.misbehave(xks.ClusterOpConnect, clusterRefuses(xks.ClusterLockedOut))
		},
		"INTERNAL_ERROR": func(_ *env, c *realCluster) {
			c.misbehave(xks.ClusterOpConnect, clusterRefuses(xks.ClusterInternal))
		},
	} {
		t.Run(code, func(t *testing.T) {
			e, c := withCluster(t)
			id := e.create(c.request("one"))
			cause(e, c)
			e.connect(id)
			e.await(id, "FAILED")
			if got := e.describe(id).ConnectionErrorCode; got != code {
				t.Errorf("the code is %s", got)
			}
		})
	}
}

func TestOneActiveHSMIsEnoughToConnect(t *testing.T) { // guide 004:18895
	e, c := withCluster(t)
	id := e.create(c.request("one"))
	c.reconfigure(func(k *hsmcluster.Config) { k.Zones = k.Zones[:1] })
	e.connected(id)
	_, err := e.prepare(e.key(id, ""))
	refused(t, err, "CloudHsmClusterInvalidConfigurationException", "")
}

func TestConnectSeesAtOnceThatAClusterIsNotActive(t *testing.T) { // guide 004:19722-19724
	e, c := withCluster(t)
	id := e.create(c.request("one"))
	c.reconfigure(func(k *hsmcluster.Config) { k.State = "CREATE_IN_PROGRESS" })
	_, err := e.Connect(ctxOf("ConnectCustomKeyStore"), alice, &api.ConnectCustomKeyStoreRequest{CustomKeyStoreId: id})
	refused(t, err, "CloudHsmClusterNotActiveException", "")
	if s := e.describe(id).ConnectionState; s != "DISCONNECTED" {
		t.Errorf("the state is %s", s)
	}
}

func TestErrorsOfAConnectedCluster(t *testing.T) {
	for _, c := range []struct {
		name           xks.ClusterErrorName // "": the connection is cut
		crypto, manage string
		message        string
	}{
		{"", "KMSInvalidStateException", "CustomKeyStoreInvalidStateException", msgClusterNetwork},
		{xks.ClusterUnavailable, "KMSInvalidStateException", "CustomKeyStoreInvalidStateException", msgClusterNetwork},
		{xks.ClusterWrongPassword, "KMSInvalidStateException", "CustomKeyStoreInvalidStateException", msgClusterNetwork},
		{xks.ClusterLockedOut, "KMSInvalidStateException", "CustomKeyStoreInvalidStateException", msgLockedOut},
		{xks.ClusterNotLoggedIn, "KMSInvalidStateException", "CustomKeyStoreInvalidStateException", msgClusterNetwork},
		{xks.ClusterNoSession, "KMSInternalException", "KMSInternalException", msgNoSession},
		{xks.ClusterKeyNotFound, "KMSInvalidStateException", "KMSInternalException", msgMaterialGone},
		{xks.ClusterKeyUnusable, "KMSInvalidStateException", "KMSInternalException", msgMaterialOff},
		{xks.ClusterKeyExists, "KMSInternalException", "KMSInternalException", msgClusterFault},
		{xks.ClusterInternal, "KMSInternalException", "KMSInternalException", msgClusterFault},
		{xks.ClusterInvalidRequest, "KMSInternalException", "KMSInternalException", msgClusterFault},
		{xks.ClusterTooLarge, "KMSInternalException", "KMSInternalException", msgClusterFault},
		{xks.ClusterNoSuchOperation, "KMSInternalException", "KMSInternalException", msgClusterFault},
		{xks.ClusterAuthenticationFailed, "KMSInternalException", "KMSInternalException", msgClusterFault},
	} {
		t.Run("it answers "+string(c.name), func(t *testing.T) {
			e, k := withCluster(t)
			id := e.connected(e.create(k.request("one")))
			h := clusterRefuses(c.name)
			if c.name == "" {
				h = k.cut(false)
			}
			k.misbehave("*", h)
			key := e.key(id, "")
			_, err := e.encrypt(key, "p")
			refused(t, err, c.crypto, c.message)
			_, err = e.prepare(key)
			refused(t, err, c.manage, c.message)
			_, err = e.Random(t.Context(), alice, id, 8)
			refused(t, err, c.manage, c.message)
		})
	}
}

func TestALostAnswerToCreateKeyLeavesNoKeyBehind(t *testing.T) {
	e, c := withCluster(t)
	id := e.connected(e.create(c.request("one")))
	c.misbehave(xks.ClusterOpCreateKey, c.cut(true))
	_, err := e.prepare(e.key(id, ""))
	refused(t, err, "CustomKeyStoreInvalidStateException", msgClusterNetwork)
	if keys, err := c.token.Keys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("the token holds %d keys, %v", len(keys), err)
	}
}

func TestDiscardWhileDisconnectedSaysThatTheMaterialStays(t *testing.T) { // guide 004:19840-19844
	e, c := withCluster(t)
	id := e.connected(e.create(c.request("one")))
	k := e.key(id, "")
	if _, err := e.prepare(k); err != nil {
		t.Fatal(err)
	}
	e.disconnected(id)
	refused(t, e.Discard(t.Context(), id, k), "CustomKeyStoreInvalidStateException", "")
}

func TestACreatedAgainDisconnectedKeyStoreIsTheSame(t *testing.T) { // guide 004:18559-18561, 18684
	e, c := withCluster(t)
	id := e.create(c.request("one"))
	if again := e.create(c.request("one")); again != id {
		t.Errorf("the same values make another key store: %s, %s", id, again)
	}
	e.c.MaxStores = 1
	e.restart()
	if again := e.create(c.request("one")); again != id {
		t.Errorf("at the quota the same values give %s, not %s", again, id)
	}
	for name, change := range map[string]func(*api.CreateCustomKeyStoreRequest){
		"CustomKeyStoreNameInUseException": func(in *api.CreateCustomKeyStoreRequest) { in.KeyStorePassword = "another1" },
		"CloudHsmClusterInUseException":    func(in *api.CreateCustomKeyStoreRequest) { in.CustomKeyStoreName = "two" },
	} {
		in := c.request("one")
		change(in)
		_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, in)
		refused(t, err, name, "")
	}
	e.connected(id)
	_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, c.request("one"))
	refused(t, err, "CustomKeyStoreNameInUseException", "")
	e.disconnected(id) // the password has been rotated; the one last given counts
	if again := e.create(c.request("one")); again != id {
		t.Errorf("after a rotation the same values give %s, not %s", again, id)
	}
}

func TestAClusterThatSharesABackupHistoryIsInUse(t *testing.T) { // guide 004:18594
	var c, relative *realCluster
	e := newEnv(t, func(e *env) {
		c, relative = newCluster(e, clusterID), newCluster(e, "cluster-relative234")
		for _, k := range []*realCluster{c, relative} {
			k.reconfigure(func(conf *hsmcluster.Config) { conf.Certificate = "one history" })
		}
	})
	e.create(c.request("one"))
	_, err := e.Create(ctxOf("CreateCustomKeyStore"), alice, relative.request("two"))
	refused(t, err, "CloudHsmClusterInUseException", "")
}
