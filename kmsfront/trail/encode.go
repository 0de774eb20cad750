package trail

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Every record and every event begins so.
const (
	recordStart = `{"eventVersion":`
	eventStart  = `{"version":`
)

// appendRecord appends r as one line of JSON, without the newline: what
// encoding/json would give but for its escaping of HTML, without its reflection.
// Strings that are no UTF-8 have U+FFFD where they are not.
func appendRecord(b []byte, r *Record) []byte {
	b = appendText(b, recordStart, r.EventVersion)
	b = append(b, `,"userIdentity":`...)
	b = appendIdentity(b, &r.UserIdentity)
	b = appendTime(b, `,"eventTime":`, r.EventTime)
	b = appendText(b, `,"eventSource":`, r.EventSource)
	b = appendText(b, `,"eventName":`, r.EventName)
	b = appendText(b, `,"awsRegion":`, r.AWSRegion)
	b = appendText(b, `,"sourceIPAddress":`, r.SourceIPAddress)
	b = appendText(b, `,"userAgent":`, r.UserAgent)
	b = appendOptional(b, `,"errorCode":`, r.ErrorCode)
	b = appendOptional(b, `,"errorMessage":`, r.ErrorMessage)
	b = appendRaw(b, `,"requestParameters":`, r.RequestParameters)
	b = appendRaw(b, `,"responseElements":`, r.ResponseElements)
	if len(r.AdditionalEventData) > 0 {
		b = appendRaw(b, `,"additionalEventData":`, r.AdditionalEventData)
	}
	b = appendOptional(b, `,"requestID":`, r.RequestID)
	b = appendText(b, `,"eventID":`, r.EventID)
	b = strconv.AppendBool(append(b, `,"readOnly":`...), r.ReadOnly)
	b = appendResources(b, r.Resources)
	b = appendText(b, `,"eventType":`, r.EventType)
	b = strconv.AppendBool(append(b, `,"managementEvent":`...), r.ManagementEvent)
	b = appendText(b, `,"recipientAccountId":`, r.RecipientAccountID)
	b = appendText(b, `,"eventCategory":`, r.EventCategory)
	if d := r.TLSDetails; d != nil {
		b = appendText(b, `,"tlsDetails":{"tlsVersion":`, d.TLSVersion)
		b = appendText(b, `,"cipherSuite":`, d.CipherSuite)
		b = appendText(b, `,"clientProvidedHostHeader":`, d.ClientProvidedHostHeader)
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendIdentity(b []byte, i *Identity) []byte {
	start := len(b)
	b = appendOptional(b, `,"type":`, i.Type)
	b = appendOptional(b, `,"principalId":`, i.PrincipalID)
	b = appendOptional(b, `,"arn":`, i.ARN)
	b = appendOptional(b, `,"accountId":`, i.AccountID)
	b = appendOptional(b, `,"accessKeyId":`, i.AccessKeyID)
	b = appendOptional(b, `,"userName":`, i.UserName)
	if s := i.SessionContext; s != nil {
		b = appendText(b, `,"sessionContext":{"sessionIssuer":{"type":`, s.SessionIssuer.Type)
		b = appendText(b, `,"principalId":`, s.SessionIssuer.PrincipalID)
		b = appendText(b, `,"arn":`, s.SessionIssuer.ARN)
		b = appendText(b, `,"accountId":`, s.SessionIssuer.AccountID)
		b = appendText(b, `,"userName":`, s.SessionIssuer.UserName)
		b = append(b, "}}"...)
	}
	b = appendOptional(b, `,"invokedBy":`, i.InvokedBy)
	if len(b) == start {
		return append(b, "{}"...)
	}
	b[start] = '{' // instead of the first comma
	return append(b, '}')
}

// appendEvent appends e as one line of JSON, without the newline.
func appendEvent(b []byte, e *Event) []byte {
	b = appendText(b, eventStart, e.Version)
	b = appendText(b, `,"id":`, e.ID)
	b = appendText(b, `,"detail-type":`, e.DetailType)
	b = appendText(b, `,"source":`, e.Source)
	b = appendText(b, `,"account":`, e.Account)
	b = appendTime(b, `,"time":`, e.Time)
	b = appendText(b, `,"region":`, e.Region)
	b = append(b, `,"resources":[`...)
	for i, arn := range e.Resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, arn)
	}
	b = appendText(b, `],"detail":{"key-id":`, e.Detail.KeyID)
	return append(b, "}}"...)
}

func appendResources(b []byte, resources []Resource) []byte {
	if resources == nil {
		return b
	}
	b = append(b, `,"resources":[`...)
	for i, r := range resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, `{"accountId":`, r.AccountID)
		b = appendText(b, `,"type":`, r.Type)
		b = appendText(b, `,"ARN":`, r.ARN)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendText(b []byte, key, s string) []byte { return appendQuoted(append(b, key...), s) }

func appendTime(b []byte, key string, t time.Time) []byte {
	b = append(append(b, key...), '"')
	return append(t.AppendFormat(b, time.RFC3339), '"')
}

func appendOptional(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return appendText(b, key, s)
}

func appendRaw(b []byte, key string, raw []byte) []byte {
	b = append(b, key...)
	if len(raw) == 0 {
		return append(b, "null"...)
	}
	return append(b, raw...)
}

func appendQuoted(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // the error only says that bytes were replaced
	return b
}
