package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"hyok/proxy/cluster"
)

// What the admin API takes and gives of clusters.
type (
	clusterView struct {
		ID         string               `json:"id"`
		Account    string               `json:"account"`
		Region     string               `json:"region"`
		State      string               `json:"state"`
		Subnets    []string             `json:"subnets"`
		Group      cluster.Group        `json:"securityGroup"`
		HSMs       []hsmView            `json:"hsms"`
		Attached   []cluster.Attachment `json:"attached"`
		Sessions   *int                 `json:"sessions,omitempty"`
		Busy       bool                 `json:"busy"`
		CSR        string               `json:"csr,omitempty"`
		BackedFrom string               `json:"sourceBackup,omitempty"`
	}
	hsmView struct {
		ID     string `json:"id"`
		Zone   string `json:"zone"`
		State  string `json:"state"`
		Subnet string `json:"subnet"`
		ENI    string `json:"eni"`
		IP     string `json:"ip"`
	}
	userView struct {
		Name      string `json:"name"`
		Type      string `json:"type"`
		TwoFactor bool   `json:"twoFactor"`
		Failures  int    `json:"failures"`
		Locked    bool   `json:"locked"`
		LoggedIn  bool   `json:"loggedIn"` // with a command, not by AWS KMS
	}
	keyView struct {
		Handle    string `json:"handle"`
		Label     string `json:"label"`
		BackingID string `json:"backingKeyId"`
		Owner     string `json:"owner"`
	}
	backupView struct {
		ID      string    `json:"id"`
		Cluster string    `json:"cluster"`
		Region  string    `json:"region"`
		State   string    `json:"state"`
		Created time.Time `json:"created"`
	}
	subnetView struct {
		ID   string `json:"id"`
		Zone string `json:"zone"`
		CIDR string `json:"cidr"`
		Free int    `json:"free"`
	}
	clusterOrder struct { // what a POST asks for; each path uses some of it
		Zone        string   `json:"zone,omitempty"`
		Name        string   `json:"name,omitempty"`
		Type        string   `json:"type,omitempty"`
		Password    string   `json:"password,omitempty"`
		TwoFactor   bool     `json:"twoFactor,omitempty"`
		Subnets     []string `json:"subnets,omitempty"`
		Free        *int     `json:"free,omitempty"`
		Sessions    *int     `json:"sessions,omitempty"`
		Busy        bool     `json:"busy,omitempty"`
		Open        bool     `json:"open,omitempty"`
		SignedCert  string   `json:"signedCert,omitempty"`
		TrustAnchor string   `json:"trustAnchor,omitempty"`
	}
)

// A clusterCall is a request of the admin API about clusters.
type clusterCall struct {
	context.Context
	f     *cluster.Fleet
	id    string // of the cluster in the path
	name  string // of what is below it
	order clusterOrder
}

// clusterRoutes serves a fleet to the commands, a row a path. Lists are of the
// cluster in the path.
func clusterRoutes(r chi.Router, f *cluster.Fleet) {
	for _, row := range []struct {
		method, path string
		do           func(*clusterCall) (any, error)
	}{
		{"GET", "/clusters", (*clusterCall).clusters},
		{"GET", "/clusters/{id}", (*clusterCall).cluster},
		{"POST", "/clusters/{id}/initialize", (*clusterCall).initialize},
		{"POST", "/clusters/{id}/hsms", (*clusterCall).addHSM},
		{"DELETE", "/clusters/{id}/hsms/{name}", (*clusterCall).removeHSM},
		{"POST", "/clusters/{id}/limits", (*clusterCall).limit},
		{"POST", "/clusters/{id}/security-group", (*clusterCall).group},
		{"GET", "/clusters/{id}/users", (*clusterCall).users},
		{"POST", "/clusters/{id}/users", (*clusterCall).createUser},
		{"DELETE", "/clusters/{id}/users/{name}", (*clusterCall).deleteUser},
		{"POST", "/clusters/{id}/users/{name}/password", (*clusterCall).setPassword},
		{"POST", "/clusters/{id}/users/{name}/lock", (*clusterCall).lock},
		{"POST", "/clusters/{id}/users/{name}/unlock", (*clusterCall).unlock},
		{"POST", "/clusters/{id}/users/{name}/login", (*clusterCall).logIn},
		{"POST", "/clusters/{id}/users/{name}/logout", (*clusterCall).logOut},
		{"GET", "/clusters/{id}/keys", (*clusterCall).keys},
		{"DELETE", "/clusters/{id}/keys/{name}", (*clusterCall).deleteKey},
		{"GET", "/clusters/{id}/backups", (*clusterCall).backups},
		{"POST", "/clusters/{id}/backups", (*clusterCall).backUp},
		{"POST", "/clusters/{id}/backups/{name}/restore", (*clusterCall).restore},
		{"GET", "/clusters/{id}/subnets", (*clusterCall).subnets},
		{"POST", "/clusters/{id}/subnets", (*clusterCall).createSubnet},
		{"POST", "/clusters/{id}/subnets/{name}", (*clusterCall).setSubnet},
		{"DELETE", "/clusters/{id}/subnets/{name}", (*clusterCall).deleteSubnet},
	} {
		r.MethodFunc(row.method, row.path, func(rw http.ResponseWriter, req *http.Request) {
			c := &clusterCall{Context: req.Context(), f: f, id: chi.URLParam(req, "id"), name: chi.URLParam(req, "name")}
			if row.method == http.MethodPost {
				d := json.NewDecoder(http.MaxBytesReader(rw, req.Body, 1<<20))
				d.DisallowUnknownFields()
				if err := d.Decode(&c.order); err != nil {
					adminError(rw, http.StatusBadRequest, "the body is not a request of this path")
					return
				}
			}
			out, err := row.do(c)
			if err != nil {
				clusterError(rw, err)
				return
			}
			writeJSON(rw, out)
		})
	}
}

func clusterError(rw http.ResponseWriter, err error) {
	var refused *cluster.Error
	switch {
	case !errors.As(err, &refused):
		adminError(rw, http.StatusInternalServerError, err.Error())
	case refused.Kind == cluster.NotFound:
		adminError(rw, http.StatusNotFound, refused.Message)
	default:
		adminError(rw, http.StatusConflict, refused.Message)
	}
}
