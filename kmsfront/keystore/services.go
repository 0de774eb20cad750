package keystore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"hyok/kmsfront/store"
)

// Errors of the methods on services.
var (
	ErrNoService     = errors.New("there is no such VPC endpoint service")
	ErrServiceExists = errors.New("there is a VPC endpoint service of this name already")
)

// Services gives the simulated VPC endpoint services, in the order of their names.
func (m *Manager) Services() []Service {
	all := []Service{}
	for _, s := range m.services.All() {
		all = append(all, *s)
	}
	return all
}

// CreateService adds a service: ErrServiceExists, or an error that says what of
// it cannot be.
func (m *Manager) CreateService(ctx context.Context, s Service) error {
	if err := s.validate(); err != nil {
		return err
	}
	return store.Update(ctx, m.c.Store, func(tx *store.Tx) error {
		if _, ok := m.services.Read(tx, s.Name); ok {
			return fmt.Errorf("%w: %s", ErrServiceExists, s.Name)
		}
		return m.services.Put(tx, s.Name, &s)
	})
}

// ChangeService changes a service by fn, which gets a copy and may run more than
// once: ErrNoService, fn's error, or an error that says what cannot be. Key
// stores that are connected stay so; the next look at the service sees it.
func (m *Manager) ChangeService(ctx context.Context, name string, fn func(*Service) error) (Service, error) {
	var next Service
	err := store.Update(ctx, m.c.Store, func(tx *store.Tx) error {
		old, ok := m.services.Read(tx, name)
		if !ok {
			return fmt.Errorf("%w: %s", ErrNoService, name)
		}
		next = *old
		next.Principals, next.Targets = slices.Clone(old.Principals), slices.Clone(old.Targets)
		if err := fn(&next); err != nil {
			return err
		}
		if next.Name != name {
			return errors.New("the name of a VPC endpoint service cannot be changed")
		}
		if err := next.validate(); err != nil {
			return err
		}
		return m.services.Put(tx, name, &next)
	})
	return next, err
}

// DeleteService removes a service, also one that a key store uses: ErrNoService.
func (m *Manager) DeleteService(ctx context.Context, name string) error {
	return store.Update(ctx, m.c.Store, func(tx *store.Tx) error {
		if _, ok := m.services.Read(tx, name); !ok {
			return fmt.Errorf("%w: %s", ErrNoService, name)
		}
		m.services.Delete(tx, name)
		return nil
	})
}

// resolve says where the endpoint of r is dialled. A private DNS name leads to
// what is behind its service (guide 004:20689-20691).
func (m *Manager) resolve(r *Record) map[string]string {
	if r.Proxy.Service == "" {
		return m.c.Resolve
	}
	targets := m.c.ServiceTarget
	if s, _, ok := m.services.Get(r.Proxy.Service); ok {
		targets = cmp.Or(strings.Join(s.Targets, ","), targets)
	}
	u, err := url.Parse(r.Proxy.Endpoint)
	if err != nil || targets == "" {
		return m.c.Resolve
	}
	all := map[string]string{}
	maps.Copy(all, m.c.Resolve)
	all[u.Host], all[u.Hostname()] = targets, targets
	return all
}

// maxServiceBody is the largest service that ServicesHandler reads, in bytes.
const maxServiceBody = 16 << 10

// ServicesHandler serves the services at whatever path it is mounted:
//
//	GET                  200, an array of services
//	POST service         201, the service; members that are left out are as in NewService
//	PATCH ?name= members 200, the service with these members changed
//	DELETE ?name=        200, {"removed": 1}
//
// An error is {"error": "<one line>"}: 404 when there is no such service, 409
// when there is one already. changed, unless nil, is called after each change
// and before the answer, which it can make an error; one call at a time.
// ServicesHandler authenticates nobody.
func (m *Manager) ServicesHandler(changed func() error) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		status, answer, err := m.serveServices(w, r)
		if err == nil && status < http.StatusMultipleChoices && r.Method != http.MethodGet && changed != nil {
			err = changed()
		}
		if err != nil {
			status, answer = http.StatusBadRequest, map[string]string{"error": err.Error()}
			switch {
			case errors.Is(err, ErrNoService):
				status = http.StatusNotFound
			case errors.Is(err, ErrServiceExists):
				status = http.StatusConflict
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.MarshalWrite(w, answer) // the client is gone if it fails
	})
}

func (m *Manager) serveServices(w http.ResponseWriter, r *http.Request) (status int, answer any, err error) {
	name := r.URL.Query().Get("name")
	switch r.Method {
	case http.MethodGet:
		return http.StatusOK, m.Services(), nil
	case http.MethodDelete:
		return http.StatusOK, map[string]int{"removed": 1}, m.DeleteService(r.Context(), name)
	case http.MethodPost, http.MethodPatch:
	default:
		w.Header().Set("Allow", "GET, POST, PATCH, DELETE")
		return http.StatusMethodNotAllowed, map[string]string{"error": "use GET, POST, PATCH or DELETE"}, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxServiceBody))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the service: %w", err)
	}
	if r.Method == http.MethodPatch {
		s, err := m.ChangeService(r.Context(), name, func(s *Service) error { return decodeService(body, s) })
		return http.StatusOK, s, err
	}
	var named struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(body, &named); err != nil {
		return 0, nil, fmt.Errorf("reading the service: %w", err)
	}
	s := NewService(named.Name)
	if err := decodeService(body, &s); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, s, m.CreateService(r.Context(), s)
}

// decodeService puts the members in body into s.
func decodeService(body []byte, s *Service) error {
	if err := json.Unmarshal(body, s, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("reading the service: %w", err)
	}
	return nil
}
