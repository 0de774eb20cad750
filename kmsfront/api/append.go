package api

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// The append functions write one member: a comma if it is not the first, the
// key (quoted, with its colon), the value. Those called Opt write nothing for
// an absent value; so do appendBlob, appendInteger, appendTime and appendMap.

func appendKey(b []byte, key string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(b, key...)
}

func appendQuoted(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // the error only says that bytes were replaced
	return b
}

func appendString(b []byte, key, s string) []byte {
	return appendQuoted(appendKey(b, key), s)
}

func appendOptString(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(b, key, s)
}

func appendBlob(b []byte, key string, data []byte) []byte {
	if data == nil {
		return b
	}
	b = append(appendKey(b, key), '"')
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(b, '"')
}

func appendInteger(b []byte, key string, n *int32) []byte {
	if n == nil {
		return b
	}
	return strconv.AppendInt(appendKey(b, key), int64(*n), 10)
}

func appendBool(b []byte, key string, v bool) []byte {
	return strconv.AppendBool(appendKey(b, key), v)
}

func appendOptBool(b []byte, key string, v *bool) []byte {
	if v == nil {
		return b
	}
	return appendBool(b, key, *v)
}

// appendTime writes epoch seconds with up to three decimals (guide 004:2663),
// never in scientific notation.
func appendTime(b []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = appendKey(b, key)
	ms := t.UnixMilli()
	if ms < 0 {
		b = append(b, '-')
		ms = -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if ms %= 1000; ms == 0 {
		return b
	}
	b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

func appendMap(b []byte, key string, m map[string]string) []byte {
	if m == nil {
		return b
	}
	b = append(appendKey(b, key), '{')
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, k), ':')
		b = appendQuoted(b, m[k])
	}
	return append(b, '}')
}

func appendStrings(b []byte, key string, list []string) []byte {
	b = append(appendKey(b, key), '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, s)
	}
	return append(b, ']')
}

func appendOptStrings(b []byte, key string, list []string) []byte {
	if list == nil {
		return b
	}
	return appendStrings(b, key, list)
}

// appender is a pointer to a structure: a typed nil is an absent member.
type appender[T any] interface {
	*T
	structureValue
}

func appendStruct[T any, P appender[T]](b []byte, key string, v P) []byte {
	if v == nil {
		return b
	}
	return v.appendJSON(appendKey(b, key))
}

func appendStructs[T any, P appender[T]](b []byte, key string, list []P) []byte {
	b = append(appendKey(b, key), '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.appendJSON(b)
	}
	return append(b, ']')
}

func appendOptStructs[T any, P appender[T]](b []byte, key string, list []P) []byte {
	if list == nil {
		return b
	}
	return appendStructs(b, key, list)
}
