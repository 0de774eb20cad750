package api

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"hyok/internal/sigv4"
)

// setHeader spoils a request after it was signed.
func setHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func deleteHeader(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(name) }
}

// refusals are requests that never reach the service. want is an expression
// for the whole message.
var refusals = map[string]struct {
	send   message
	status int
	code   string
	want   string
}{
	"other method":                   {message{method: "GET"}, 400, CodeUnknownOperationException, `Requests are POST /`},
	"other path":                     {message{path: "/x"}, 400, CodeUnknownOperationException, `Requests are POST /`},
	"target absent":                  {message{spoil: deleteHeader("X-Amz-Target")}, 400, CodeUnknownOperationException, `X-Amz-Target must be TrentService.<operation>`},
	"target of others":               {message{target: "DynamoDB_20120810.ListTables"}, 400, CodeUnknownOperationException, `X-Amz-Target must be TrentService.<operation>`},
	"unknown operation":              {message{target: "TrentService.Fly"}, 400, CodeUnknownOperationException, `X-Amz-Target names no operation of the API`},
	"operation's case":               {message{target: "TrentService.listkeys"}, 400, CodeUnknownOperationException, `X-Amz-Target names no operation of the API`},
	"form":                           {message{contentType: "application/x-www-form-urlencoded"}, 400, CodeUnknownOperationException, `Content-Type must be application/x-amz-json-1.1`},
	"body too large":                 {message{body: strings.Repeat(" ", MaxBody+1)}, 413, CodeRequestEntityTooLargeException, `The request's body is larger than 262144 bytes`},
	"unsigned":                       {message{spoil: deleteHeader("Authorization")}, 400, CodeMissingAuthenticationTokenException, `Missing Authentication Token`},
	"other scheme":                   {message{spoil: setHeader("Authorization", "Basic eDp5")}, 400, CodeIncompleteSignatureException, `Unsupported AWS 'algorithm': 'Basic'\.`},
	"no signature":                   {message{spoil: setHeader("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date")}, 400, CodeIncompleteSignatureException, `Authorization header requires 'Signature' parameter\.`},
	"no date":                        {message{spoil: deleteHeader("X-Amz-Date")}, 400, CodeIncompleteSignatureException, `.*'X-Amz-Date'.*`},
	"unknown key":                    {message{as: sigv4.Credential{AccessKeyID: "AKIANOBODY0000000000", Secret: "s"}}, 400, CodeUnrecognizedClientException, `The security token included in the request is invalid\.`},
	"wrong secret":                   {message{as: sigv4.Credential{AccessKeyID: alice.AccessKeyID, Secret: "s"}}, 400, CodeInvalidSignatureException, mismatch},
	"body changed":                   {message{spoil: func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 0 }, body: "{}"}, 400, CodeInvalidSignatureException, mismatch},
	"target changed":                 {message{spoil: setHeader("X-Amz-Target", "TrentService.ListAliases")}, 400, CodeInvalidSignatureException, mismatch},
	"session token absent":           {message{as: sigv4.Credential{AccessKeyID: session.AccessKeyID, Secret: session.Secret}}, 400, CodeUnrecognizedClientException, `The security token included in the request is invalid\.`},
	"session token wrong":            {message{as: sigv4.Credential{AccessKeyID: session.AccessKeyID, Secret: session.Secret, SessionToken: "other"}}, 400, CodeUnrecognizedClientException, `The security token included in the request is invalid\.`},
	"session token too much":         {message{as: sigv4.Credential{AccessKeyID: alice.AccessKeyID, Secret: alice.Secret, SessionToken: "token"}}, 400, CodeUnrecognizedClientException, `The security token included in the request is invalid\.`},
	"expired":                        {message{at: time.Now().Add(-6 * time.Minute)}, 400, CodeInvalidSignatureException, `Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)`},
	"not yet valid":                  {message{at: time.Now().Add(6 * time.Minute)}, 400, CodeInvalidSignatureException, `Signature not yet current: \d{8}T\d{6}Z is still later than \d{8}T\d{6}Z \(\d{8}T\d{6}Z \+ 5 min\.\)`},
	"Region not served":              {message{region: "mars-north-1"}, 400, CodeInvalidSignatureException, `Credential should be scoped to a valid region, not 'mars-north-1'\.`},
	"other service":                  {message{service: "s3"}, 400, CodeInvalidSignatureException, `Credential should be scoped to correct service: 'kms'\.`},
	"no JSON":                        {message{body: `{`}, 400, CodeSerializationException, ``},
	"signature goes before decoding": {message{body: `{`, as: sigv4.Credential{AccessKeyID: alice.AccessKeyID, Secret: "s"}}, 400, CodeInvalidSignatureException, mismatch},
	"not valid":                      {message{target: "TrentService.DescribeKey"}, 400, CodeValidationException, `1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must not be null`},
}

const mismatch = `The request signature we calculated does not match the signature you provided\. Check your AWS Secret Access Key and signing method\. Consult the service documentation for details\.

The Canonical String for this request should have been
'POST
/
(?s:.*)'

The String-to-Sign should have been
'AWS4-HMAC-SHA256
\d{8}T\d{6}Z
\d{8}/us-east-1/kms/aws4_request
[0-9a-f]{64}'
`

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestRefusedRequests(t *testing.T) {
	s := serve(t, listKeys, func(c *HandlerConfig) { c.Regions = []string{"us-east-1", "eu-west-1"} })
	for name, tt := range refusals {
		t.Run(name, func(t *testing.T) {
			a := tt.send.send(t, s)
			if a.status != tt.status || a.Code != tt.code {
				t.Errorf("%d %s, want %d %s", a.status, a.Code, tt.status, tt.code)
			}
			if !regexp.MustCompile(`^` + tt.want + `$`).MatchString(a.Message) {
				t.Errorf("message\n%s\nwant\n%s", a.Message, tt.want)
			}
			if got := a.header.Get("Content-Type"); got != "application/x-amz-json-1.1" {
				t.Errorf("Content-Type %q", got)
			}
			if got := a.header.Get("x-amzn-RequestId"); !uuidForm.MatchString(got) {
				t.Errorf("x-amzn-RequestId %q is no random UUID", got)
			}
		})
	}
}
