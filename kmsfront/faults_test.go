package kmsfront

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hyok/internal/fault"
	"hyok/kmsfront/api"
	"hyok/kmsfront/quota"
)

// faulty gives a kit whose front end has one fault.
func faulty(t *testing.T, r fault.Rule) *kit {
	t.Helper()
	k := newKit(t, quota.Config{Off: true})
	k.faults = fault.New(nil)
	k.faults.ServeFront(CheckFault)
	r.At = fault.Front
	_, err := k.faults.Add(r)
	k.must(err)
	return k
}

func TestFrontEndAnswersWithTheErrorOfAFault(t *testing.T) {
	k := faulty(t, fault.Rule{Op: "CreateKey", Error: "LimitExceededException", Count: 1})
	k.refused("CreateKey", `{}`, "LimitExceededException: This error was injected on purpose.")
	records := k.lines("trail.jsonl")
	if got := records[len(records)-1]["errorCode"]; got != "LimitExceededException" {
		t.Errorf("the trail has %v", got)
	}
	k.newKey() // the fault is used up

	k = faulty(t, fault.Rule{Error: "ThrottlingException"})
	k.refused("ListKeys", `{}`, throttledText)
	k.faults.Clear()
	if keys := ok[api.ListKeysResponse](k, "ListKeys", `{}`).Keys; len(keys) != 0 {
		t.Errorf("%d keys", len(keys))
	}
}

// A request that is cut off is not done.
func TestFrontEndCutsTheConnection(t *testing.T) {
	for name, r := range map[string]fault.Rule{
		"reset":            {Reset: true},
		"late and reset":   {Latency: time.Microsecond, Reset: true},
		"black hole":       {Blackhole: true},
		"nobody waits":     {Latency: time.Hour},
		"nobody waits, op": {Op: "CreateKey", Latency: time.Hour, Error: "KMSInternalException"},
	} {
		t.Run(name, func(t *testing.T) {
			k := faulty(t, r)
			ctx, cancel := context.WithCancel(t.Context())
			if !r.Reset {
				time.AfterFunc(time.Millisecond, cancel) // the caller goes
			}
			defer cancel()
			func() {
				defer func() {
					if p := recover(); p != http.ErrAbortHandler {
						t.Errorf("it ends with %v", p)
					}
				}()
				_, err := k.Do(ctx, &api.Call{Op: api.Operations["CreateKey"], In: &api.CreateKeyRequest{}, Region: testRegion,
					Caller: api.Caller{Account: testAccount, ARN: "arn:aws:iam::" + testAccount + ":user/admin"}})
				t.Errorf("it answers: %v", err)
			}()
			k.faults.Clear()
			if keys := ok[api.ListKeysResponse](k, "ListKeys", `{}`).Keys; len(keys) != 0 {
				t.Errorf("%d keys", len(keys))
			}
		})
	}
}

func TestLateAnswerIsAnAnswer(t *testing.T) {
	k := faulty(t, fault.Rule{Latency: 20 * time.Millisecond})
	start := time.Now()
	k.newKey()
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

// Whatever the error and the operation: an operation answers with nothing that
// it does not have, and what it has can be asked for.
func TestOperationsFailWithTheirOwnErrorsOnly(t *testing.T) {
	codes := slices.Clone(commonErrors)
	for _, op := range api.Operations {
		codes = append(codes, op.Errors...)
	}
	slices.Sort(codes)
	hits := 0
	for _, code := range slices.Compact(codes) {
		s := &Server{faults: fault.New(nil)}
		s.faults.ServeFront(CheckFault)
		if _, err := s.faults.Add(fault.Rule{At: fault.Front, Error: code}); err != nil {
			t.Fatal(err)
		}
		for name, op := range api.Operations {
			has := slices.Contains(op.Errors, code) || slices.Contains(commonErrors, code)
			err := s.suffer(t.Context(), &request{Call: &api.Call{Op: op}})
			answer, _ := errors.AsType[*api.Error](err)
			if hit := answer != nil && answer.Code == code; hit != has {
				t.Errorf("%s answers with %v where %s is made", name, err, code)
			}
			if has {
				hits++
			}
			if err := CheckFault(fault.Rule{Op: name, Error: code}); (err == nil) != has {
				t.Errorf("%s with %s: %v", name, code, err)
			}
		}
	}
	if hits < 54*(len(commonErrors)+2) {
		t.Errorf("%d pairs", hits)
	}
}

func TestFaultsThatTheAPIDoesNotHave(t *testing.T) {
	for _, row := range []struct {
		rule fault.Rule
		want string
	}{
		{fault.Rule{Op: "GetHealthStatus", Reset: true}, "op: at front it must be an operation"},
		{fault.Rule{Op: "*", Error: "InternalException"}, "error: no operation of the KMS API answers with it"},
		{fault.Rule{Op: "GenerateRandom", Error: "NotFoundException"}, "error: GenerateRandom answers with one of AccessDeniedException, CustomKeyStoreInvalidStateException"},
	} {
		if err := CheckFault(row.rule); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%+v: %v", row.rule, err)
		}
	}
}
