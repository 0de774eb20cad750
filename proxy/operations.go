package proxy

import (
	"net/http"
)

// Operations serves what operators and balancers want, for a listener of its
// own: /metrics, /livez (the process answers) and /readyz (it takes requests,
// and at least one device is well), each for GET (XKS fact 75).
func (s *Server) Operations() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.registry.Handler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "live") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := s.Unready(); why != "" {
			writeText(w, http.StatusServiceUnavailable, why)
			return
		}
		writeText(w, http.StatusOK, "ready")
	})
	return mux
}

// Unready says why the proxy wants no requests, as /readyz does; "" when it wants them.
func (s *Server) Unready() string {
	if s.draining.Load() {
		return "shutting down"
	}
	for _, m := range s.state.Load().monitors {
		if m.cached().OK {
			return ""
		}
	}
	return "no device is available"
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client is gone: nobody to tell
}
