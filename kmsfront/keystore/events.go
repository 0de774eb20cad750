package keystore

import (
	"errors"
	"io"
	"syscall"

	"hyok/kmsfront/api"
	"hyok/proxy/xks"
)

// Short names for the exceptions and connection error codes of the table.
const (
	xInvalidConfig = api.CodeXksProxyInvalidConfigurationException
	xResponse      = api.CodeXksProxyInvalidResponseException
	xUnreachable   = api.CodeXksProxyUriUnreachableException
	xCredential    = api.CodeXksProxyIncorrectAuthenticationCredentialException
	kConfig        = api.CodeXksKeyInvalidConfigurationException
	kNotFound      = api.CodeXksKeyNotFoundException
	storeState     = api.CodeCustomKeyStoreInvalidStateException
	keyState       = api.CodeKMSInvalidStateException

	cDenied      = api.ConnectionErrorCodeTypeXksProxyAccessDenied
	cCredentials = api.ConnectionErrorCodeTypeInvalidCredentials
	cTimedOut    = api.ConnectionErrorCodeTypeXksProxyTimedOut
	cResponse    = api.ConnectionErrorCodeTypeXksProxyInvalidResponse
	cConfig      = api.ConnectionErrorCodeTypeXksProxyInvalidConfiguration
	cUnreachable = api.ConnectionErrorCodeTypeXksProxyNotReachable
	cNetwork     = api.ConnectionErrorCodeTypeNetworkErrors
	cTLS         = api.ConnectionErrorCodeTypeXksProxyInvalidTlsConfiguration
)

// ErrorType values of the metric XksProxyErrors (guide 004:21436, 21575).
const (
	retryable    = "Retryable"
	nonRetryable = "Non-retryable"
	notAnError   = "N/A"
)

// Exception names of the metrics that no proxy sends.
const (
	noException     = "None"
	proxyUnreached  = "XksProxyUnreachableException"     // guide 004:21493
	proxyUnreadable = "XksProxyInvalidResponseException" // the guide gives no name
)

// An event is what can come back from a proxy instead of a good answer.
type event uint8

const (
	evAccessDenied event = iota
	evAuthentication
	evDependency
	evInternal
	evCiphertext
	evKeyUsage
	evKeyState
	evURIPath
	evKeyNotFound
	evThrottling
	evUnsupported
	evValidation
	evUnreachable
	evNetwork
	evTimedOut
	evTLS
	evUnreadable
	evUnhealthy
	evInner
)

type eventRow struct {
	event     event
	name      string // ExceptionName of the metrics, for a proxy's own errors its errorName
	errorType string
	manage    string // exception of CreateCustomKeyStore and UpdateCustomKeyStore
	createKey string // exception of CreateKey
	crypto    string // exception of cryptographic operations
	connect   string // ConnectionErrorCode
	message   string
}

