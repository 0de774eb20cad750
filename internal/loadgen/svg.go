package loadgen

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
	"time"
)

// Sizes of the picture, in pixels.
const (
	svgWidth, svgHeight = 1040, 840
	plotLeft, plotRight = 80, 720 // the legend stands to the right
	legendX, legendStep = 740, 20
)

// A panel is a chart: where its axes are, and what they show.
type panel struct {
	title, xTitle string
	top, bottom   float64
	x, y          axis
	lines         []line
}

type line struct {
	name   string
	points [][2]float64 // by the axes' values
}

// An axis takes values to pixels.
type axis struct {
	from, to  float64 // values at its ends, after scale
	low, high float64 // pixels
	scale     func(float64) float64
	ticks     []tick
}

type tick struct {
	value float64
	label string
}

func (a *axis) at(v float64) float64 {
	return a.low + (a.scale(v)-a.from)/(a.to-a.from)*(a.high-a.low)
}

// SVG draws latency over time and the percentile curves, both with latency on a
// logarithmic axis. title is one line on top.
func (p *Report) SVG(title string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		svgWidth, svgHeight, svgWidth, svgHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", svgWidth, svgHeight)
	text(&b, plotLeft, 28, "start", `font-size="16" font-weight="bold"`, title)
	text(&b, plotLeft, 48, "start", `fill="#555"`, p.summary())
	for _, panel := range []*panel{p.overTime(), p.percentiles()} {
		panel.draw(&b)
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// overTime shows the rows of the timeline.
func (p *Report) overTime() *panel {
	c := &panel{title: "Latency over time (by the moment of the answer)", xTitle: "seconds since the start", top: 90, bottom: 410}
	p50, p99, most := line{name: "p50"}, line{name: "p99"}, line{name: "max"}
	for _, r := range p.Timeline {
		if r.OK == 0 {
			continue
		}
		at := time.Duration(r.End - p.Step/2).Seconds()
		for _, l := range []struct {
			to *line
			v  Millis
		}{{&p50, r.P50}, {&p99, r.P99}, {&most, r.Max}} {
			l.to.points = append(l.to.points, [2]float64{at, float64(l.v)})
		}
	}
	c.lines = []line{most, p99, p50} // the last is on top
	end := time.Duration(p.Step).Seconds() * float64(max(len(p.Timeline), 1))
	c.x = axis{to: end, low: plotLeft, high: plotRight, scale: func(v float64) float64 { return v }}
	step := niceStep(end)
	for i := 0; float64(i)*step <= end*1.0001; i++ {
		c.x.ticks = append(c.x.ticks, tick{float64(i) * step, fmt.Sprintf("%g", math.Round(float64(i)*step*1000)/1000)})
	}
	return c
}

// niceStep is 1, 2 or 5 of a decade, for at most ten steps.
func niceStep(end float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(end/10)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*decade*10 >= end {
			return m * decade
		}
	}
	return end
}

// percentiles shows the curve of each operation over nines: p90, p99 and p99.9
// are as far apart as p0 and p90.
func (p *Report) percentiles() *panel {
	c := &panel{title: "Latency by percentile", xTitle: "percentile of the answers", top: 480, bottom: 800}
	curves := []line{}
	if len(p.Series) > 1 {
		curves = append(curves, curveLine("all", p.Curve))
	}
	for _, s := range p.Series {
		curves = append(curves, curveLine(strings.TrimSpace(s.Name+" "+s.Target), s.Curve))
	}
	c.lines = curves
	nines := 2.0
	for _, l := range curves {
		for _, pt := range l.points {
			nines = max(nines, math.Ceil(10*nineOf(pt[0]))/10)
		}
	}
	c.x = axis{to: nines, low: plotLeft, high: plotRight, scale: nineOf}
	for _, v := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999} {
		if nineOf(v) <= nines {
			c.x.ticks = append(c.x.ticks, tick{v, fmt.Sprintf("p%g", v)})
		}
	}
	return c
}

func nineOf(percent float64) float64 { return -math.Log10(1 - percent/100) }

// curveLine leaves out the last point, which has no place on such an axis.
func curveLine(name string, curve []Point) line {
	l := line{name: name}
	for _, pt := range curve {
		if pt.Percent < 100 {
			l.points = append(l.points, [2]float64{pt.Percent, float64(pt.Latency)})
		}
	}
	return l
}

// latencyAxis spans all lines, from one of the histogram's edges to another.
func (c *panel) latencyAxis() {
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range c.lines {
		for _, pt := range l.points {
			low, high = min(low, pt[1]), max(high, pt[1])
		}
	}
	if low > high { // nothing succeeded
		low, high = float64(time.Millisecond), float64(time.Second)
	}
	first, last := 0, len(edges)-1
	for first < last-1 && float64(edges[first+1]) <= low {
		first++
	}
	for last > first+1 && float64(edges[last-1]) >= high {
		last--
	}
	c.y = axis{from: math.Log10(float64(edges[first])), to: math.Log10(float64(edges[last])), low: c.bottom, high: c.top, scale: math.Log10}
	for _, e := range edges[first : last+1] {
		c.y.ticks = append(c.y.ticks, tick{float64(e), edge(Millis(e))})
	}
}

var colours = []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"}

func (c *panel) draw(b *strings.Builder) {
	c.latencyAxis()
	text(b, plotLeft, c.top-14, "start", `font-weight="bold"`, c.title)
	text(b, plotLeft-8, c.top-14, "end", `fill="#555"`, "latency")
	for _, t := range c.y.ticks {
		y := c.y.at(t.value)
		rule(b, plotLeft, y, plotRight, y, "#ddd")
		text(b, plotLeft-8, y+4, "end", "", t.label)
	}
	for _, t := range c.x.ticks {
		x := c.x.at(t.value)
		rule(b, x, c.top, x, c.bottom, "#ddd")
		text(b, x, c.bottom+16, "middle", "", t.label)
	}
	text(b, plotRight, c.bottom+32, "end", `fill="#555"`, c.xTitle)
	rule(b, plotLeft, c.top, plotLeft, c.bottom, "#333")
	rule(b, plotLeft, c.bottom, plotRight, c.bottom, "#333")
	for i, l := range c.lines {
		c.drawLine(b, l, colours[i%len(colours)], c.top+10+float64(i*legendStep))
	}
}

func (c *panel) drawLine(b *strings.Builder, l line, colour string, legendY float64) {
	if len(l.points) == 0 {
		return
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="`, colour)
	for i, pt := range l.points {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%.1f,%.1f", c.x.at(pt[0]), c.y.at(pt[1]))
	}
	b.WriteString("\"/>\n")
	if legendY < c.bottom {
		fmt.Fprintf(b, `<rect x="%d" y="%.1f" width="14" height="4" fill="%s"/>`+"\n", legendX, legendY-6, colour)
		text(b, legendX+20, legendY, "start", "", shorten(l.name))
	}
}

// shorten keeps a name within the picture: the end of an ARN tells more.
func shorten(s string) string {
	const most = 30
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:12]) + "…" + string(r[len(r)-17:])
}

func rule(b *strings.Builder, x1, y1, x2, y2 float64, colour string) {
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
}

func text(b *strings.Builder, x, y float64, anchor, attrs, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" %s>`, x, y, anchor, attrs)
	_ = xml.EscapeText(b, []byte(s)) // a builder takes everything
	b.WriteString("</text>\n")
}
