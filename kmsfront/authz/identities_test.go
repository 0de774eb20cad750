package authz

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hyok/internal/config"
	"hyok/kmsfront/api"
)

const everybody = `
accounts:
  - id: "111122223333"
    users:
      - name: alice
        access_keys: [{id: AKIAALICE00000000000, secret: one}, {id: AKIAALICE00000000001, secret: two}]
      - name: root
        access_keys: [{id: AKIAROOT000000000000, secret: three}]
      - name: keyless
    roles:
      - name: app
        sessions: [{name: s1, access_keys: [{id: ASIAAPP0000000000000, secret: four, session_token: token}]}]
  - id: "444455556666"
    users: [{name: alice, access_keys: [{id: AKIAOTHER00000000000, secret: five}]}]
`

func parse(text string) (*File, error) {
	var f File
	err := config.Parse("ids.yaml", []byte(text), func(string) (string, bool) { return "", false }, &f)
	return &f, err
}

func TestEveryAccessKeyHasItsCaller(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ids.yaml")
	if err := os.WriteFile(path, []byte(everybody), 0o600); err != nil {
		t.Fatal(err)
	}
	ids, err := LoadIdentities(path)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		key, secret, token string
		caller             api.Caller // without access key
	}{
		{"AKIAALICE00000000000", "one", "", api.Caller{Account: own, Type: "IAMUser", UserName: "alice", ARN: "arn:aws:iam::111122223333:user/alice", PrincipalID: "AIDA"}},
		{"AKIAALICE00000000001", "two", "", api.Caller{Account: own, Type: "IAMUser", UserName: "alice", ARN: "arn:aws:iam::111122223333:user/alice", PrincipalID: "AIDA"}},
		{"AKIAROOT000000000000", "three", "", api.Caller{Account: own, Type: "Root", ARN: "arn:aws:iam::111122223333:root", PrincipalID: own}},
		{"ASIAAPP0000000000000", "four", "token", api.Caller{Account: own, Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/app/s1", PrincipalID: "AROA"}},
		{"AKIAOTHER00000000000", "five", "", api.Caller{Account: foreign, Type: "IAMUser", UserName: "alice", ARN: "arn:aws:iam::444455556666:user/alice", PrincipalID: "AIDA"}},
	}
	unique := make(map[string]string)
	for _, test := range tests {
		secret, token, caller, ok := ids.Authenticate(test.key)
		if !ok || secret != test.secret || token != test.token {
			t.Errorf("%s: %q, %q, %v", test.key, secret, token, ok)
		}
		if arn, taken := unique[caller.PrincipalID]; taken && arn != caller.ARN {
			t.Errorf("%s and %s have the same unique ID", arn, caller.ARN)
		}
		unique[caller.PrincipalID] = caller.ARN
		if !strings.HasPrefix(caller.PrincipalID, test.caller.PrincipalID) {
			t.Errorf("%s: principal ID %s", test.key, caller.PrincipalID)
		}
		test.caller.PrincipalID, test.caller.AccessKeyID = caller.PrincipalID, test.key
		if diff := cmp.Diff(test.caller, caller); diff != "" {
			t.Error(diff)
		}
	}
	for _, unknown := range []string{"", "AKIANOBODY0000000000", "alice"} {
		if secret, token, caller, ok := ids.Authenticate(unknown); ok || secret+token != "" || caller != (api.Caller{}) {
			t.Errorf("%q is known as %+v", unknown, caller)
		}
	}
}

func TestUniqueIDsHaveIAMsFormAndStay(t *testing.T) {
	_, _, user, _ := Default("AKIAADMIN00000000000", "s").Authenticate("AKIAADMIN00000000000")
	_, _, again, _ := Default("AKIAADMIN00000000001", "s").Authenticate("AKIAADMIN00000000001")
	if user.PrincipalID != again.PrincipalID || len(user.PrincipalID) != 21 || strings.ToUpper(user.PrincipalID) != user.PrincipalID {
		t.Errorf("got %s and %s", user.PrincipalID, again.PrincipalID)
	}
	session := (&Session{Name: "s1"}).caller(own, "app").PrincipalID
	if id, name, _ := strings.Cut(session, ":"); len(id) != 21 || name != "s1" {
		t.Errorf("got %s", session)
	}
}

func TestDefaultIsTheAdmin(t *testing.T) {
	secret, token, caller, ok := Default("AKIAADMIN00000000000", "s").Authenticate("AKIAADMIN00000000000")
	if !ok || secret != "s" || token != "" || caller.Account != "111122223333" || caller.ARN != "arn:aws:iam::111122223333:user/admin" {
		t.Errorf("got %q, %q, %+v, %v", secret, token, caller, ok)
	}
}

func TestPrintedIdentitiesShowNoSecret(t *testing.T) {
	ids := Default("AKIAADMIN00000000000", "hunter22")
	if got := fmt.Sprintf("%v %+v %s", ids, ids, ids); strings.Contains(got, "hunter22") {
		t.Errorf("got %q", got)
	}
}

func TestInPartition(t *testing.T) {
	for partition, want := range map[string]string{
		"aws": "arn:aws:iam::111122223333:user/alice", "aws-cn": "arn:aws-cn:iam::111122223333:user/alice",
	} {
		if got := InPartition(alice, partition).ARN; got != want {
			t.Errorf("%s: %s", partition, got)
		}
	}
	if got := InPartition(api.Caller{ARN: "arn:aws:"}, "aws-cn").ARN; got != "arn:aws:" {
		t.Errorf("what is no ARN became %s", got)
	}
}

// user and role put members into an otherwise good file.
func user(members string) string {
	return `{"accounts":[{"id":"111122223333","users":[{"name":"alice"` + members + `}]}]}`
}
func role(members string) string {
	return `{"accounts":[{"id":"111122223333","roles":[{"name":"app"` + members + `}]}]}`
}

func TestAWrongFileIsRefusedInOneLine(t *testing.T) {
	const key = `{"id":"AKIAALICE00000000000","secret":"hunter22"}`
	tests := []struct{ name, text, member, want string }{
		{"no account", "accounts: []", "accounts", "at least one"},
		{"an empty file", "", "", "at least one"},
		{"an account ID of eleven digits", `{"accounts":[{"id":"11112222333"}]}`, "accounts.0.id", "twelve digits"},
		{"an account twice", `{"accounts":[{"id":"111122223333"},{"id":"111122223333"}]}`, "accounts.1.id", "twice"},
		{"a user without a name", `{"accounts":[{"id":"111122223333","users":[{}]}]}`, "accounts.0.users.0", "1 to 64"},
		{"a user twice", `{"accounts":[{"id":"111122223333","users":[{"name":"a"},{"name":"a"}]}]}`, "users.1.name", "twice"},
		{"a role twice", `{"accounts":[{"id":"111122223333","roles":[{"name":"a"},{"name":"a"}]}]}`, "roles.1.name", "twice"},
		{"a role's name with a slash", `{"accounts":[{"id":"111122223333","roles":[{"name":"a/b"}]}]}`, "roles.0.name", "letters"},
		{"a session of one letter", role(`,"sessions":[{"name":"s"}]`), "sessions.0.name", "2 to 64"},
		{"a session twice", role(`,"sessions":[{"name":"s1"},{"name":"s1"}]`), "sessions.1.name", "twice"},
		{"an access key twice", user(`,"access_keys":[` + key + `,` + key + `]`), "access_keys.1.id", "twice"},
		{"an access key of user and session", `{"accounts":[{"id":"111122223333","users":[{"name":"a","access_keys":[` + key + `]}],"roles":[{"name":"r","sessions":[{"name":"s1","access_keys":[` + key + `]}]}]}]}`, "roles.0.sessions.0.access_keys.0.id", "twice"},
		{"an access key without a secret", user(`,"access_keys":[{"id":"AKIAALICE00000000000"}]`), "access_keys.0", "no secret"},
		{"an access key that is too short", user(`,"access_keys":[{"id":"AKIA","secret":"hunter22"}]`), "access_keys.0.id", "16 to 128"},
		{"a session token of a user", user(`,"access_keys":[{"id":"AKIAALICE00000000000","secret":"s","session_token":"t"}]`), "session_token", "unknown key"},
		{"policies of a user", user(`,"policies":[{"Version":"2012-10-17"}]`), "users.0.policies", "identity policies are not evaluated in this version"},
		{"an empty list of policies", user(`,"policies":[]`), "users.0.policies", "not evaluated"},
		{"a user's permissions boundary", user(`,"permissions_boundary":{}`), "users.0.permissions_boundary", "not evaluated"},
		{"a user's tags", user(`,"tags":{"team":"red"}`), "users.0.tags", "tags of principals are not evaluated"},
		{"policies of a role", role(`,"policies":[{}]`), "roles.0.policies", "identity policies are not evaluated"},
		{"a session policy", role(`,"sessions":[{"name":"s1","policy":{}}]`), "sessions.0.policy", "identity policies are not evaluated"},
		{"service control policies", `{"accounts":[{"id":"111122223333","service_control_policies":[{}]}]}`, "accounts.0.service_control_policies", "not evaluated"},
		{"services", `{"services":[{"principal":"s3.amazonaws.com"}],"accounts":[{"id":"111122223333"}]}`, "services", "not simulated"},
		{"VPC endpoints", `{"vpc_endpoints":[{"id":"vpce-1"}],"accounts":[{"id":"111122223333"}]}`, "vpc_endpoints", "not simulated"},
		{"a key that is none", user(`,"acces_keys":[]`), "acces_keys", "did you mean"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(test.text)
			if err == nil {
				t.Fatal("the file was accepted")
			}
			got := err.Error()
			if !strings.HasPrefix(got, "ids.yaml:") || !strings.Contains(got, test.member) || !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
				t.Errorf("got %q, want one line with %q and %q", got, test.member, test.want)
			}
			if strings.Contains(got, "hunter22") {
				t.Errorf("the secret is in %q", got)
			}
		})
	}
	if _, err := LoadIdentities(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was accepted")
	}
}

// What is accepted authenticates exactly the access keys that it names.
func FuzzIdentities(f *testing.F) {
	f.Add(everybody)
	f.Add(user(`,"access_keys":[{"id":"AKIAALICE00000000000","secret":"s"}]`))
	f.Add(role(`,"sessions":[{"name":"s1","policy":null}]`))
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		n := 0
		for _, a := range file.Accounts {
			for _, u := range a.Users {
				n += len(u.AccessKeys)
			}
			for _, r := range a.Roles {
				for _, s := range r.Sessions {
					n += len(s.AccessKeys)
				}
			}
		}
		ids := file.identities()
		if len(ids.byAccessKey) != n {
			t.Errorf("%d access keys became %d", n, len(ids.byAccessKey))
		}
		for id := range ids.byAccessKey {
			if _, _, caller, _ := ids.Authenticate(id); len(caller.Account) != 12 || caller.AccessKeyID != id {
				t.Errorf("%s authenticates %+v", id, caller)
			}
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	ids := Default("AKIAADMIN00000000000", "s")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, ok := ids.Authenticate("AKIAADMIN00000000000"); !ok {
			b.Fatal("not known")
		}
	}
}
