package logview

import (
	"slices"
	"time"

	"quarterdeck/sources"
)

type rateAt struct {
	at    time.Time
	lines uint64
}

const rateWindow = 5 * time.Second

func (p *Pane) measureRate() {
	if n := len(p.rates); n == 0 || p.now.Sub(p.rates[n-1].at) >= 200*time.Millisecond {
		p.rates = append(p.rates, rateAt{p.now, p.snap.appended})
	}
	for len(p.rates) > 2 && p.now.Sub(p.rates[1].at) > rateWindow {
		p.rates = p.rates[1:]
	}
}

// rate is lines a second over the last five seconds.
func (p *Pane) rate() float64 {
	if len(p.rates) < 2 {
		return 0
	}
	a, b := p.rates[0], p.rates[len(p.rates)-1]
	return float64(b.lines-a.lines) / b.at.Sub(a.at).Seconds()
}

// Status is the pane's figures as of the last Sync.
type Status struct {
	Shown, Total int // rows that pass the filter; rows there are
	Bytes        int
	Evicted      uint64 // rows dropped for room
	Following    bool
	Paused       bool
	New          int           // shown rows since following ended
	Rate         float64       // lines a second
	Matches      int           // rows that the search found
	Match        int           // the selected one's place among them, from 1; 0: it is none
	Progress     float64       // of filter and search over the buffer: 1 when all is known
	State        sources.State // the worst of the sources'; CONNECTING until one has said something
	Detail       string        // the worst source's own words, or ""
	Lost         int           // lines known to be missing
}

// Status counts.
func (p *Pane) Status() Status {
	s := Status{Shown: p.list.len(), Total: p.snap.rows, Bytes: p.snap.bytes, Evicted: p.snap.evicted,
		Following: p.follow, Paused: p.paused != nil, Rate: p.rate(), Progress: 1, State: sources.Connecting}
	if len(p.status) > 0 {
		s.State = sources.Live
	}
	if n := len(p.list.chunks); n > 0 {
		s.Progress = float64(p.list.fresh) / float64(n)
		s.Matches = p.list.found[n]
		if i := p.selIndex(); i >= 0 && s.Matches > 0 {
			k := p.list.key(i)
			if r := p.list.foundRank(k, p.query); r < s.Matches && p.list.foundKey(r) == k {
				s.Match = r + 1
			}
		}
	}
	switch {
	case p.paused != nil:
		s.New = p.list.held
		s.Shown += p.list.held
	case !p.follow:
		s.New = p.list.len() - p.list.rank(after(p.mark))
	}
	for i := range p.status {
		st := &p.status[i]
		s.Lost += st.Lost
		if severity(st.State) > severity(s.State) || s.Detail == "" && st.State == s.State {
			s.State, s.Detail = st.State, st.Detail
		}
	}
	return s
}

// severity orders states by how much they say against trusting the lines.
func severity(s sources.State) int {
	return slices.Index([]sources.State{sources.Live, sources.Polling, sources.Connecting, sources.HasGap, sources.Dropped, sources.Stale,
		sources.Reconnecting, sources.Faulty, sources.Absent, sources.Denied, sources.NoAuth}, s)
}
