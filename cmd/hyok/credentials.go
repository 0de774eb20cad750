package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/go-chi/chi/v5"

	"hyok/internal/sigv4"
	"hyok/proxy"
)

// accepted are the credentials that the running proxy accepts. state.json keeps them;
// the first is the one of DIR/env.
type accepted struct {
	mu sync.Mutex // held while they are changed
	w  *workbench
}

// shownCredential is what the admin API tells of a credential.
type shownCredential struct {
	ID string `json:"id"`
}

// newCredential is what the admin API takes.
type newCredential struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

func (c *accepted) routes(r chi.Router) {
	r.Get("/credentials", c.list)
	r.Post("/credentials", c.add)
	r.Delete("/credentials/{id}", c.remove)
}

func (s *state) proxyCredentials() []credential {
	return append([]credential{s.Proxy}, s.ProxyMore...)
}

func allSigV4(list []credential) []sigv4.Credential {
	var all []sigv4.Credential
	for _, c := range list {
		all = append(all, c.sigv4()...)
	}
	return all
}

func (c *accepted) list(rw http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	shown := []shownCredential{}
	for _, one := range c.w.state.proxyCredentials() {
		shown = append(shown, shownCredential{one.ID})
	}
	writeJSON(rw, shown)
}

func (c *accepted) add(rw http.ResponseWriter, r *http.Request) {
	var in newCredential
	err := json.NewDecoder(http.MaxBytesReader(rw, r.Body, 1<<12)).Decode(&in)
	if err != nil {
		adminError(rw, http.StatusBadRequest, "give JSON with id and secret")
		return
	}
	if err := checkCredential(in.ID, in.Secret); err != nil {
		adminError(rw, http.StatusBadRequest, err.Error())
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.w.state.proxyCredentials()
	if slices.ContainsFunc(all, func(o credential) bool { return o.ID == in.ID }) {
		adminError(rw, http.StatusConflict, fmt.Sprintf("the proxy has a credential %s already; remove that one, or add another", in.ID))
		return
	}
	c.answer(rw, in.ID, append(all, credential(in)))
}

func (c *accepted) remove(rw http.ResponseWriter, r *http.Request) {
	id := chi.URLParam(r, "id")
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.w.state.proxyCredentials()
	i := slices.IndexFunc(all, func(o credential) bool { return o.ID == id })
	switch {
	case i < 0:
		adminError(rw, http.StatusNotFound, fmt.Sprintf("the proxy has no credential %s; hyok credential list shows those it has", id))
	case len(all) == 1:
		adminError(rw, http.StatusConflict, fmt.Sprintf("%s is the last credential, and without one nobody could call the proxy; add another first", id))
	default:
		c.answer(rw, id, slices.Delete(all, i, i+1))
	}
}

// answer puts all in force and says so.
func (c *accepted) answer(rw http.ResponseWriter, id string, all []credential) {
	if err := c.set(all); err != nil {
		adminError(rw, http.StatusInternalServerError, err.Error())
		return
	}
	writeJSON(rw, shownCredential{id})
}

// set makes the proxy accept all, and remembers it. DIR/env follows the first.
func (c *accepted) set(all []credential) error {
	w, before := c.w, c.w.state.proxyCredentials()
	keep := func(list []credential) error {
		w.state.Proxy, w.state.ProxyMore = list[0], list[1:]
		return w.state.save(w.dir)
	}
	if err := keep(all); err != nil {
		w.state.Proxy, w.state.ProxyMore = before[0], before[1:]
		return err
	}
	if err := w.proxy.SetCredentials("", allSigV4(all)); err != nil {
		if kept := keep(before); kept != nil {
			return kept
		}
		return err
	}
	if all[0] == before[0] || w.env == nil { // nil: it is still to be written
		return nil
	}
	w.env["HYOK_XKS_ACCESS_KEY_ID"], w.env["HYOK_XKS_SECRET_ACCESS_KEY"] = all[0].ID, all[0].Secret
	return w.saveEnv()
}

// checkCredential checks the forms of both parts. The error does not show the secret.
func checkCredential(id, secret string) error {
	if err := proxy.CheckAccessKeyID(id); err != nil {
		return err
	}
	return proxy.CheckSecret(secret)
}
