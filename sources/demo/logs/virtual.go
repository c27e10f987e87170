package logs

import (
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

type sample struct {
	t millis
	v float64
}

// millis is Unix milliseconds. As an alias it also tells vet that Seek is not io.Seeker's.
type millis = int64

type lineSeries struct {
	labels  labels.Labels
	samples []sample
}

// add counts lines of the same millisecond together; unwrapped values stay apart.
func (s *lineSeries) add(t millis, v float64, apart bool) {
	if n := len(s.samples); n > 0 && s.samples[n-1].t == t && !apart {
		s.samples[n-1].v += v
		return
	}
	s.samples = append(s.samples, sample{t, v})
}

// sort puts samples in order of time, each at a time of its own, as the engine needs them.
func (s *lineSeries) sort(apart bool) {
	slices.SortStableFunc(s.samples, func(a, b sample) int { return int(min(max(a.t-b.t, -1), 1)) })
	kept := s.samples[:0]
	for _, x := range s.samples {
		if n := len(kept); n > 0 && kept[n-1].t >= x.t {
			if !apart {
				kept[n-1].v += x.v
				continue
			}
			x.t = kept[n-1].t + 1
		}
		kept = append(kept, x)
	}
	s.samples = kept
}

// Labels is storage.Series'.
func (s *lineSeries) Labels() labels.Labels { return s.labels }

// Iterator starts before the first sample.
func (s *lineSeries) Iterator(chunkenc.Iterator) chunkenc.Iterator { return &lineIterator{s: s, i: -1} }

type lineIterator struct {
	s *lineSeries
	i int
}

// Next moves to the next sample.
func (it *lineIterator) Next() chunkenc.ValueType {
	if it.i+1 >= len(it.s.samples) {
		it.i = len(it.s.samples)
		return chunkenc.ValNone
	}
	it.i++
	return chunkenc.ValFloat
}

// Seek moves to the first sample at t or later.
func (it *lineIterator) Seek(t millis) chunkenc.ValueType {
	from := max(it.i, 0)
	n, _ := slices.BinarySearchFunc(it.s.samples[min(from, len(it.s.samples)):], t, func(x sample, t int64) int { return int(min(max(x.t-t, -1), 1)) })
	it.i = from + n
	if it.i >= len(it.s.samples) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

// At is the present sample.
func (it *lineIterator) At() (int64, float64) { return it.s.samples[it.i].t, it.s.samples[it.i].v }

// AtHistogram is never called.
func (it *lineIterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	return it.AtT(), nil
}

// AtFloatHistogram is never called.
func (it *lineIterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	return it.AtT(), nil
}

// AtT is the present sample's time.
func (it *lineIterator) AtT() int64 { return it.s.samples[it.i].t }

// AtST is not known.
func (it *lineIterator) AtST() int64 { return 0 }

// Err is always nil.
func (it *lineIterator) Err() error { return nil }

type lineSet struct {
	series []*lineSeries
	i      int
}

// Next moves to the next series.
func (s *lineSet) Next() bool { s.i++; return s.i < len(s.series) }

// At is the present series.
func (s *lineSet) At() storage.Series { return s.series[s.i] }

// Err is always nil.
func (s *lineSet) Err() error { return nil }

// Warnings are none.
func (s *lineSet) Warnings() annotations.Annotations { return nil }
