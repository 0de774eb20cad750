package trail

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Event is one event as EventBridge delivers it (guide 004:7955-7975). It
// unmarshals with encoding/json.
type Event struct {
	Version    string      `json:"version"` // 0
	ID         string      `json:"id"`      // a random UUID
	DetailType string      `json:"detail-type"`
	Source     string      `json:"source"` // aws.kms
	Account    string      `json:"account"`
	Time       time.Time   `json:"time"` // UTC, whole seconds
	Region     string      `json:"region"`
	Resources  []string    `json:"resources"` // the key's ARN
	Detail     EventDetail `json:"detail"`
}

// EventDetail names the key.
type EventDetail struct {
	KeyID string `json:"key-id"` // the ID, not the ARN
}

// NewDeletionEvent is the event of a key that was deleted at the end of its
// waiting period (guide 004:7955-7975).
func NewDeletionEvent(keyARN, account, region string, at time.Time) *Event {
	return &Event{
		Version:    "0",
		ID:         uuid.NewString(),
		DetailType: "KMS CMK Deletion",
		Source:     "aws.kms",
		Account:    account,
		Time:       at.UTC().Truncate(time.Second),
		Region:     region,
		Resources:  []string{keyARN},
		Detail:     EventDetail{KeyID: strings.TrimPrefix(splitARN(keyARN).resource, "key/")},
	}
}

// NewDeleteKey is the record of the same deletion, an event of the service itself
// (guide 004:5083-5166). additionalData is as in Extra; of a key in a CloudHSM key
// store customKeyStoreId, clusterId, backingKeys and backingKeysDeletionStatus.
func NewDeleteKey(keyARN, account, region string, at time.Time, additionalData map[string]any) *Record {
	return &Record{
		EventVersion:        eventVersion,
		UserIdentity:        Identity{AccountID: account, InvokedBy: internal},
		EventTime:           at.UTC().Truncate(time.Second),
		EventSource:         eventSource,
		EventName:           "DeleteKey",
		AWSRegion:           region,
		SourceIPAddress:     internal,
		UserAgent:           internal,
		ResponseElements:    append(appendText(nil, `{"keyId":`, keyARN), '}'),
		AdditionalEventData: additional(additionalData),
		EventID:             uuid.NewString(),
		Resources:           []Resource{NewResource(keyARN)},
		EventType:           "AwsServiceEvent",
		ManagementEvent:     true,
		RecipientAccountID:  account,
		EventCategory:       eventCategory,
	}
}

// internal is who does what no caller asked for (guide kms-core CT-12).
const internal = "AWS Internal"
