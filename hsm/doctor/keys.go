package doctor

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"

	"hyok/hsm"
)

// maxListed bounds how many keys of a token are examined one by one.
const maxListed = 100

// keys examines the keys that must be there, or all that are.
func (p *patient) keys() []Step {
	labels := p.token.Keys
	var found []Step
	if p.token.AllKeys {
		handles, err := p.find("")
		switch {
		case err != "":
			return one(Failed, err, "check the device")
		case len(handles) == 0:
			return one(Warning, "the token has no secret key", "make one: AES-256, sensitive, not extractable, encrypts and decrypts")
		case len(handles) > maxListed:
			found = one(Warning, fmt.Sprintf("the token has more than %d secret keys; only so many are examined", maxListed), "name the keys in the configuration")
		}
		labels = p.labels(handles)
		for _, label := range p.token.Keys {
			if !slices.Contains(labels, label) {
				labels = append(labels, label)
			}
		}
	}
	for _, label := range labels {
		s := p.examineKey(label)
		s.Subject = label
		found = append(found, s)
	}
	return found
}

// labels gives each label of the keys once.
func (p *patient) labels(handles []pkcs11.ObjectHandle) (all []string) {
	seen := make(map[string]bool)
	for _, h := range handles {
		label := string(p.attribute(h, pkcs11.CKA_LABEL))
		if !seen[label] && len(all) < maxListed {
			all = append(all, label)
		}
		seen[label] = true
	}
	return all
}

// find finds the secret keys on the token of that label; "" finds all.
func (p *patient) find(label string) (handles []pkcs11.ObjectHandle, failed string) {
	template := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
	}
	if label != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	}
	if err := p.p11.FindObjectsInit(p.session, template); err != nil {
		return nil, code("C_FindObjectsInit", err)
	}
	for len(handles) <= maxListed {
		some, _, err := p.p11.FindObjects(p.session, maxListed)
		if err != nil {
			_ = p.p11.FindObjectsFinal(p.session)
			return nil, code("C_FindObjects", err)
		}
		if len(some) == 0 {
			break
		}
		handles = append(handles, some...)
	}
	if err := p.p11.FindObjectsFinal(p.session); err != nil {
		return nil, code("C_FindObjectsFinal", err)
	}
	return handles, ""
}

// attribute gives an attribute's value; nil when the key has none.
func (p *patient) attribute(h pkcs11.ObjectHandle, kind uint) []byte {
	got, err := p.p11.GetAttributeValue(p.session, h, []*pkcs11.Attribute{pkcs11.NewAttribute(kind, nil)})
	if err != nil || len(got) != 1 {
		return nil
	}
	return got[0].Value
}

func (p *patient) flag(h pkcs11.ObjectHandle, kind uint) bool {
	v := p.attribute(h, kind)
	return len(v) == 1 && v[0] != 0
}

func (p *patient) number(h pkcs11.ObjectHandle, kind uint) (n uint64, known bool) {
	v := p.attribute(h, kind)
	if len(v) != 8 {
		return 0, false
	}
	return binary.NativeEndian.Uint64(v), true
}

func (p *patient) examineKey(label string) Step {
	if label == "" {
		return Step{Status: Warning, Detail: "a key has no label, so the proxy cannot use it", Do: "give it one with the vendor's tool, or leave it"}
	}
	handles, err := p.find(label)
	switch {
	case err != "":
		return Step{Status: Failed, Detail: err, Do: "check the device"}
	case len(handles) == 0:
		return Step{Status: Failed, Detail: "no secret key of this label is on the token", Do: "make the key, or correct its label; is it on another token, or private to another user?"}
	}
	versions := make(map[uint32][]pkcs11.ObjectHandle)
	for _, h := range handles {
		v := hsm.VersionOf(p.attribute(h, pkcs11.CKA_ID))
		versions[v] = append(versions[v], h)
	}
	if len(versions[1]) > 1 {
		return Step{Status: Failed, Detail: "several secret keys have this label, and no version in their CKA_ID", Do: "give each a label of its own: which one is meant cannot be told"}
	}
	return p.examineVersions(versions)
}

// examineVersions examines each version of a key, and gives the worst step.
func (p *patient) examineVersions(versions map[uint32][]pkcs11.ObjectHandle) Step {
	var worst Step
	for _, v := range slices.Sorted(maps.Keys(versions)) {
		for _, h := range versions[v] {
			s := p.examineVersion(h)
			if len(versions) > 1 && s.Status != OK {
				s.Detail = fmt.Sprintf("version %d: %s", v, s.Detail)
			}
			if worst.Status == "" || worst.Status == OK || s.Status == Failed {
				worst = s
			}
		}
	}
	if len(versions) > 1 && worst.Status == OK {
		worst.Detail += fmt.Sprintf("; %d versions", len(versions))
	}
	return worst
}

// examineVersion looks at one key.
func (p *patient) examineVersion(h pkcs11.ObjectHandle) Step {
	if kind, ok := p.number(h, pkcs11.CKA_KEY_TYPE); !ok || kind != pkcs11.CKK_AES {
		return Step{Status: Failed, Detail: "it is not an AES key", Do: "KMS takes AES-256 keys only: make another"}
	}
	if size, ok := p.number(h, pkcs11.CKA_VALUE_LEN); ok && size != 32 {
		return Step{Status: Failed, Detail: fmt.Sprintf("it is an AES key of %d bits", 8*size), Do: "KMS takes AES-256 keys only: make another"}
	}
	return p.examineUse(h)
}

// exposures are the attributes that let a key leave the device.
var exposures = []struct {
	attribute uint
	bad       bool
	says      string
}{
	{pkcs11.CKA_SENSITIVE, false, "it is not sensitive: its value can be read"},
	{pkcs11.CKA_EXTRACTABLE, true, "it is extractable: another key can wrap it out of the device"},
	{pkcs11.CKA_WRAP, true, "it may wrap other keys out of the device"},
	{pkcs11.CKA_PRIVATE, false, "it is not private: it is seen without a login"},
}

// examineUse looks at what an AES-256 key may do and what may be done to it.
func (p *patient) examineUse(h pkcs11.ObjectHandle) Step {
	encrypt, decrypt := p.flag(h, pkcs11.CKA_ENCRYPT), p.flag(h, pkcs11.CKA_DECRYPT)
	switch {
	case !encrypt && !decrypt:
		return Step{Status: Warning, Detail: "AES-256, disabled: it neither encrypts nor decrypts", Do: "set CKA_ENCRYPT and CKA_DECRYPT to enable it"}
	case !encrypt || !decrypt:
		return Step{Status: Failed, Detail: "it has one of the usages encrypt and decrypt only", Do: "set both CKA_ENCRYPT and CKA_DECRYPT"}
	}
	var exposed []string
	for _, r := range exposures {
		if v := p.attribute(h, r.attribute); len(v) == 1 && (v[0] != 0) == r.bad {
			exposed = append(exposed, r.says)
		}
	}
	if len(exposed) > 0 {
		return Step{Status: Warning, Detail: "AES-256; " + strings.Join(exposed, "; "), Do: "make a key that is sensitive, private, not extractable and does not wrap; keep this one for what it has encrypted"}
	}
	return Step{Status: OK, Detail: "AES-256, encrypts and decrypts, sensitive, not extractable"}
}
