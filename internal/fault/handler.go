package fault

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
)

// maxBody is the largest rule that Handler reads, in bytes.
const maxBody = 16 << 10

// Answers of Handler other than rules.
type (
	removedAnswer struct {
		Removed int `json:"removed"`
	}
	errorAnswer struct {
		Error string `json:"error"` // one line
	}
)

// Handler serves the rules at whatever path it is mounted:
//
//	GET            200, an array of rules, with how often each was applied
//	GET ?log=n     200, an array of the last n calls that suffered, the last one last
//	POST  rule     201, the rule as it was added, with its id
//	DELETE         200, {"removed": n}: every rule
//	DELETE ?id=a   the same for the rules named (id may be repeated); 404 when there is none of them
//
// An error is {"error": "<one line>"}. Handler authenticates nobody.
func (s *Set) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			s.serveGet(w, r)
		case http.MethodPost:
			s.servePost(w, r)
		case http.MethodDelete:
			s.serveDelete(w, r)
		default:
			w.Header().Set("Allow", "GET, POST, DELETE")
			answer(w, http.StatusMethodNotAllowed, errorAnswer{"use GET, POST or DELETE"})
		}
	})
}

func (s *Set) serveGet(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query().Get("log")
	if asked == "" {
		answer(w, http.StatusOK, append([]Rule{}, s.List()...))
		return
	}
	n, err := strconv.Atoi(asked)
	if err != nil || n < 1 {
		answer(w, http.StatusBadRequest, errorAnswer{"log: must be a whole number of at least 1"})
		return
	}
	answer(w, http.StatusOK, append([]Applied{}, s.Log(n)...))
}

func (s *Set) servePost(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status = http.StatusRequestEntityTooLarge
		}
		answer(w, status, errorAnswer{"reading the fault: " + err.Error()})
		return
	}
	var rule Rule
	if err := rule.UnmarshalJSON(body); err != nil {
		answer(w, http.StatusBadRequest, errorAnswer{err.Error()})
		return
	}
	rule, err = s.add(rule)
	switch {
	case errors.Is(err, ErrDisabled):
		answer(w, http.StatusNotFound, errorAnswer{err.Error()})
	case err != nil:
		answer(w, http.StatusBadRequest, errorAnswer{err.Error()})
	default:
		answer(w, http.StatusCreated, rule)
	}
}

func (s *Set) serveDelete(w http.ResponseWriter, r *http.Request) {
	ids := r.URL.Query()["id"]
	removed := s.Clear(ids...)
	if len(ids) > 0 && removed == 0 {
		answer(w, http.StatusNotFound, errorAnswer{"there is no fault with this id, GET lists them"})
		return
	}
	answer(w, http.StatusOK, removedAnswer{removed})
}

// answer writes v. That it does not reach the caller is the caller's loss: there
// is nobody else to tell.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, v)
}
