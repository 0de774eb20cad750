package api

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hyok/internal/sigv4"
)

// sdkClient is AWS's own client for the handler at url, trying once.
func sdkClient(url string, c sigv4.Credential, change ...func(*kms.Options)) *kms.Client {
	return kms.New(kms.Options{
		BaseEndpoint: aws.String(url),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.Secret, c.SessionToken),
		Retryer:      aws.NopRetryer{},
	}, change...)
}

// sdkCall calls the client's method op. in is a structure of this package; the
// SDK's output is copied to out, one too.
func sdkCall(client *kms.Client, op string, in, out any) error {
	method := reflect.ValueOf(client).MethodByName(op)
	sdkIn := reflect.New(method.Type().In(1).Elem())
	copyInto(sdkIn.Elem(), reflect.ValueOf(in).Elem())
	results := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), sdkIn})
	if err, _ := results[1].Interface().(error); err != nil {
		return err
	}
	copyInto(reflect.ValueOf(out).Elem(), results[0].Elem())
	return nil
}

// copyInto copies src to dst, whose types differ as those of the SDK and of
// this package do: pointers against values, enum types against strings.
func copyInto(dst, src reflect.Value) {
	switch {
	case dst.Kind() == reflect.Pointer && src.Kind() != reflect.Pointer:
		if absent := src.IsZero() && (src.Kind() == reflect.String || src.Type() == reflect.TypeFor[time.Time]()); !absent {
			dst.Set(reflect.New(dst.Type().Elem()))
			copyInto(dst.Elem(), src)
		}
	case src.Kind() == reflect.Pointer:
		if src.IsNil() {
			return
		}
		if dst.Kind() == reflect.Pointer {
			dst.Set(reflect.New(dst.Type().Elem()))
			dst = dst.Elem()
		}
		copyInto(dst, src.Elem())
	case src.Type().ConvertibleTo(dst.Type()):
		dst.Set(src.Convert(dst.Type()))
	case src.Kind() == reflect.Slice:
		if src.IsNil() {
			return
		}
		dst.Set(reflect.MakeSlice(dst.Type(), src.Len(), src.Len()))
		for i := range src.Len() {
			copyInto(dst.Index(i), src.Index(i))
		}
	case src.Kind() == reflect.Struct:
		for i := range src.NumField() {
			if f := dst.FieldByName(src.Type().Field(i).Name); f.IsValid() && f.CanSet() {
				copyInto(f, src.Field(i))
			}
		}
	default:
		panic("copying " + src.Type().String() + " to " + dst.Type().String())
	}
}

// likeTheSDK forgets what the SDK does not tell apart, an absent boolean and a
// false one, and the millisecond that it may lose by cutting times read as doubles.
var likeTheSDK = cmp.Options{
	cmp.FilterPath(emptyPage, cmp.Ignore()),
	cmp.Comparer(func(a, b *bool) bool { return (a != nil && *a) == (b != nil && *b) }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() <= time.Millisecond }),
}

// sdkTimes is where the SDK can hold a time: it counts nanoseconds in 64 bits.
const sdkTimes = math.MaxInt64 / int64(time.Millisecond)

func TestSDKSpeaksEveryOperation(t *testing.T) {
	m := loadModel(t)
	m.times = sdkTimes
	var sent, arrived any
	s := serve(t, func(_ context.Context, c *Call) (any, error) {
		arrived = c.In
		return sent, nil
	})
	client := sdkClient(s.URL, session)
	for _, name := range operationNames {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				op := Operations[name]
				in, out := m.drawStructure(t, op.New()), op.NewOutput()
				sent = m.drawStructure(t, op.NewOutput())
				if err := sdkCall(client, name, in, out); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(in, arrived, likeTheSDK); diff != "" {
					t.Errorf("input (-sent +arrived)\n%s", diff)
				}
				if diff := cmp.Diff(sent, out, likeTheSDK); diff != "" {
					t.Errorf("output (-sent +arrived)\n%s", diff)
				}
			})
		})
	}
}

func TestSDKKnowsEveryExceptionByItsType(t *testing.T) {
	var err error
	m := loadModel(t)
	m.times = sdkTimes
	s := serve(t, func(context.Context, *Call) (any, error) { return nil, err })
	client := sdkClient(s.URL, alice)
	for _, op := range operationNames {
		in := rapid.Custom(func(t *rapid.T) any { return m.drawStructure(t, Operations[op].New()) }).Example(0)
		for _, code := range Operations[op].Errors {
			err = Errorf(code, "why")
			got := sdkCall(client, op, in, Operations[op].NewOutput())
			e, ok := errors.AsType[smithy.APIError](got)
			if !ok {
				t.Fatalf("%s %s: %v", op, code, got)
			}
			if typed := reflect.TypeOf(e).String(); typed != "*types."+code || e.ErrorCode() != code || e.ErrorMessage() != "why" {
				t.Errorf("%s: %s arrived as %s, code %s, message %q", op, code, typed, e.ErrorCode(), e.ErrorMessage())
			}
		}
	}
}

func TestSDKKnowsTheCodesOfOtherRefusals(t *testing.T) {
	nobody := sigv4.Credential{AccessKeyID: "AKIANOBODY0000000000", Secret: "s"}
	wrong := sigv4.Credential{AccessKeyID: alice.AccessKeyID, Secret: "s"}
	for name, tt := range map[string]struct {
		as     sigv4.Credential
		change func(*kms.Options)
		in     *kms.ListKeysInput
		code   string
	}{
		"unknown key":   {nobody, nil, &kms.ListKeysInput{}, CodeUnrecognizedClientException},
		"wrong secret":  {wrong, nil, &kms.ListKeysInput{}, CodeInvalidSignatureException},
		"other Region":  {alice, func(o *kms.Options) { o.Region = "eu-west-9" }, &kms.ListKeysInput{}, CodeInvalidSignatureException},
		"unsigned":      {alice, func(o *kms.Options) { o.Credentials = aws.AnonymousCredentials{} }, &kms.ListKeysInput{}, CodeMissingAuthenticationTokenException},
		"not valid":     {alice, nil, &kms.ListKeysInput{Limit: aws.Int32(0)}, CodeValidationException},
		"body too long": {alice, nil, &kms.ListKeysInput{Marker: aws.String(strings.Repeat("m", MaxBody))}, CodeRequestEntityTooLargeException},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, listKeys, func(c *HandlerConfig) { c.Regions = []string{"us-east-1"} })
			if tt.change == nil {
				tt.change = func(*kms.Options) {}
			}
			_, err := sdkClient(s.URL, tt.as, tt.change).ListKeys(t.Context(), tt.in)
			e, ok := errors.AsType[smithy.APIError](err)
			if !ok || e.ErrorCode() != tt.code {
				t.Errorf("error %v, want code %s", err, tt.code)
			}
		})
	}
}
