package cloudwatch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Get answers a request that Decode has checked.
func (m *Metrics) Get(in *Request) *Response {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := &Response{MetricDataResults: []Result{}, Messages: []Message{}}
	for i := range in.MetricDataQueries {
		out.MetricDataResults = append(out.MetricDataResults, m.results(in, &in.MetricDataQueries[i])...)
	}
	if m.dropped > 0 {
		out.Messages = append(out.Messages, Message{"Dropped", fmt.Sprintf(
			"%d data points were dropped: there are more than %d series.", m.dropped, maxSeries)})
	}
	return out
}

// A group is the series of one result.
type group struct {
	label   string
	whole   bucket            // of the whole time asked for
	periods map[int64]*bucket // by their start
}

// results gives a result for each group, the highest first, and an empty one
// when there is no group.
func (m *Metrics) results(in *Request, q *Query) []Result {
	stat, _ := statisticOf(q.MetricStat.Stat)
	groups := slices.SortedFunc(maps.Values(m.groups(in, q)), func(a, b *group) int {
		return cmp.Or(-cmp.Compare(stat(&a.whole), stat(&b.whole)), cmp.Compare(a.label, b.label))
	})
	if len(groups) == 0 {
		groups = []*group{{label: cmp.Or(q.Label, q.MetricStat.Metric.MetricName)}}
	}
	all := make([]Result, len(groups))
	for i, g := range groups {
		starts := slices.Sorted(maps.Keys(g.periods))
		if in.ScanBy != scanUp {
			slices.Reverse(starts)
		}
		r := Result{ID: q.ID, Label: g.label, Timestamps: []Time{}, Values: []float64{}, StatusCode: "Complete"}
		for _, start := range starts {
			r.Timestamps = append(r.Timestamps, Time{time.Unix(start, 0).UTC()})
			r.Values = append(r.Values, stat(g.periods[start]))
		}
		all[i] = r
	}
	return all
}

// groups gathers the buckets that the query asks for.
func (m *Metrics) groups(in *Request, q *Query) map[string]*group {
	period := time.Duration(q.MetricStat.Period) * time.Second
	from, to := floor(in.StartTime.Unix(), period), in.EndTime
	row := m.row(from, period)
	all := map[string]*group{}
	for s, rows := range m.series {
		if !q.picks(&s) {
			continue
		}
		key := q.label(&s)
		for i := range rows[row] {
			b := &rows[row][i]
			if b.start < from || !time.Unix(b.start, 0).Before(to.Time) {
				continue
			}
			g := all[key]
			if g == nil {
				g = &group{label: key, periods: map[int64]*bucket{}}
				all[key] = g
			}
			start := floor(b.start, period)
			if g.periods[start] == nil {
				g.periods[start] = &bucket{start: start}
			}
			g.periods[start].merge(b)
			g.whole.merge(b)
		}
	}
	return all
}

// row picks the resolution: the finest that reaches back to from, and the
// finest of all for periods that only that one can make.
func (m *Metrics) row(from int64, period time.Duration) int {
	now := m.clock.Now()
	for i, r := range resolutions {
		if period%r.length == 0 && from >= now.Add(-r.kept).Unix() {
			return i
		}
	}
	if last := len(resolutions) - 1; period%resolutions[last].length == 0 {
		return last
	}
	return 0
}

// picks tells whether a series is one of those asked for.
func (q *Query) picks(s *Series) bool {
	if s.Metric != q.MetricStat.Metric.MetricName {
		return false
	}
	for _, d := range q.MetricStat.Metric.Dimensions {
		if s.value(d.Name) != d.Value {
			return false
		}
	}
	return true
}

// label of the group that a series belongs to. A dimension that it does not have
// is shown as -.
func (q *Query) label(s *Series) string {
	words := make([]string, 0, len(q.GroupBy)+1)
	if q.Label != "" || len(q.GroupBy) == 0 {
		words = append(words, cmp.Or(q.Label, s.Metric))
	}
	for _, name := range q.GroupBy {
		words = append(words, cmp.Or(s.value(name), "-"))
	}
	return strings.Join(words, " ")
}
