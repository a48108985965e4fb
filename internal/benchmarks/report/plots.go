package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// figurePlot is some panels beside each other, with one legend for all.
type figurePlot struct {
	panels  []*plot.Plot
	columns int
	libs    []string // the legend
	marks   func(lib string) []plot.Thumbnailer
}

// allPlots makes the plots, as SVG by their file name.
func allPlots(r *results) (map[string][]byte, error) {
	looks := newStyles(r.libs())
	drawn := make(map[string][]byte)
	for name, plotOf := range map[string]func(*results, styles) (*figurePlot, error){
		"hit.svg":     hitPlot,
		"ratio.svg":   ratioPlot,
		"refresh.svg": refreshPlot,
	} {
		p, err := plotOf(r, looks)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if drawn[name], err = p.svg(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return drawn, nil
}

// hitPlot is the time of a hit by the number of goroutines, of each library as shipped.
func hitPlot(r *results, s styles) (*figurePlot, error) {
	g, err := r.need("Hit")
	if err != nil {
		return nil, err
	}
	libs := asShipped(g.libs)
	f := &figurePlot{columns: 2, libs: libs, marks: s.bars}
	for _, entries := range g.values("entries") {
		configs := g.with("keys", "string16", "entries", entries)
		if len(configs) == 0 {
			continue
		}
		var names []string
		for _, c := range configs {
			names = append(names, c.get("goroutines"))
		}
		p := newPlot("Hit, "+grouped(entries)+" entries, string keys", "goroutines", "ns per hit (less is better)", names)
		err := s.addBars(p, libs, func(lib string) (values []float64) {
			for _, c := range configs {
				v, _ := g.figure(c, lib, "ns/op") // no bar if there is none
				values = append(values, v)
			}
			return values
		})
		if err != nil {
			return nil, err
		}
		p.Y.Min, p.Y.Max = 0, math.Ceil(p.Y.Max/50)*50
		p.Y.Tick.Marker = plot.TickerFunc(wholeNumbers)
		f.panels = append(f.panels, p)
	}
	if len(f.panels) == 0 {
		return nil, errors.New("no results of BenchmarkHit with keys=string16")
	}
	return f, nil
}

// wholeNumbers labels an axis where it would be labelled anyway, without decimals.
func wholeNumbers(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, tick := range ticks {
		if !tick.IsMinor() {
			ticks[i].Label = grouped(strconv.FormatFloat(tick.Value, 'f', 0, 64))
		}
	}
	return ticks
}

// refreshPlot is the time of hits, by percentile, while entries are refreshed.
func refreshPlot(r *results, s styles) (*figurePlot, error) {
	g, err := r.need("RefreshLatency")
	if err != nil {
		return nil, err
	}
	libs := asShipped(g.libs)
	percentiles := []string{"p50", "p99", "p99.9", "max"}
	p := newPlot("Hits while entries are refreshed", "percentile", "time of a hit (less is better)", percentiles)
	err = s.addBars(p, libs, func(lib string) (values []float64) {
		for _, percentile := range percentiles {
			v, _ := g.figure(g.configs[0], lib, percentile+"-ns")
			values = append(values, math.Log10(max(v, 1)))
		}
		return values
	})
	if err != nil {
		return nil, err
	}
	p.Y.Min, p.Y.Max = 0, math.Ceil(p.Y.Max)
	p.Y.Tick.Marker = plot.TickerFunc(powersOfTen)
	return &figurePlot{panels: []*plot.Plot{p}, columns: 1, libs: libs, marks: s.bars}, nil
}

// powersOfTen labels an axis of logarithms of nanoseconds.
func powersOfTen(low, high float64) (ticks []plot.Tick) {
	labels := []string{"1 ns", "10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"}
	for i, label := range labels {
		if at := float64(i); at >= low && at <= high {
			ticks = append(ticks, plot.Tick{Value: at, Label: label})
		}
		for digit := 2.0; digit < 10; digit++ {
			if at := float64(i) + math.Log10(digit); at >= low && at <= high {
				ticks = append(ticks, plot.Tick{Value: at})
			}
		}
	}
	return ticks
}

// ratioPlot is the hit ratio by the capacity, a panel for each workload.
func ratioPlot(r *results, s styles) (*figurePlot, error) {
	g, err := r.need("Ratio")
	if err != nil {
		return nil, err
	}
	f := &figurePlot{columns: 3, libs: g.libs, marks: s.lines}
	for _, workload := range g.values("workload") {
		var ticks plot.ConstantTicks
		p := newPlot("Hit ratio, "+workload, "capacity", "hit ratio (more is better)", nil)
		points := make(map[string]plotter.XYs)
		for _, c := range g.with("workload", workload) {
			capacity, err := strconv.ParseFloat(c.get("capacity"), 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c, err)
			}
			ticks = append(ticks, plot.Tick{Value: capacity, Label: grouped(c.get("capacity"))})
			for lib, v := range g.figures(c, "hit-ratio") {
				points[lib] = append(points[lib], plotter.XY{X: capacity, Y: v})
			}
		}
		for _, lib := range g.libs {
			if len(points[lib]) == 0 {
				continue
			}
			line, glyphs, err := plotter.NewLinePoints(points[lib])
			if err != nil {
				return nil, err
			}
			line.LineStyle, glyphs.GlyphStyle = s[lib].line, s[lib].glyph
			p.Add(line, glyphs)
		}
		p.X.Tick.Marker = ticks
		p.Y.Min = min(p.Y.Min, 0)
		f.panels = append(f.panels, p)
	}
	return f, nil
}

// asShipped leaves out the variants of this library.
func asShipped(libs []string) []string {
	return slices.DeleteFunc(slices.Clone(libs), func(lib string) bool { return strings.HasPrefix(lib, "memoize-") })
}

// styles are how each library looks, the same in all plots.
type styles map[string]style

type style struct {
	line  draw.LineStyle
	glyph draw.GlyphStyle
}

// newStyles gives each library a colour of its own while there are any left, and other dashes and glyphs after that.
func newStyles(libs []string) styles {
	s := make(styles)
	glyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{},
		draw.TriangleGlyph{}, draw.CrossGlyph{}}
	dashes := [][]vg.Length{nil, {vg.Points(5), vg.Points(2)}, {vg.Points(2), vg.Points(2)}}
	n := 0
	for _, lib := range libs {
		colour, dash, glyph := colours[n%len(colours)], dashes[n/len(colours)%len(dashes)], glyphs[n%len(glyphs)]
		width := vg.Points(1.25)
		switch lib {
		case "optimal": // the bound on all others is no library
			colour, dash = color.RGBA{A: 255}, []vg.Length{vg.Points(1), vg.Points(2)}
		case "memoize":
			width = vg.Points(2.5)
			n++
		default:
			n++
		}
		s[lib] = style{
			line:  draw.LineStyle{Color: colour, Width: width, Dashes: dash},
			glyph: draw.GlyphStyle{Color: colour, Radius: vg.Points(2.5), Shape: glyph},
		}
	}
	return s
}

