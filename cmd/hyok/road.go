package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Origins as the maps of a road have them.
const (
	software = string(types.OriginTypeAwsKms)
	hsmStore = string(types.OriginTypeAwsCloudhsm)
	external = string(types.OriginTypeExternalKeyStore)
)

// A road is a caller of a running hyok, with the key stores and keys it made.
type road struct {
	env    map[string]string // as in DIR/env
	client *kms.Client
	stores map[string]string // key store ID by origin
	keys   map[string]string // key ARN by origin
}

// newRoad calls through an AWS SDK that does not retry: a caller shall see each exception.
func newRoad(env map[string]string) *road {
	return &road{
		env: env, stores: map[string]string{}, keys: map[string]string{},
		client: kms.New(kms.Options{
			Region:           env["AWS_REGION"],
			BaseEndpoint:     aws.String(env["AWS_ENDPOINT_URL_KMS"]),
			Credentials:      credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""),
			RetryMaxAttempts: 1,
		}),
	}
}

// createExternal creates and connects an external key store.
func (r *road) createExternal(ctx context.Context) error {
	out, err := r.client.CreateCustomKeyStore(ctx, &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: aws.String("external"), CustomKeyStoreType: types.CustomKeyStoreTypeExternalKeyStore,
		XksProxyConnectivity: types.XksProxyConnectivityTypePublicEndpoint,
		XksProxyUriEndpoint:  aws.String(r.env["HYOK_XKS_URI_ENDPOINT"]), XksProxyUriPath: aws.String(uriPath),
		XksProxyAuthenticationCredential: &types.XksProxyAuthenticationCredentialType{
			AccessKeyId: aws.String(r.env["HYOK_XKS_ACCESS_KEY_ID"]), RawSecretAccessKey: aws.String(r.env["HYOK_XKS_SECRET_ACCESS_KEY"]),
		},
	})
	if err != nil {
		return err
	}
	r.stores[external] = aws.ToString(out.CustomKeyStoreId)
	return r.connect(ctx, external)
}

// createCloudHSM creates and connects a CloudHSM key store.
func (r *road) createCloudHSM(ctx context.Context) error {
	anchor, err := os.ReadFile(r.env["HYOK_TRUST_ANCHOR"])
	if err != nil {
		return err
	}
	out, err := r.client.CreateCustomKeyStore(ctx, &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: aws.String("cluster"), CustomKeyStoreType: types.CustomKeyStoreTypeAwsCloudhsm,
		CloudHsmClusterId: aws.String(r.env["HYOK_CLUSTER_ID"]), TrustAnchorCertificate: aws.String(string(anchor)),
		KeyStorePassword: aws.String(r.env["HYOK_KMSUSER_PASSWORD"]),
	})
	if err != nil {
		return err
	}
	r.stores[hsmStore] = aws.ToString(out.CustomKeyStoreId)
	return r.connect(ctx, hsmStore)
}

func (r *road) connect(ctx context.Context, origin string) error {
	id := aws.String(r.stores[origin])
	if _, err := r.client.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: id}); err != nil {
		return err
	}
	return r.await(ctx, origin, types.ConnectionStateTypeConnected)
}

// await waits until a key store is in a state. FAILED ends the wait.
func (r *road) await(ctx context.Context, origin string, want types.ConnectionStateType) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		out, err := r.client.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{
			CustomKeyStoreId: aws.String(r.stores[origin])})
		if err != nil && outcome(err) != exception("ThrottlingException", throttled) {
			return err
		}
		if err == nil {
			st := out.CustomKeyStores[0]
			if st.ConnectionState == want {
				return nil
			}
			if st.ConnectionState == types.ConnectionStateTypeFailed {
				return fmt.Errorf("the key store failed to connect: %s", st.ConnectionErrorCode)
			}
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil { // five a second is the quota
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// createKey makes a key of an origin.
func (r *road) createKey(ctx context.Context, origin string) error {
	in := &kms.CreateKeyInput{Origin: types.OriginType(origin)}
	if id, ok := r.stores[origin]; ok {
		in.CustomKeyStoreId = aws.String(id)
	}
	if origin == external {
		in.XksKeyId = aws.String(r.env["HYOK_XKS_KEY_ID"])
	}
	out, err := r.client.CreateKey(ctx, in)
	if err != nil {
		return err
	}
	r.keys[origin] = aws.ToString(out.KeyMetadata.Arn)
	return nil
}
