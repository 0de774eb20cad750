package kmsfront

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"hyok/internal/fault"
	"hyok/kmsfront/api"
	"hyok/kmsfront/quota"
)

// commonErrors are exceptions that every operation may answer with, although
// the API's model does not declare them.
var commonErrors = []string{
	api.CodeThrottlingException, api.CodeServiceUnavailableException, api.CodeInternalFailure, api.CodeAccessDeniedException,
}

// CheckFault finds what is wrong with a rule at fault.Front: its operation must
// be one of the API, and its error one that the operation answers with. The
// error is a *fault.RuleError.
func CheckFault(r fault.Rule) error {
	if r.Op != fault.AnyOp && api.Operations[r.Op] == nil {
		return &fault.RuleError{Member: "op", Msg: "at front it must be an operation of the KMS API, such as Encrypt or CreateKey, or *"}
	}
	if r.Error == "" {
		return nil
	}
	for name, op := range api.Operations {
		if (r.Op == fault.AnyOp || r.Op == name) && answersWith(op, r.Error) {
			return nil
		}
	}
	if r.Op == fault.AnyOp {
		return &fault.RuleError{Member: "error", Msg: "no operation of the KMS API answers with it; take an exception such as ThrottlingException or KMSInternalException"}
	}
	all := slices.Sorted(slices.Values(append(slices.Clone(commonErrors), api.Operations[r.Op].Errors...)))
	return &fault.RuleError{Member: "error", Msg: r.Op + " answers with one of " + strings.Join(slices.Compact(all), ", ")}
}

// answersWith tells whether an exception is among those of an operation.
func answersWith(op *api.Operation, code string) bool {
	return slices.Contains(op.Errors, code) || slices.Contains(commonErrors, code)
}

// suffer does what a rule at fault.Front wants of the request. An error by name
// comes only from operations that have it.
func (s *Server) suffer(ctx context.Context, r *request) error {
	effect, ok := s.faults.MatchIf(fault.Front, r.Op.Name, func(e fault.Effect) bool {
		return e.Error == "" || answersWith(r.Op, e.Error)
	})
	if !ok {
		return nil
	}
	if effect.Blackhole {
		<-ctx.Done()
	}
	if effect.Wait(ctx) != nil || effect.Reset || effect.Blackhole {
		panic(http.ErrAbortHandler) // cuts the connection
	}
	if effect.Error == "" {
		return nil
	}
	message := "This error was injected on purpose."
	if effect.Error == api.CodeThrottlingException {
		message = quota.ThrottledMessage
	}
	return &api.Error{Code: effect.Error, Message: message}
}
