package logview

import tea "charm.land/bubbletea/v2"

// schedule matches what fits the budget now, and hands the rest over as a command, which does a slice of it.
func (p *Pane) schedule() tea.Cmd {
	p.settle()
	if p.inFlight || p.list.fresh == len(p.list.chunks) {
		return nil
	}
	inline := inlineBytes
	if p.query.slow() {
		inline = inlineSlowBytes
	}
	w := work{pane: p, query: p.query, wanted: p.wanted, gen: p.wanted.Load(), slice: p.slice}
	scanned := false
	for _, i := range p.scanOrder() {
		c := p.list.chunks[i]
		have := p.known[c.id]
		if p.query.fresh(c, have) {
			continue
		}
		size := weight(c, have, p.query)
		if len(w.chunks) == 0 && size <= inline {
			p.known[c.id] = p.query.scan(c, have)
			scanned = true
			inline -= size
			continue
		}
		inline = 0
		w.chunks = append(w.chunks, c)
		w.prev = append(w.prev, have)
	}
	if scanned {
		p.list = newList(p.snap, p.known, p.query, p.paused)
	}
	p.settle()
	if len(w.chunks) == 0 {
		return nil
	}
	p.inFlight = true
	return func() tea.Msg { return w.run() }
}

// settle does what waited for the scan.
func (p *Pane) settle() {
	p.settleCentre()
	p.settleJump()
	p.settleSeen()
}

// scanOrder is the chunks from what is looked at outwards.
func (p *Pane) scanOrder() []int {
	n := len(p.list.chunks)
	at := n - 1
	if !p.follow {
		at = p.list.chunkOf(p.top)
		if p.centre {
			at = p.list.chunkOf(p.sel)
		}
	}
	order := make([]int, 0, n)
	for d := 0; len(order) < n; d++ {
		if at+d < n {
			order = append(order, at+d)
		}
		if d > 0 && at-d >= 0 {
			order = append(order, at-d)
		}
	}
	return order
}
