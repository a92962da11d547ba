package faults

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// measureHeapPeak calls a function and returns how much the heap, including garbage, grew meanwhile.
func measureHeapPeak(during func()) uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	runtime.GC()
	before := read()
	var peak uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, read())
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	during()
	close(stop)
	<-stopped
	return peak - min(before, peak)
}
