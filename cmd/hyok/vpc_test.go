package main

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

const (
	privateService = "com.amazonaws.vpce.us-east-1.vpce-svc-1a2b"
	privateName    = "myproxy-private.xks.example.com"
)

// createPrivate creates an external key store behind the VPC endpoint service.
func (r *running) createPrivate(ctx context.Context) error {
	out, err := r.client.CreateCustomKeyStore(ctx, &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: aws.String("private"), CustomKeyStoreType: types.CustomKeyStoreTypeExternalKeyStore,
		XksProxyConnectivity:           types.XksProxyConnectivityTypeVpcEndpointService,
		XksProxyVpcEndpointServiceName: aws.String(privateService),
		XksProxyUriEndpoint:            aws.String("https://" + privateName), XksProxyUriPath: aws.String(uriPath),
		XksProxyAuthenticationCredential: &types.XksProxyAuthenticationCredentialType{
			AccessKeyId: aws.String(r.env["HYOK_XKS_ACCESS_KEY_ID"]), RawSecretAccessKey: aws.String(r.env["HYOK_XKS_SECRET_ACCESS_KEY"]),
		},
	})
	if err == nil {
		r.stores[external] = aws.ToString(out.CustomKeyStoreId)
	}
	return err
}

// errorCode is the ConnectionErrorCode of the key store.
func (r *running) errorCode(ctx context.Context) string {
	out, err := r.client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: aws.String(r.stores[external])})
	must(r.t, err)
	return string(out.CustomKeyStores[0].ConnectionErrorCode)
}

func TestAKeyStoreBehindAnEndpointServiceOfTheWorkbench(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir(), "--quotas", "off")
	if got := outcome(r.createPrivate(ctx)); !strings.HasPrefix(got, "XksProxyVpcEndpointServiceNotFoundException") {
		t.Errorf("without a service: %s", got)
	}
	r.do("vpc-service", "create", privateService, "--private-dns", privateName)
	must(t, r.createPrivate(ctx))
	must(t, r.connect(ctx, external))
	must(t, r.createKey(ctx, external))
	blob := r.encrypt(ctx, external)
	r.opens(ctx, blob)

	// The certificate and the way to the proxy are there again after a restart.
	r.stop()
	r = r.again("--quotas", "off")
	r.opens(ctx, blob)

	// What becomes of the service shows when the key store is connected again.
	r.do("vpc-service", "set", privateService, "--acceptance-required")
	r.opens(ctx, blob)
	_, err := r.client.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: aws.String(r.stores[external])})
	must(t, err)
	must(t, r.await(ctx, external, types.ConnectionStateTypeDisconnected))
	if r.connect(ctx, external) == nil || r.errorCode(ctx) != "XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION" {
		t.Errorf("a service that requires acceptance is connected to, or fails with %s", r.errorCode(ctx))
	}
}
