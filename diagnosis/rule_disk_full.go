package diagnosis

import (
	"strings"

	"quarterdeck/sources/fleet"
)

// diskWords are what programs say when a disk is full; diskLeast is how little free space is nearly none.
var diskWords = []string{"no space left on device", "enospc", "disk quota exceeded", "disk full"}

const diskLeast = 0.05

// diskFull: a file system without space, as the service or the engine says, or as the node's exporter measures where its tasks run.
func diskFull(s *Scene, wide *Wide) *Cause {
	c := &Cause{Title: "a disk is full", Grade: Signature}
	if said := s.said(diskWords...); len(said) > 0 {
		c.Confidence, c.Why = 0.95, "the engine says so in words"
		c.shows(s, said)
	}
	if s.Logs != nil {
		n := 0
		for _, e := range s.Logs.ownLines() {
			if has(e.Line, diskWords...) {
				if n++; n <= 2 {
					c.proves(s.Logs.Source, s.Logs.ErrorsQuery, e.Time, "it says: %s", clip(e.Line, 240))
				}
				if c.Since.IsZero() || e.Time.Before(c.Since) {
					c.Since = e.Time
				}
			}
		}
		if n > 0 {
			c.Since = s.Logs.saidSince(c.Since)
			c.Confidence = max(c.Confidence, 0.9)
			c.Why = orWord(c.Why, "the service says so in words")
		}
	}
	told, by, q := s.quotedWords(diskWords...)
	if len(told) >= learnLeast {
		if c.Confidence == 0 {
			c.Confidence, c.Grade, c.Why = 0.6, Scope, "error lines of "+strings.Join(by, ", ")+" say so of it"
		}
		if c.Since.IsZero() || told[0].Time.Before(c.Since) {
			c.Since = told[0].Time
		}
		c.proves(q.Source, q.Query, told[0].Time, "%d error lines of %s say so of it, the first: %s", len(told), strings.Join(by, ", "), clip(told[0].Line, 240))
	}
	if wide != nil {
		for _, d := range wide.Disks {
			if d.Free < diskLeast && s.runsOn(d.Node) {
				if len(told) >= learnLeast && c.Confidence < 0.85 {
					c.Confidence, c.Grade = 0.85, Signature
					c.Why += ", and the disk where it runs is nearly full"
				}
				c.proves(fleet.PrometheusName, d.Query, s.At, "%s", d.words())
				if c.Confidence == 0 && !s.well() {
					c.Confidence, c.Grade, c.Why = 0.5, Scope, "it is not well, and runs on a node whose disk is nearly full"
				}
			}
		}
	}
	if c.Confidence == 0 {
		return nil
	}
	for _, m := range s.Service.Mounts {
		c.proves(fleet.SwarmName, "docker service inspect "+s.Service.Name, s.At, "it writes to %s %s at %s", m.Type, m.Source, m.Target)
	}
	on := ""
	for i := range s.Tasks {
		if t := &s.Tasks[i]; !t.State.Ended() && t.NodeID != "" {
			on = s.node(t.NodeID)
			break
		}
	}
	c.step("see its lines from then", "logs", s.Service.Name)
	c.step("see the node and what runs on it", "nodes", on)
	c.outside("on "+orWord(on, "its node")+" see what fills the disk", "df -h; docker system df -v")
	return c
}

func (s *Scene) runsOn(node string) bool {
	for i := range s.Tasks {
		if t := &s.Tasks[i]; !t.State.Ended() && s.node(t.NodeID) == node {
			return true
		}
	}
	return false
}
