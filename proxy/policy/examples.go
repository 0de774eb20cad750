package policy

import (
	"embed"
	"io/fs"
)

//go:embed examples/*.cedar
var examples embed.FS

// Examples are policy files to begin with, NAME.cedar each. Accounts, roles and
// endpoints in them are to be replaced.
func Examples() fs.FS {
	sub, err := fs.Sub(examples, "examples")
	if err != nil { // the name is a constant that fs.Sub accepts
		panic(err)
	}
	return sub
}
