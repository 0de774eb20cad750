package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// kills is how often hyok is killed while it writes.
const kills = 20

// acknowledged is what the front end answered with success before it was killed.
type acknowledged struct {
	mu           sync.Mutex
	descriptions map[string]string // by key ARN, the last one answered
	aliases      map[string]string // key ARN by alias name
}

// write changes keys until the front end is gone.
func (a *acknowledged) write(ctx context.Context, r *running, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		out, err := r.client.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String("first")})
		if err != nil {
			return
		}
		arn := aws.ToString(out.KeyMetadata.Arn)
		a.mu.Lock()
		a.descriptions[arn] = "first"
		a.mu.Unlock()
		alias := fmt.Sprintf("alias/%s-%d", name, i)
		if _, err := r.client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(alias), TargetKeyId: out.KeyMetadata.KeyId}); err != nil {
			return
		}
		a.mu.Lock()
		a.aliases[alias] = arn
		a.mu.Unlock()
		if _, err := r.client.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{
			KeyId: out.KeyMetadata.KeyId, Description: aws.String("second")}); err != nil {
			a.mu.Lock()
			a.descriptions[arn] = "" // either may hold: the answer was lost
			a.mu.Unlock()
			return
		}
		a.mu.Lock()
		a.descriptions[arn] = "second"
		a.mu.Unlock()
	}
}

func (a *acknowledged) check(ctx context.Context, r *running) {
	r.t.Helper()
	for arn, want := range a.descriptions {
		out, err := r.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(arn)})
		if err != nil {
			r.t.Errorf("an acknowledged key is lost: %v", err)
		} else if got := aws.ToString(out.KeyMetadata.Description); want != "" && got != want {
			r.t.Errorf("%s has the description %q, acknowledged was %q", arn, got, want)
		}
	}
	for alias, arn := range a.aliases {
		out, err := r.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(alias)})
		if err != nil {
			r.t.Errorf("an acknowledged alias is lost: %v", err)
		} else if got := aws.ToString(out.KeyMetadata.Arn); got != arn {
			r.t.Errorf("%s names %s, acknowledged was %s", alias, got, arn)
		}
	}
}

func TestKillDuringWritesLosesNothingAcknowledged(t *testing.T) {
	ctx := t.Context()
	r := up(t, t.TempDir(), "--quotas", "off")
	r.makeAll(ctx)
	blobs := map[string][]byte{}
	for _, origin := range allOrigins {
		blobs[origin] = r.encrypt(ctx, origin)
	}
	for i := range kills {
		a := &acknowledged{descriptions: map[string]string{}, aliases: map[string]string{}}
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() { a.write(ctx, r, fmt.Sprintf("kill-%d-%d", i, w)) })
		}
		<-time.After(time.Duration(30+13*i) * time.Millisecond)
		r.kill()
		writers.Wait()
		r = r.again("--quotas", "off")
		a.check(ctx, r)
		if len(a.aliases) == 0 && i > kills/2 {
			t.Errorf("kill %d came before anything was written", i)
		}
	}
	for _, origin := range allOrigins {
		r.opens(ctx, blobs[origin])
	}
	r.stop()
}
