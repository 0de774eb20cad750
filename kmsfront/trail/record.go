package trail

import (
	"encoding/json"
	"time"
)

// Record is one CloudTrail record, a line of the trail (guide 004:4265-4310,
// 5816-5857, 11136-11170). It unmarshals with encoding/json.
type Record struct {
	EventVersion        string          `json:"eventVersion"`
	UserIdentity        Identity        `json:"userIdentity"`
	EventTime           time.Time       `json:"eventTime"` // UTC, whole seconds
	EventSource         string          `json:"eventSource"`
	EventName           string          `json:"eventName"` // the operation
	AWSRegion           string          `json:"awsRegion"`
	SourceIPAddress     string          `json:"sourceIPAddress"`
	UserAgent           string          `json:"userAgent"`
	ErrorCode           string          `json:"errorCode,omitempty"` // the exception's name; empty: success
	ErrorMessage        string          `json:"errorMessage,omitempty"`
	RequestParameters   json.RawMessage `json:"requestParameters"` // nil: null
	ResponseElements    json.RawMessage `json:"responseElements"`  // nil: null
	AdditionalEventData json.RawMessage `json:"additionalEventData,omitempty"`
	RequestID           string          `json:"requestID,omitempty"` // empty: an event of the service itself
	EventID             string          `json:"eventID"`             // a random UUID
	ReadOnly            bool            `json:"readOnly"`
	Resources           []Resource      `json:"resources"` // nil: the element is absent
	EventType           string          `json:"eventType"`
	ManagementEvent     bool            `json:"managementEvent"`
	RecipientAccountID  string          `json:"recipientAccountId"` // the account whose trail it is
	EventCategory       string          `json:"eventCategory"`
	TLSDetails          *TLSDetails     `json:"tlsDetails,omitempty"` // nil: plain HTTP
}

// Identity is who made the request.
type Identity struct {
	Type           string          `json:"type,omitempty"` // IAMUser, Root, AssumedRole or AWSService; empty: the service itself
	PrincipalID    string          `json:"principalId,omitempty"`
	ARN            string          `json:"arn,omitempty"`
	AccountID      string          `json:"accountId,omitempty"`
	AccessKeyID    string          `json:"accessKeyId,omitempty"`
	UserName       string          `json:"userName,omitempty"`
	SessionContext *SessionContext `json:"sessionContext,omitempty"` // of an assumed role
	InvokedBy      string          `json:"invokedBy,omitempty"`      // the service that made the request
}

// SessionContext is the role behind a session (guide 004:8408-8420).
type SessionContext struct {
	SessionIssuer SessionIssuer `json:"sessionIssuer"`
}

// SessionIssuer is the role that a session was made from.
type SessionIssuer struct {
	Type        string `json:"type"` // Role
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"` // the role's name
}

// Resource is a key or an alias that the request is about.
type Resource struct {
	AccountID string `json:"accountId"`
	Type      string `json:"type"` // AWS::KMS::Key, for aliases too (guide 004:4289-4297)
	ARN       string `json:"ARN"`
}

// TLSDetails is how the request came in.
type TLSDetails struct {
	TLSVersion               string `json:"tlsVersion"`  // TLSv1.2 or TLSv1.3
	CipherSuite              string `json:"cipherSuite"` // OpenSSL's name
	ClientProvidedHostHeader string `json:"clientProvidedHostHeader"`
}
