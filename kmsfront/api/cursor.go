package api

// The functions here walk JSON whose syntax has been checked: they look for the
// bytes that end a value and do not judge what lies between.

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// skipSpace gives the first place at or after i that holds no white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// trim removes white space around a value.
func trim(b []byte) []byte {
	b = b[skipSpace(b, 0):]
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// skipString gives the place after the string that starts at i.
func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue gives the place after the value that starts at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	for i < len(b) && !isSpace(b[i]) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

// skipNested gives the place after the object or list that starts at i.
func skipNested(b []byte, i int) int {
	for depth := 0; ; {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
}

// A walker goes through the elements of a list or the members of an object.
type walker struct {
	b []byte
	i int
}

// walk starts inside the object or list raw.
func walk(raw []byte) walker { return walker{b: raw, i: 1} }

// more moves to the next element and reports whether there is one.
func (w *walker) more() bool {
	w.i = skipSpace(w.b, w.i)
	if w.b[w.i] == ',' {
		w.i = skipSpace(w.b, w.i+1)
	}
	return w.b[w.i] != ']' && w.b[w.i] != '}'
}

// value gives the value that starts here and moves behind it.
func (w *walker) value() []byte {
	start := w.i
	w.i = skipValue(w.b, start)
	return w.b[start:w.i]
}

// name gives the quoted member name that starts here and moves to its value.
func (w *walker) name() []byte {
	name := w.value()
	w.i = skipSpace(w.b, skipSpace(w.b, w.i)+1)
	return name
}
