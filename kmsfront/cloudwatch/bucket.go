package cloudwatch

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A bucket is what is kept of the values of a span of time.
type bucket struct {
	start              int64 // Unix time
	n                  float64
	sum, least, utmost float64
	sizes              []size // in the order of index
}

// A size counts the values between base^(index-1) and base^index.
type size struct {
	index int16
	count uint32
}

// base makes the middle of a size less than 1 % wrong.
const base = 1.02

// Indices of values that are not positive, and of those below every other.
const (
	notPositive = math.MinInt16
	smallest    = math.MinInt16 + 1
)

func indexOf(v float64) int16 {
	if v <= 0 {
		return notPositive
	}
	return int16(min(max(math.Ceil(math.Log(v)/math.Log(base)), smallest), math.MaxInt16))
}

func (b *bucket) add(v float64) {
	b.merge(&bucket{n: 1, sum: v, least: v, utmost: v, sizes: []size{{indexOf(v), 1}}})
}

// merge adds all values of o.
func (b *bucket) merge(o *bucket) {
	if b.n == 0 {
		b.least, b.utmost = o.least, o.utmost
	}
	b.n += o.n
	b.sum += o.sum
	b.least, b.utmost = min(b.least, o.least), max(b.utmost, o.utmost)
	for _, s := range o.sizes {
		i := sort.Search(len(b.sizes), func(i int) bool { return b.sizes[i].index >= s.index })
		if i == len(b.sizes) || b.sizes[i].index != s.index {
			b.sizes = slices.Insert(b.sizes, i, size{index: s.index})
		}
		b.sizes[i].count += s.count
	}
}

// percentile is the value below which p of 100 values lie, within 1 %.
func (b *bucket) percentile(p float64) float64 {
	rank, seen := math.Ceil(p/100*b.n), 0.0
	switch {
	case rank <= 1:
		return b.least
	case rank >= b.n:
		return b.utmost
	}
	for _, s := range b.sizes {
		if seen += float64(s.count); seen < rank {
			continue
		}
		if s.index == notPositive {
			return b.least
		}
		middle := 2 * math.Pow(base, float64(s.index)) / (1 + base)
		return min(max(middle, b.least), b.utmost)
	}
	return b.utmost
}

// A statistic is what a bucket is asked for.
type statistic func(*bucket) float64

// statistics by their names in CloudWatch; percentiles are p0 to p100 beside them.
var statistics = map[string]statistic{
	"Sum":         func(b *bucket) float64 { return b.sum },
	"Average":     func(b *bucket) float64 { return b.sum / b.n },
	"Minimum":     func(b *bucket) float64 { return b.least },
	"Maximum":     func(b *bucket) float64 { return b.utmost },
	"SampleCount": func(b *bucket) float64 { return b.n },
}

func statisticOf(name string) (statistic, bool) {
	if s, ok := statistics[name]; ok {
		return s, true
	}
	digits, ok := strings.CutPrefix(name, "p")
	p, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(p >= 0 && p <= 100) { // NaN is neither
		return nil, false
	}
	return func(b *bucket) float64 { return b.percentile(p) }, true
}
