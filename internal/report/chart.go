package report

import (
	"fmt"
	"time"
)

// Size of the chart in units of its view box.
const (
	chartWidth  = 900
	chartHeight = 120
	chartMargin = 30 // for labels
)

// chart shows the numbers of drills and failed restores over the period as stacked bars.
type chart struct {
	Width, Height, Bottom, Margin int
	Max                           int // number of restores of the highest bar
	Bars                          []bar
	From, To                      string
}

// bar is a part of the period.
type bar struct {
	Title    string
	X, Width float64
	Segments []segment
}

// segment is the number of restores of one kind in a bar.
type segment struct {
	Class     string
	Y, Height float64
}

// segmentClasses are the classes of the segments of a bar, from the bottom.
var segmentClasses = [...]struct{ class, name string }{
	{"pass", "drills signed off as pass"}, {"open", "drills not validated"}, {"fail", "drills signed off as fail"},
	{"failed", "failed restores"},
}

func newChart(data *Data) chart {
	period := &data.Period
	length := Time(period.bucketLength() / time.Second)
	counts := make([][len(segmentClasses)]int, (period.To-period.From+length-1)/length)
	highest := 0
	count := func(ended Time, class int) {
		if period.contains(ended) {
			bucket := &counts[(ended-period.From)/length]
			bucket[class]++
			highest = max(highest, bucket[0]+bucket[1]+bucket[2]+bucket[3])
		}
	}
	for i := range data.Clusters {
		for j := range data.Clusters[i].Drills {
			drill := &data.Clusters[i].Drills[j]
			count(drill.Ended, map[Validation]int{Passed: 0, NotValidated: 1, Failed: 2}[drill.Validation])
		}
		for j := range data.Clusters[i].FailedRestores {
			count(data.Clusters[i].FailedRestores[j].Ended, 3)
		}
	}
	c := chart{
		Width: chartWidth, Height: chartHeight + chartMargin, Bottom: chartHeight, Margin: chartMargin, Max: highest,
		From: period.From.date(), To: period.To.date(),
	}
	step := float64(chartWidth-2*chartMargin) / float64(len(counts))
	for i, numbers := range counts {
		start := period.From + Time(i)*length
		b := bar{X: chartMargin + float64(i)*step, Width: step * 0.8, Title: "From " + formatTime(start) + " UTC:"}
		top := float64(chartHeight)
		for class, n := range numbers {
			if n == 0 {
				continue
			}
			height := float64(n) / float64(highest) * (chartHeight - 10)
			top -= height
			b.Segments = append(b.Segments, segment{segmentClasses[class].class, top, height})
			b.Title += fmt.Sprintf(" %d %s", n, segmentClasses[class].name)
		}
		if len(b.Segments) > 0 {
			c.Bars = append(c.Bars, b)
		}
	}
	return c
}
