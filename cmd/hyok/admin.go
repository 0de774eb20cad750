package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"hyok/kmsfront/keystore"
)

const cloudHSMPath = "/cloudhsmv2"

// clockReading is what the admin API answers of the clock.
type clockReading struct {
	Now    time.Time `json:"now"`    // on the front end's clock
	Offset string    `json:"offset"` // ahead of the real one, as a Go duration
}

// admin is the loopback API of the workbench: clock, faults, credentials,
// clusters, VPC endpoint services and the data points of CloudWatch's metrics
// behind a bearer token, Prometheus metrics without. The CloudHSM v2 API, whose
// requests are signed, is served beside it.
func (w *workbench) admin(stores *keystore.Manager, cloudHSM http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Handle("/metrics/kmsfront", w.front.Handler())
	r.Handle("/metrics/xksproxy", w.behind.Handler())
	r.Handle(cloudHSMPath, cloudHSM)
	r.Handle(cloudHSMPath+"/", cloudHSM)
	r.Group(func(r chi.Router) {
		r.Use(w.bearer)
		r.Handle("/faults", w.faults.Handler())
		(&accepted{w: w}).routes(r)
		r.Handle("/getmetricdata", w.data)
		r.Handle(servicesPath, stores.ServicesHandler(func() error { return w.nameServices(stores) }))
		clusterRoutes(r, w.fleet)
		r.Get("/clock", w.showClock)
		r.Post("/clock/advance", w.advanceClock)
		r.Post("/clock/reset", func(rw http.ResponseWriter, req *http.Request) {
			w.clock.Reset()
			w.showClock(rw, req)
		})
	})
	return r
}

func (w *workbench) bearer(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + w.state.AdminToken))
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			adminError(rw, http.StatusUnauthorized, "the admin API needs the bearer token of HYOK_ADMIN_TOKEN")
			return
		}
		next.ServeHTTP(rw, r)
	})
}

func (w *workbench) showClock(rw http.ResponseWriter, _ *http.Request) {
	writeJSON(rw, clockReading{Now: w.clock.Now().UTC(), Offset: w.clock.Offset().String()})
}

func (w *workbench) advanceClock(rw http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.URL.Query().Get("by"))
	if err == nil {
		err = w.clock.Advance(d)
	}
	if err != nil {
		adminError(rw, http.StatusBadRequest, fmt.Sprintf("%v; give a duration such as 720h", err))
		return
	}
	w.showClock(rw, r)
}

func writeJSON(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v) // the client is gone if it fails
}

func adminError(rw http.ResponseWriter, status int, message string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(map[string]string{"error": message}) // the client is gone if it fails
}
