package proxy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"hyok/hsm"
	"hyok/internal/metrics"
	"hyok/proxy/xks"
)

// What the proxy calls itself (XKS fact 69).
const (
	vendor = "hyok"
	model  = "xksproxy"
	// unnamed stands for what a device leaves empty: the protocol does not.
	unnamed = "unknown"
)

// getHealthStatus serves GetHealthStatus (XKS facts 69 to 74).
func (x *exchange) getHealthStatus() *refusal {
	var req xks.GetHealthStatusRequest
	if _, f := x.decode(&req, &req.RequestMetadata); f != nil {
		return f
	}
	if x.store.Disabled {
		return failure(xks.InvalidStateException, "this key store is disabled")
	}
	// A little of the time is kept for the answer.
	ctx, cancel := context.WithTimeout(x.ctx, x.store.deadline*3/4)
	defer cancel()
	defer x.timeHSM(time.Now())
	return x.answer(healthStatus(x.store.memberHealth(ctx)))
}

// A memberHealth is how a member of the store's device is: by itself, and as a
// part of its group.
type memberHealth struct {
	hsm.Health
	flaw error
}

// memberHealth asks all members at the same time.
func (st *store) memberHealth(ctx context.Context) []memberHealth {
	all := make([]memberHealth, len(st.monitors))
	var asked sync.WaitGroup
	for i, m := range st.monitors {
		asked.Go(func() { all[i].Health = m.health(ctx) })
	}
	asked.Wait()
	for i, m := range st.Token.Members() {
		all[i].flaw = m.Flaw
	}
	return all
}

// status is the word for it (XKS fact 70).
func (m memberHealth) status() string {
	switch {
	case !m.OK:
		return xks.HealthUnavailable
	case m.Warning != nil || m.flaw != nil:
		return xks.HealthDegraded
	}
	return xks.HealthActive
}

func healthStatus(members []memberHealth) *xks.GetHealthStatusResponse {
	r := &xks.GetHealthStatusResponse{
		XksProxyFleetSize: 1,
		XksProxyVendor:    vendor,
		XksProxyModel:     model + " " + metrics.Version(),
	}
	var vendors []string
	seen := make(map[string]bool)
	for i, m := range members {
		if v := cmp.Or(m.Manufacturer, unnamed); !slices.Contains(vendors, v) {
			vendors = append(vendors, v)
		}
		id := cmp.Or(m.Serial, m.Label, unnamed)
		if seen[id] { // all tokens of NSS have one serial number
			id = fmt.Sprintf("%s/%d", id, i+1)
		}
		seen[id] = true
		r.EkmFleetDetails = append(r.EkmFleetDetails, xks.EKMFleetDetail{ID: id, Model: cmp.Or(m.Model, unnamed), HealthStatus: m.status()})
	}
	r.EkmVendor = strings.Join(vendors, ", ")
	return r
}
