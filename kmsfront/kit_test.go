package kmsfront

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hyok/internal/clock"
	"hyok/kmsfront/api"
	"hyok/kmsfront/authz"
	"hyok/kmsfront/keystore"
	"hyok/kmsfront/quota"
	"hyok/kmsfront/store"
	"hyok/kmsfront/trail"
)

const (
	testAccount = "111122223333"
	testRegion  = "us-east-1"
)

// A kit is a Server on files of its own, called as the API's handler calls it.
type kit struct {
	*Server
	t      testing.TB
	clock  *clock.Movable
	dir    string
	store  store.Store
	trail  *trail.Trail
	stores keystore.Config
	// account and region of the caller
	account, region string
}

func newKit(t testing.TB, quotas quota.Config) *kit {
	t.Helper()
	return newKitWith(t, quotas, keystore.Config{})
}

func newKitWith(t testing.TB, quotas quota.Config, stores keystore.Config) *kit {
	t.Helper()
	k := &kit{t: t, clock: &clock.Movable{}, dir: t.TempDir(), account: testAccount, region: testRegion, stores: stores}
	root, err := store.CreateRootKey(filepath.Join(k.dir, "root.key"))
	k.must(err)
	k.open(root, quotas)
	t.Cleanup(k.shut)
	return k
}

func (k *kit) open(root *store.RootKey, quotas quota.Config) {
	k.t.Helper()
	var err error
	k.store, err = store.OpenBolt(filepath.Join(k.dir, "store.db"), root, store.BoltOptions{})
	k.must(err)
	k.trail, err = trail.Open(trail.Config{Path: filepath.Join(k.dir, "trail.jsonl"), Events: filepath.Join(k.dir, "events.jsonl")})
	k.must(err)
	q, err := quota.New(quotas)
	k.must(err)
	k.Server, err = New(k.t.Context(), Config{
		Store: k.store, Root: root, Trail: k.trail, Quotas: q, Authz: authz.New(), Clock: k.clock,
		Log: slog.New(slog.DiscardHandler), KeyStores: k.stores,
	})
	k.must(err)
}

func (k *kit) shut() {
	if k.Server == nil {
		return
	}
	k.must(errors.Join(k.Close(), k.trail.Close(), k.store.Close()))
	k.Server = nil
}

// reopen closes everything and opens it again from the files.
func (k *kit) reopen() {
	k.t.Helper()
	k.shut()
	root, err := store.LoadRootKey(filepath.Join(k.dir, "root.key"))
	k.must(err)
	k.open(root, quota.Config{Off: true})
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// call does one operation from its JSON body, as a caller would send it.
func (k *kit) call(operation, body string) (any, error) {
	k.t.Helper()
	op := api.Operations[operation]
	in, err := api.Decode(op, []byte(body))
	if err != nil {
		return nil, err
	}
	return k.Do(k.t.Context(), &api.Call{
		Op: op, In: in, RequestID: "request-1", Region: k.region, Start: time.Now(), SourceIP: "127.0.0.1",
		Caller: api.Caller{Account: k.account, ARN: "arn:aws:iam::" + k.account + ":user/admin", Type: "IAMUser", UserName: "admin"},
	})
}

// ok does an operation that must succeed.
func ok[O any](k *kit, operation, body string) *O {
	k.t.Helper()
	out, err := k.call(operation, body)
	if err != nil {
		k.t.Fatalf("%s %s: %v", operation, body, err)
	}
	return out.(*O)
}

// refused does an operation that must fail with want, "Exception: message".
func (k *kit) refused(operation, body, want string) {
	k.t.Helper()
	if _, err := k.call(operation, body); message(err) != want {
		k.t.Errorf("%s %s:\n got %q\nwant %q", operation, body, message(err), want)
	}
}

// newKey makes an AWS_KMS key and gives its ID.
func (k *kit) newKey() string {
	k.t.Helper()
	return ok[api.CreateKeyResponse](k, "CreateKey", `{}`).KeyMetadata.KeyId
}

func (k *kit) arn(id string) string { return arn(testAccount, testRegion, "key/"+id) }

func (k *kit) keyState(id string) string {
	k.t.Helper()
	return ok[api.DescribeKeyResponse](k, "DescribeKey", body("KeyId", id)).KeyMetadata.KeyState
}

// body is a JSON object of names and values.
func body(pairs ...any) string {
	m := make(map[string]any)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// lines are the records of a file of JSON lines.
func (k *kit) lines(file string) []map[string]any {
	k.t.Helper()
	b, err := os.ReadFile(filepath.Join(k.dir, file))
	k.must(err)
	var all []map[string]any
	for line := range strings.Lines(string(b)) {
		var m map[string]any
		k.must(json.Unmarshal([]byte(line), &m))
		all = append(all, m)
	}
	return all
}

// raw is a file as it is.
func (k *kit) raw(file string) string {
	k.t.Helper()
	b, err := os.ReadFile(filepath.Join(k.dir, file))
	k.must(err)
	return string(b)
}
