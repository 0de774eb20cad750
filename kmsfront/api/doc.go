// Package api is the wire of the KMS API: AWS JSON 1.1 over HTTP.
//
// What can be read off the KMS API model is generated (zz_*.go, from model/ by
// internal/gen): structs, operations, enum values, error codes, decoding with
// validation, encoding. The rest is written by hand: walking the JSON, the
// wording of complaints, and the handler that verifies the signature before it
// decodes anything.
//
// A body is checked once by jsontext, as a whole; after that the readers walk
// the raw bytes and can trust their syntax. Members are read in the model's
// order, so the complaints of a ValidationException come in that order however
// the caller ordered the members. Members the model does not know are ignored,
// and of two members with one name the last counts, as in the Java parser
// behind AWS's own endpoint.
//
// Limits: times have milliseconds; enum value sets are listed in the model's
// order, AWS lists them in one that changes from release to release.
package api

//go:generate go run ./internal/gen
