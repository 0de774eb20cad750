package authz

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"hyok/kmsfront/api"
)

// statement makes a policy of one statement with these members.
func statement(members string) string {
	return `{"Version":"2012-10-17","Statement":[{` + members + `}]}`
}

const allow = `"Effect":"Allow","Principal":"*","Action":"kms:*"`

func TestPolicyDocumentsThatAreAccepted(t *testing.T) {
	for name, text := range map[string]string{
		"the default":                  DefaultKeyPolicy(own, "aws"),
		"one statement, not in a list": `{"Version":"2012-10-17","Statement":{` + allow + `,"Resource":"*"}}`,
		"without Resource":             statement(allow),
		"an older version":             `{"Version":"2008-10-17","Statement":[{` + allow + `}]}`,
		"every member":                 statement(allow + `,"Resource":["*"],"Sid":"Allow use of the key","Condition":{"StringEquals":{"kms:ViaService":"s3"}}`),
		"principals of every kind":     statement(`"Effect":"Deny","Principal":{"AWS":["111122223333","*"],"Service":"s3.amazonaws.com","Federated":"x"},"Action":["kms:Encrypt"]`),
		"the Not forms":                statement(`"Effect":"Deny","NotPrincipal":{"AWS":"*"},"NotAction":"kms:*","NotResource":"*"`),
		"Latin-1 letters":              statement(allow + `,"Sid":"Schlüssel"`),
		"space around it":              "\r\n\t " + statement(allow) + "\n",
		"the largest":                  statement(allow + `,"Sid":"` + strings.Repeat("x", MaxPolicySize-len(statement(allow+`,"Sid":""`))) + `"`),
	} {
		if err := CheckPolicyDocument(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPolicyDocumentsThatAreRefused(t *testing.T) {
	const syntax = "Syntax errors in policy."
	tests := []struct{ name, text, want string }{
		{"no JSON", "not a real policy statement", syntax},
		{"nothing", "", syntax},
		{"JSON that is no object", `["Version"]`, syntax},
		{"null", "null", syntax},
		{"two documents", statement(allow) + statement(allow), syntax},
		{"a member twice", statement(allow + `,"Effect":"Deny"`), syntax},
		{"no version", `{"Statement":[{` + allow + `}]}`, "Missing required field Version in the policy."},
		{"a version that is none", `{"Version":"2016","Statement":[{` + allow + `}]}`, "Invalid value of Version in the policy."},
		{"no statement", `{"Version":"2012-10-17"}`, "Missing required field Statement in the policy."},
		{"an empty list of statements", `{"Version":"2012-10-17","Statement":[]}`, "Policy document must have at least one statement."},
		{"a statement that is text", `{"Version":"2012-10-17","Statement":"x"}`, "Invalid value of Statement in the policy."},
		{"a list of text", `{"Version":"2012-10-17","Statement":["x"]}`, syntax},
		{"an unknown member of the policy", `{"Version":"2012-10-17","Statement":[{` + allow + `}],"Statements":1}`, "Unknown field Statements in the policy."},
		{"no effect", statement(`"Principal":"*","Action":"kms:*"`), "Missing required field Effect in statement 1."},
		{"an effect of the wrong case", statement(`"Effect":"allow","Principal":"*","Action":"kms:*"`), "Invalid value of Effect in statement 1."},
		{"no principal", statement(`"Effect":"Allow","Action":"kms:*"`), "Missing required field Principal in statement 1."},
		{"a principal that is no object", statement(`"Effect":"Allow","Principal":"me","Action":"kms:*"`), "Invalid value of Principal in statement 1."},
		{"an empty principal", statement(`"Effect":"Allow","Principal":{},"Action":"kms:*"`), "Invalid value of Principal in statement 1."},
		{"a principal of an unknown kind", statement(`"Effect":"Allow","Principal":{"Group":"x"},"Action":"kms:*"`), "Invalid value of Principal in statement 1."},
		{"a principal that is a number", statement(`"Effect":"Allow","Principal":{"AWS":1},"Action":"kms:*"`), "Invalid value of Principal in statement 1."},
		{"no action", statement(`"Effect":"Allow","Principal":"*"`), "Missing required field Action in statement 1."},
		{"an empty list of actions", statement(`"Effect":"Allow","Principal":"*","Action":[]`), "Invalid value of Action in statement 1."},
		{"null among the actions", statement(`"Effect":"Allow","Principal":"*","Action":["kms:*",null]`), "Invalid value of Action in statement 1."},
		{"both Action and NotAction", statement(allow + `,"NotAction":"kms:*"`), "Both Action and NotAction are in statement 1."},
		{"a condition that is text", statement(allow + `,"Condition":"x"`), "Invalid value of Condition in statement 1."},
		{"an unknown member of a statement", statement(allow + `,"Ressource":"*"`), "Unknown field Ressource in statement 1."},
		{"the second statement", `{"Version":"2012-10-17","Statement":[{` + allow + `},{}]}`, "Missing required field Effect in statement 2."},
		{"a letter past Latin-1", statement(allow + `,"Sid":"Ω"`), "Policy contains characters that are not allowed."},
		{"a control character", statement(allow) + "\x7f", "Policy contains characters that are not allowed."},
		{"a NUL", "\x00" + statement(allow), "Policy contains characters that are not allowed."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			refused(t, test.text, "MalformedPolicyDocumentException", test.want)
		})
	}
}

func refused(t *testing.T, text, code, message string) {
	t.Helper()
	var e *api.Error
	if err := CheckPolicyDocument(text); !errors.As(err, &e) || e.Code != code || e.Message != message {
		t.Errorf("got %v, want %s: %s", err, code, message)
	}
}

func TestAPolicyThatIsTooLongExceedsALimit(t *testing.T) {
	text := statement(allow + `,"Sid":"` + strings.Repeat("x", MaxPolicySize) + `"`)
	refused(t, text, "LimitExceededException", "The key policy document exceeds the maximum size of 32768 bytes.")
}

func TestTheDefaultPolicyIsTheGuides(t *testing.T) {
	want := `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}`
	text := DefaultKeyPolicy(own, "aws")
	var compact any
	if err := json.Unmarshal([]byte(text), &compact); err != nil {
		t.Fatal(err)
	}
	if stripped := strings.NewReplacer("\n", "", "  ", "", " : ", ":", "[ {", "[{", "} ]", "}]").Replace(text); stripped != want {
		t.Errorf("got %s", stripped)
	}
	if !strings.HasPrefix(text, "{\n  \"Version\" : \"2012-10-17\",\n") {
		t.Errorf("not written as GetKeyPolicy gives it: %s", text)
	}
	if !strings.Contains(DefaultKeyPolicy(own, "aws-cn"), `"arn:aws-cn:iam::111122223333:root"`) {
		t.Error("the partition is not in the principal")
	}
}

// What is accepted is a JSON object with its statements; nothing panics.
func FuzzCheckPolicyDocument(f *testing.F) {
	f.Add(DefaultKeyPolicy(own, "aws"))
	f.Add(statement(allow + `,"Resource":["*"],"Condition":{}`))
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":null}]}`)
	f.Add(`{"Version":"2012-10-17","Statement":[[]]}`)
	f.Fuzz(func(t *testing.T, text string) {
		err := CheckPolicyDocument(text)
		if err != nil {
			var e *api.Error
			if !errors.As(err, &e) || e.Message == "" {
				t.Errorf("%v is no exception with a message", err)
			}
			return
		}
		var document struct {
			Version   string
			Statement json.RawMessage
		}
		if len(text) > MaxPolicySize || json.Unmarshal([]byte(text), &document) != nil || document.Version == "" || len(document.Statement) == 0 {
			t.Errorf("accepted %q", text)
		}
	})
}
