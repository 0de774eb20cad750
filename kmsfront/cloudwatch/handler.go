package cloudwatch

import (
	"encoding/json"
	"net/http"
)

// Handler answers a POST with a Request in JSON by a Response; a request that is
// wrong by status 400 and an object with the member error.
func (m *Metrics) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			answer(w, http.StatusMethodNotAllowed, map[string]string{"error": "the request for data is a POST with a JSON body"})
			return
		}
		in, err := Decode(r.Body)
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		answer(w, http.StatusOK, m.Get(in))
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone if it fails
}