// eventTable is custom-key-stores §10. An empty cell is one for which neither
// the guide nor the proxy's specification knows the event (GetHealthStatus
// never finds a key, for instance): there it counts as an answer that cannot be
// interpreted. Cells marked * are our reading where the guide lists nothing.
// On TLS faults the guide is followed, not the proxy's specification
// (contradiction 10); for CreateKey's UnsupportedOperationException the API
// model, which lacks the exception of the guide (9).
var eventTable = []eventRow{
	//event           ExceptionName                   ErrorType     Create/Update   CreateKey   crypto    connect       message              guide 004
	{evAccessDenied, "AccessDeniedException", nonRetryable, xInvalidConfig, storeState, keyState, cDenied, msgAccessDenied},                        // 21469, 22909-22929, 22576; Create/Update *
	{evAuthentication, "AuthenticationFailedException", nonRetryable, xCredential, storeState, keyState, cCredentials, msgAuthentication},          // 21470, 22694-22709
	{evDependency, "DependencyTimeoutException", retryable, xUnreachable, storeState, keyState, cTimedOut, msgDependency},                          // 21471-21476, 22681-22690; connect *
	{evInternal, "InternalException", retryable, xResponse, storeState, keyState, cResponse, msgInternal},                                          // 21477; connect *
	{evCiphertext, "InvalidCiphertextException", nonRetryable, "", "", keyState, "", msgCiphertext},                                                // 21478-21479, 22752
	{evKeyUsage, "InvalidKeyUsageException", nonRetryable, "", kConfig, keyState, "", msgUsageRefused},                                             // 21482, 22857
	{evKeyState, "InvalidStateException", nonRetryable, "", kConfig, keyState, "", msgKeyDisabled},                                                 // 21483, 22861
	{evURIPath, "InvalidUriPathException", nonRetryable, xInvalidConfig, storeState, keyState, cConfig, msgURIPath},                                // 21484, 22471-22476
	{evKeyNotFound, "KeyNotFoundException", nonRetryable, "", kNotFound, keyState, "", msgKeyNotFound},                                             // 21487, 22791, 22836
	{evThrottling, "ThrottlingException", retryable, xUnreachable, storeState, keyState, cTimedOut, msgThrottled},                                  // 21488, 21415; connect *
	{evUnsupported, "UnsupportedOperationException", nonRetryable, "", api.CodeUnsupportedOperationException, keyState, cResponse, msgUnsupported}, // 21489, 22897-22903; connect *
	{evValidation, "ValidationException", nonRetryable, xResponse, storeState, keyState, cResponse, msgResponse},                                   // 21492; connect *
	{evUnreachable, proxyUnreached, retryable, xUnreachable, storeState, keyState, cUnreachable, msgUnreachable},                                   // 21493, 22618-22657
	{evNetwork, proxyUnreached, retryable, xUnreachable, storeState, keyState, cNetwork, msgUnreachable},                                           // 22572-22574: cut on the way
	{evTimedOut, proxyUnreached, retryable, xUnreachable, storeState, keyState, cTimedOut, msgTimedOut},                                            // 22622, 22659-22690
	{evTLS, proxyUnreached, retryable, xInvalidConfig, storeState, keyState, cTLS, msgTLS},                                                         // 22453-22489, 20673
	{evUnreadable, proxyUnreadable, nonRetryable, xResponse, storeState, keyState, cResponse, msgResponse},                                         // 22887-22895; name and type *
	{evUnhealthy, noException, notAnError, xUnreachable, "", "", cUnreachable, msgUnhealthy},                                                       // 20780, 22656, 22877-22885
	{evInner, noException, notAnError, "", "", keyState, "", msgInner},                                                                             // 22761-22765
}

// eventOf is the event that an error of the client is. The client's own
// refusals, which are not sent, count as answers that cannot be interpreted.
func eventOf(err error) event {
	var answered *xks.Error
	if errors.As(err, &answered) {
		for _, r := range eventTable {
			if r.name == string(answered.Name) {
				return r.event
			}
		}
	}
	var t *xks.TransportError
	if !errors.As(err, &t) {
		return evUnreadable
	}
	switch t.Kind {
	case xks.Unreachable:
		if isCut(err) {
			return evNetwork
		}
		return evUnreachable
	case xks.TimedOut:
		return evTimedOut
	case xks.TLS:
		return evTLS
	default:
		return evUnreadable
	}
}

// isCut tells whether a connection that was there has been cut.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// A column is what KMS was doing when the event came.
type column uint8

const (
	colManage column = iota
	colCreateKey
	colCrypto
)

func (e event) row() *eventRow { return &eventTable[e] }

// exception is the API error for an event; an empty cell is an answer that
// cannot be interpreted.
func (e event) exception(c column) *api.Error {
	r := e.row()
	if code := r.code(c); code != "" {
		return &api.Error{Code: code, Message: r.message}
	}
	r = evUnreadable.row()
	return &api.Error{Code: r.code(c), Message: r.message}
}

func (r *eventRow) code(c column) string {
	switch c {
	case colManage:
		return r.manage
	case colCreateKey:
		return r.createKey
	default:
		return r.crypto
	}
}

// connectCode is the ConnectionErrorCode for an event.
func (e event) connectCode() string {
	if code := e.row().connect; code != "" {
		return code
	}
	return evUnreadable.row().connect
}
