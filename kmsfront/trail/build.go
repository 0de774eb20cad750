package trail

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"hyok/kmsfront/api"
)

// Extra is what a record shows beside the request and its answer.
type Extra struct {
	// KeyARN is the key that the request used or changed. Empty: none, or none
	// was found.
	KeyARN string
	// Resources are the keys and aliases, ReEncrypt's source before its
	// destination (guide kms-core CT-06). Their Type may be left out. Nil: KeyARN
	// alone.
	Resources []Resource
	// AdditionalEventData has strings, numbers and booleans: customKeyStoreId,
	// xksKeyId, clusterId, backingKey and the like. Nil: none.
	AdditionalEventData map[string]any
}

// What every record says alike.
const (
	eventVersion  = "1.08"
	eventSource   = "kms.amazonaws.com"
	eventType     = "AwsApiCall"
	eventCategory = "Management"
	resourceType  = "AWS::KMS::Key"
)

// plan is a compiled row.
type plan struct {
	request, response []element
	readOnly          bool
	store             bool // no resources element
}

var plans = compileTable()

func compileTable() map[string]*plan {
	out := make(map[string]*plan, len(table))
	for _, r := range table {
		op := api.Operations[r.op]
		out[r.op] = &plan{
			request:  compile(r.request, reflect.TypeOf(op.New()).Elem()),
			response: compile(r.response, reflect.TypeOf(op.NewOutput()).Elem()),
			readOnly: r.readOnly,
			store:    ofStores[r.op],
		}
	}
	return out
}

// New makes the record of a finished call: out is its output structure, err its
// failure. An error that is no *api.Error is recorded as KMSInternalException
// without its text, which is for the log alone.
func New(call *api.Call, out any, err error, extra Extra) *Record {
	p := plans[call.Op.Name]
	r := &Record{
		EventVersion:        eventVersion,
		UserIdentity:        identity(&call.Caller),
		EventTime:           call.Start.UTC().Truncate(time.Second),
		EventSource:         eventSource,
		EventName:           call.Op.Name,
		AWSRegion:           call.Region,
		SourceIPAddress:     call.SourceIP,
		UserAgent:           call.UserAgent,
		RequestParameters:   show(p.request, call.In, extra.KeyARN),
		AdditionalEventData: additional(extra.AdditionalEventData),
		RequestID:           call.RequestID,
		EventID:             uuid.NewString(),
		ReadOnly:            p.readOnly,
		EventType:           eventType,
		ManagementEvent:     true,
		RecipientAccountID:  call.Caller.Account,
		EventCategory:       eventCategory,
		TLSDetails:          tlsDetails(call.TLS, call.Host),
	}
	if !p.store {
		r.Resources = resources(call.Op.Name, extra)
	}
	if err != nil {
		r.ErrorCode, r.ErrorMessage = failure(err)
		return r
	}
	r.ResponseElements = show(p.response, out, extra.KeyARN)
	return r
}

// show writes the elements of a structure that v points to. The result is nil,
// which is null in the record, without v or without elements.
func show(elements []element, v any, keyARN string) json.RawMessage {
	if v == nil || len(elements) == 0 {
		return nil
	}
	return appendElements(make([]byte, 0, 256), elements, reflect.ValueOf(v).Elem(), keyARN)
}

func failure(err error) (code, message string) {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code, e.Message
	}
	return api.CodeKMSInternalException, ""
}

// identity maps a caller; the role behind a session is in the session's ARN,
// arn:aws:sts::account:assumed-role/role/session.
func identity(c *api.Caller) Identity {
	i := Identity{
		Type:        c.Type,
		PrincipalID: c.PrincipalID,
		ARN:         c.ARN,
		AccountID:   c.Account,
		AccessKeyID: c.AccessKeyID,
		UserName:    c.UserName,
	}
	a := splitARN(c.ARN)
	session, ok := strings.CutPrefix(a.resource, "assumed-role/")
	if !ok {
		return i
	}
	role := session[:max(0, strings.LastIndexByte(session, '/'))]
	unique, _, _ := strings.Cut(c.PrincipalID, ":")
	i.SessionContext = &SessionContext{SessionIssuer{
		Type:        "Role",
		PrincipalID: unique,
		ARN:         "arn:" + a.partition + ":iam::" + a.account + ":role/" + role,
		AccountID:   a.account,
		UserName:    role,
	}}
	return i
}

// aliasFirst are the operations whose records list the alias before the key
// (guide 004:4939-4946, 6916-6927).
var aliasFirst = map[string]bool{"DeleteAlias": true, "UpdateAlias": true}

// resources are never nil: a request without a key has an empty list.
func resources(op string, e Extra) []Resource {
	list := e.Resources
	if list == nil && e.KeyARN != "" {
		list = []Resource{NewResource(e.KeyARN)}
	}
	out := make([]Resource, 0, len(list))
	for _, r := range list {
		r.Type = resourceType
		out = append(out, r)
	}
	if aliasFirst[op] {
		slices.SortStableFunc(out, func(a, b Resource) int { return kindOrder(a) - kindOrder(b) })
	}
	return out
}

func kindOrder(r Resource) int {
	if strings.HasPrefix(splitARN(r.ARN).resource, "alias/") {
		return 0
	}
	return 1
}

// NewResource is the entry for a key ARN or an alias ARN.
func NewResource(arn string) Resource {
	return Resource{AccountID: splitARN(arn).account, Type: resourceType, ARN: arn}
}

// arnParts is what the trail needs of an ARN; empty where the text is none.
type arnParts struct{ partition, account, resource string }

func splitARN(arn string) arnParts {
	var p [5]string
	for i := range p {
		p[i], arn, _ = strings.Cut(arn, ":")
	}
	return arnParts{partition: p[1], account: p[4], resource: arn}
}

func additional(data map[string]any) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	b := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, name), ':')
		b = appendAny(b, data[name])
	}
	return append(b, '}')
}

func appendAny(b []byte, v any) []byte {
	if s, ok := v.(string); ok {
		return appendQuoted(b, s)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return append(b, "null"...) // a type that Extra does not allow
	}
	return append(b, text...)
}

// openSSL are the names that CloudTrail has for Go's TLS 1.2 suites (guide
// 004:6079); those of TLS 1.3 are the same.
var openSSL = map[uint16]string{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
}

func tlsDetails(s *tls.ConnectionState, host string) *TLSDetails {
	if s == nil {
		return nil
	}
	suite, ok := openSSL[s.CipherSuite]
	if !ok {
		suite = tls.CipherSuiteName(s.CipherSuite)
	}
	return &TLSDetails{
		TLSVersion:               strings.Replace(tls.VersionName(s.Version), "TLS ", "TLSv", 1),
		CipherSuite:              suite,
		ClientProvidedHostHeader: host,
	}
}
