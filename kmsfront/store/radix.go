package store

import (
	"slices"
	"strings"
)

// node is an immutable radix tree: a sorted map from strings to *V of which any
// number of versions can be read at once. put and remove give a new tree that
// shares all but the path to the key with the old one; nil is the empty tree.
//
// A table needs just this: readers without locks, changes to many records that
// show at once, iteration in the order of the keys, and counts of a prefix. A
// look-up follows a few nodes (a step for each place where keys part), not a
// comparison of whole keys for each level.
type node[V any] struct {
	prefix   string     // what the keys below have in common after the parent's prefix
	value    *V         // nil: no key ends here
	labels   string     // the first byte of each child's prefix, ascending
	children []*node[V] // as labels
	size     int        // keys at and below this node
}

// get gives the value of key, nil when there is none.
func (n *node[V]) get(key string) *V {
	for n != nil && strings.HasPrefix(key, n.prefix) {
		key = key[len(n.prefix):]
		if key == "" {
			return n.value
		}
		i := strings.IndexByte(n.labels, key[0])
		if i < 0 {
			return nil
		}
		n = n.children[i]
	}
	return nil
}

// put gives the tree with key set to v.
func (n *node[V]) put(key string, v *V) *node[V] {
	if n == nil {
		return &node[V]{prefix: key, value: v, size: 1}
	}
	c := *n
	common := commonPrefix(n.prefix, key)
	if common < len(n.prefix) { // a key parts from the others inside this prefix
		c.prefix = n.prefix[common:]
		parent := &node[V]{prefix: key[:common], labels: c.prefix[:1], children: []*node[V]{&c}, size: c.size}
		return parent.put(key, v)
	}
	rest := key[common:]
	if rest == "" {
		if c.value == nil {
			c.size++
		}
		c.value = v
		return &c
	}
	i := strings.IndexByte(c.labels, rest[0])
	if i < 0 {
		i, _ = slices.BinarySearch([]byte(c.labels), rest[0])
		c.labels = c.labels[:i] + rest[:1] + c.labels[i:]
		c.children = slices.Insert(slices.Clone(c.children), i, (*node[V])(nil).put(rest, v))
		c.size++
		return &c
	}
	return c.replace(i, n.children[i].put(rest, v))
}

// remove gives the tree without key.
func (n *node[V]) remove(key string) *node[V] {
	if n.get(key) == nil {
		return n
	}
	c := *n
	rest := key[len(n.prefix):]
	if rest == "" {
		c.value = nil
		c.size--
		return c.compact()
	}
	i := strings.IndexByte(c.labels, rest[0])
	if child := c.children[i].remove(rest); child != nil {
		return c.replace(i, child)
	}
	c.labels = c.labels[:i] + c.labels[i+1:]
	c.children = slices.Delete(slices.Clone(c.children), i, i+1)
	c.size--
	return c.compact()
}

// replace puts child i of a node that nobody else holds yet.
func (n *node[V]) replace(i int, child *node[V]) *node[V] {
	n.size += child.size - n.children[i].size
	n.children = slices.Clone(n.children)
	n.children[i] = child
	return n
}

// compact drops a node that holds nothing, and joins one that holds a single child with it.
func (n *node[V]) compact() *node[V] {
	switch {
	case n.value != nil || len(n.children) > 1:
		return n
	case len(n.children) == 0:
		return nil
	}
	c := *n.children[0]
	c.prefix = n.prefix + c.prefix
	return &c
}

// under gives the part of the tree whose keys start with prefix, nil for none, and
// how many bytes of those keys lie above it.
func (n *node[V]) under(prefix string) (sub *node[V], depth int) {
	for n != nil {
		rest := prefix[depth:]
		if strings.HasPrefix(n.prefix, rest) {
			return n, depth
		}
		if !strings.HasPrefix(rest, n.prefix) {
			return nil, 0
		}
		depth += len(n.prefix)
		i := strings.IndexByte(n.labels, prefix[depth])
		if i < 0 {
			return nil, 0
		}
		n = n.children[i]
	}
	return nil, 0
}

// count is the number of keys that start with prefix.
func (n *node[V]) count(prefix string) int {
	if sub, _ := n.under(prefix); sub != nil {
		return sub.size
	}
	return 0
}

// scan yields the values whose keys start with prefix and come after a key, in the
// order of the keys; after "" all of them.
func (n *node[V]) scan(prefix, after string, yield func(*V) bool) {
	sub, depth := n.under(prefix)
	switch {
	case sub == nil:
	case after == "" || after < prefix:
		sub.all(yield)
	case strings.HasPrefix(after, prefix):
		sub.beyond(after[depth:], yield)
	}
}

func (n *node[V]) all(yield func(*V) bool) bool {
	if n.value != nil && !yield(n.value) {
		return false
	}
	for _, c := range n.children {
		if !c.all(yield) {
			return false
		}
	}
	return true
}

// beyond is all for the keys after one, which is given without what lies above n.
func (n *node[V]) beyond(after string, yield func(*V) bool) bool {
	rest, ok := strings.CutPrefix(after, n.prefix)
	if !ok {
		return n.prefix < after || n.all(yield)
	}
	for i, c := range n.children {
		switch {
		case rest == "" || n.labels[i] > rest[0]:
			ok = c.all(yield)
		case n.labels[i] == rest[0]:
			ok = c.beyond(rest, yield)
		}
		if !ok {
			return false
		}
	}
	return true
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