// colours can be told apart, also where they are next to each other. They are those of Trubetskoy, "List of 20 Simple, Distinct Colors", 2017,
// that show well on white.
var colours = []color.RGBA{
	{230, 25, 75, 255}, {0, 130, 200, 255}, {60, 180, 75, 255}, {245, 130, 48, 255}, {145, 30, 180, 255}, {0, 0, 128, 255},
	{240, 50, 230, 255}, {154, 99, 36, 255}, {70, 200, 220, 255}, {128, 128, 0, 255}, {169, 169, 169, 255}, {0, 128, 128, 255},
	{255, 205, 25, 255}, {128, 0, 0, 255}, {170, 160, 255, 255}, {170, 230, 120, 255},
}

// lines is how the legend shows a library that is drawn as a line.
func (s styles) lines(lib string) []plot.Thumbnailer {
	return []plot.Thumbnailer{&plotter.Line{LineStyle: s[lib].line}, &plotter.Scatter{GlyphStyle: s[lib].glyph}}
}

// bars is how the legend shows a library that is drawn as bars.
func (s styles) bars(lib string) []plot.Thumbnailer {
	return []plot.Thumbnailer{&plotter.BarChart{Color: s[lib].line.Color}}
}

// addBars adds a group of bars for each value, one bar in it for each library.
func (s styles) addBars(p *plot.Plot, libs []string, values func(lib string) []float64) error {
	width := min(60/float64(len(libs)), 12) // points; a group then fills most of its place
	for i, lib := range libs {
		bars, err := plotter.NewBarChart(plotter.Values(values(lib)), vg.Points(width))
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = s[lib].line.Color, 0
		bars.Offset = vg.Points(width * (float64(i) - float64(len(libs)-1)/2))
		p.Add(bars)
	}
	p.X.Min, p.X.Max = -0.5, p.X.Max+0.5 // room for the bars beside the first and the last place
	return nil
}

// newPlot returns an empty panel. With names, its x axis has one place for each.
func newPlot(title, x, y string, names []string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	if names != nil {
		p.NominalX(names...)
	}
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font,
		&p.X.Tick.Label.Font, &p.Y.Tick.Label.Font} {
		f.Variant = "Sans"
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal.Color = color.Gray{Y: 225}
	p.Add(grid)
	return p
}

const (
	panelWidth, panelHeight = 300, 250 // points
	legendWidth             = 125
	margin                  = 10
)

func (f *figurePlot) size() (width, height vg.Length) {
	rows := (len(f.panels) + f.columns - 1) / f.columns
	return vg.Points(float64(panelWidth*f.columns + legendWidth)), vg.Points(float64(panelHeight * rows))
}

// draw draws the panels row by row, and the legend to the right of them.
func (f *figurePlot) draw(c draw.Canvas) {
	c.SetColor(color.White) // for readers with a dark background
	c.Fill(c.Rectangle.Path())
	for i, p := range f.panels {
		left := c.Min.X + vg.Points(float64(panelWidth*(i%f.columns)))
		top := c.Max.Y - vg.Points(float64(panelHeight*(i/f.columns)))
		p.Draw(draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left + margin, Y: top - panelHeight + margin},
			Max: vg.Point{X: left + panelWidth - margin, Y: top - margin},
		}})
	}
	legend := plot.NewLegend()
	legend.TextStyle.Font.Variant = "Sans"
	legend.TextStyle.Font.Size = vg.Points(10)
	legend.Left, legend.Top, legend.Padding = true, true, vg.Points(3)
	for _, lib := range f.libs {
		legend.Add(lib, f.marks(lib)...)
	}
	legend.Draw(draw.Crop(c, c.Max.X-c.Min.X-legendWidth, -margin, 0, -3*margin))
}

func (f *figurePlot) svg() ([]byte, error) {
	canvas := vgsvg.New(f.size())
	f.draw(draw.New(canvas))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, err
	}
	// The names of fonts as wide as this one, for those who do not have it.
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}
