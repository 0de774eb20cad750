package quota

import (
	"fmt"
	"slices"
	"strings"

	"hyok/internal/config"
)

// maxRate keeps a bucket's burst within an int on every machine.
const maxRate = 1e9

// File is a quotas file. What it leaves out has the guide's default.
type File struct {
	// Requests maps a quota's name to requests a second, more than 0; 0.5 is one
	// in two seconds. GenerateDataKeyPair stands for every pair spec that is not
	// named by itself, as in GenerateDataKeyPair-RSA_2048.
	Requests map[string]float64 `yaml:"requests"`
	// Resources maps a quota's name to a number, 1 or more.
	Resources map[string]int `yaml:"resources"`
}

// LoadFile reads a quotas file in YAML or JSON. Its errors are one line with file,
// line, what and how to mend it.
func LoadFile(path string) (*File, error) {
	f := new(File)
	if err := config.Load(path, f); err != nil {
		return nil, err
	}
	return f, nil
}

// Validate refuses names that are no quota, quotas that the guide calls not
// adjustable (guide 004:23403, 23485, 23714) and numbers that are no quota, each
// with a config.FieldError. The first in the order of names is reported.
func (f File) Validate() error {
	requests, resources := adjustable()
	for _, name := range sorted(f.Requests) {
		v := f.Requests[name]
		if err := checkName("requests", name, requests); err != nil {
			return err
		}
		if !(v > 0 && v <= maxRate) { // NaN fails too
			return config.FieldError{Field: "requests." + name,
				Msg: fmt.Sprintf("a rate is more than 0 and at most %.0f requests a second; `--quotas off` lifts all quotas", float64(maxRate))}
		}
	}
	for _, name := range sorted(f.Resources) {
		if err := checkName("resources", name, resources); err != nil {
			return err
		}
		if f.Resources[name] < 1 {
			return config.FieldError{Field: "resources." + name, Msg: "a number of resources is 1 or more; `--quotas off` lifts all quotas"}
		}
	}
	return nil
}

// request is the file's value for a row of requestTable.
func (f File) request(name string) (float64, bool) {
	if v, ok := f.Requests[name]; ok {
		return v, true
	}
	if strings.HasPrefix(name, namePair+"-") {
		v, ok := f.Requests[namePair]
		return v, ok
	}
	return 0, false
}

// adjustable lists the names of the two tables; false is what cannot be adjusted.
func adjustable() (requests, resources map[string]bool) {
	requests = map[string]bool{namePair: true}
	for _, r := range requestTable {
		requests[r.name] = !r.fixed
	}
	resources = make(map[string]bool)
	for _, r := range resourceTable {
		resources[r.name] = !r.fixed
	}
	return requests, resources
}

// sharedNames tells what to set instead for an operation without its own quota.
var sharedNames = map[charge]string{
	symmetric: NameSymmetric,
	elliptic:  NameECC,
	byKey:     NameSymmetric + ", " + NameRSA + ", " + NameECC + " or " + NameSM2,
	byPair:    namePair + " for all pair specs, or one as in " + namePair + "-RSA_2048",
}

func checkName(section, name string, known map[string]bool) error {
	can, ok := known[name]
	switch {
	case !ok && section == "requests" && chargeTable[name] != own:
		return config.FieldError{Field: section + "." + name,
			Msg: fmt.Sprintf("%s has no quota of its own; set %s", name, sharedNames[chargeTable[name]])}
	case !ok:
		return config.FieldError{Field: section + "." + name,
			Msg: "no such quota; " + config.Suggest(name, settable(known))}
	case !can:
		return config.FieldError{Field: section + "." + name,
			Msg: "AWS KMS does not let this quota be adjusted; leave it out"}
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// settable gives the names that a file may set.
func settable(known map[string]bool) []string {
	return slices.DeleteFunc(sorted(known), func(name string) bool { return !known[name] })
}
