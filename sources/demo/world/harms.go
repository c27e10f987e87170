package world

import (
	"math"
	"slices"
	"time"
)

func slowStore(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_store", "shop_cache")
	if err != nil {
		return err
	}
	in.over = w.restarted(s)
	w.saying(in, s, Effect{Signal: Latency, Value: 40}, Effect{Signal: CPU, Value: 4}, Effect{Signal: Words, Value: 0.7, Note: slowStatement}, Effect{Signal: Logs, Value: 6})
	w.harm(in, "shop_api", 0.18, 12, 0.7, "store: context deadline exceeded after 5s (pool exhausted: 32 of 32 in use)")
	w.harm(in, "shop_web", 0.11, 12, 0.7, "store: context deadline exceeded after 5s (pool exhausted: 32 of 32 in use)")
	return nil
}

// harm is what a caller suffers from what it calls: a share of errors with their words, a factor of time, one of CPU.
func (w *World) harm(in *incident, name string, errs, latency, cpu float64, words string) {
	if up, err := w.find(name); err == nil {
		w.saying(in, up, Effect{Signal: Latency, Value: latency}, Effect{Signal: Errors, Value: errs}, Effect{Signal: CPU, Value: cpu}, Effect{Signal: Words, Note: words})
	}
}

// refusingStore is a database out of connections: it answers at once, and says no.
func refusingStore(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_store", "shop_cache")
	if err != nil {
		return err
	}
	in.over = w.restarted(s)
	w.saying(in, s, Effect{Signal: Errors, Value: 0.7}, Effect{Signal: Logs, Value: 8}, Effect{Signal: CPU, Value: 0.4}, Effect{Signal: Words, Value: 0.6, Note: tooManyClients})
	w.harm(in, "shop_api", 0.35, 0.6, 0.8, "store: FATAL: sorry, too many clients already (SQLSTATE 53300)")
	w.harm(in, "shop_web", 0.25, 0.8, 0.9, "api: 502 Bad Gateway")
	return nil
}

func logBurst(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_web", "shop_api")
	if err != nil {
		return err
	}
	in.over = w.reconfigured(s)
	w.saying(in, s, Effect{Signal: Logs, Value: 100}, Effect{Signal: CPU, Value: 1.6})
	w.every(in, time.Second, func() time.Duration { return 20 * time.Second }, func() {
		if err := w.burst(s, 5000); err != nil {
			w.log.Warn("burst", "err", err)
		}
	})
	return nil
}

// fillTime is how long a disk takes to be full.
const fillTime = 15 // s

func diskFull(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_store", "shop_cache")
	if err != nil {
		return err
	}
	n := w.nodes[0]
	if tasks := w.atWork(s); len(tasks) > 0 {
		n = tasks[0].node
	}
	now := seconds(w.now())
	disk := n.figures()
	full := disk.DiskFree(now)
	fill := Effect{Signal: Fill, From: now, To: math.Inf(1), Value: full / fillTime}
	n.effects = append(recent(n.effects, now-kept.Seconds()), fill)
	w.after(fillTime*time.Second, func() {
		if !in.ended {
			w.saying(in, s, Effect{Signal: Words, Value: 0.5, Note: "could not extend file \"base/16384/24591\": No space left on device"}, Effect{Signal: Errors, Value: 0.4})
			w.harm(in, "shop_api", 0.2, 1, 1, "store: ERROR: could not extend file: No space left on device (SQLSTATE 53100)")
		}
	})
	in.undo = append(in.undo, func() { // somebody makes room: what had filled the disk goes within ten seconds
		end := seconds(w.now())
		effects := slices.Clone(n.effects)
		for i := range effects {
			if effects[i] == fill {
				effects[i].To = end + 10 // as long as what undoes it, so that both are forgotten at once
			}
		}
		n.effects = append(effects, Effect{Signal: Fill, From: end, To: end + 10, Value: -fill.Value * (end + 10 - now) / 10})
	})
	return nil
}

// Certificate is one that Traefik serves, for as long as it does.
type Certificate struct {
	Name, Serial string
	From, To     float64 // Unix seconds that it is served
	NotAfter     float64 // Unix seconds
}

const day = 86400

// foundCertificates: all are renewed in time; see [noise] for one that nobody looks after.
func (w *World) foundCertificates() {
	first := 61.0
	if w.before(1) {
		first = 5 // nobody has been told
	}
	for _, c := range []Certificate{{Name: "shop.example", NotAfter: first}, {Name: "old.shop.example", NotAfter: 47}} {
		c.Serial, c.From, c.To, c.NotAfter = checksum(c.Name), math.Inf(-1), math.Inf(1), float64(w.began.Unix())+c.NotAfter*day
		w.certificates = append(w.certificates, c)
	}
}

// serveCertificate serves another one under a name from a moment on.
func (w *World) serveCertificate(name string, from, notAfter float64) {
	if from-seconds(w.began) < 1 { // it has never been another one
		from = math.Inf(-1)
	}
	all := slices.DeleteFunc(slices.Clone(w.certificates), func(c Certificate) bool { return c.To < seconds(w.now())-kept.Seconds() })
	for i := range all {
		if c := &all[i]; c.Name == name && math.IsInf(c.To, 1) {
			c.To = from
		}
	}
	w.turn++
	w.certificates = append(all, Certificate{Name: name, Serial: checksum(name + itoa(int(w.turn))), From: from, To: math.Inf(1), NotAfter: notAfter}) //nolint:gosec // an id
}

func certificateExpiring(w *World, in *incident) error {
	const name = "shop.example"
	w.serveCertificate(name, seconds(w.now()), seconds(w.now())+1.5*day)
	in.undo = append(in.undo, func() { w.serveCertificate(name, seconds(w.now()), seconds(w.now())+90*day) })
	s, err := w.subject(in, runs, "platform_traefik")
	if err != nil || w.big { // no router of its own there: the metric alone tells
		in.on = nil
		return nil
	}
	in.over = w.restarted(s)
	w.every(in, 2*time.Second, func() time.Duration { return w.between(15*time.Second, 25*time.Second) }, func() {
		for _, t := range w.atWork(s) {
			w.say(t.box, Error, fields{
				"time", clock(w.now().UnixNano()), "level", "error", "msg", "Error renewing certificate from LE", "domain", name, "providerName", "letsencrypt.acme",
				"error", "error: one or more domains had a problem:\n[" + name + "] acme: error: 403 :: urn:ietf:params:acme:error:unauthorized :: Invalid response from http://" + name + "/.well-known/acme-challenge: 404",
			}.json())
		}
	})
	return nil
}

func cpuThrottled(w *World, in *incident) error {
	s, err := w.subject(in, func(s *Service) bool { l := limitsOf(s); return runs(s) && l != nil && l.NanoCPUs > 0 }, "shop_api", "shop_web")
	if err != nil {
		return err
	}
	limit := float64(limitsOf(s).NanoCPUs)
	busy := 0.84 * limit / 1e9 / (s.Profile.CPU * s.shape.at(seconds(w.now()))) // tasks differ by a seventh
	w.saying(in, s, Effect{Signal: CPU, Value: busy}, Effect{Signal: Throttle, Value: 0.5}, Effect{Signal: Latency, Value: 7})
	in.over = func() bool {
		l := limitsOf(s)
		return w.services[s.ID] != s || l == nil || l.NanoCPUs == 0 || float64(l.NanoCPUs) >= 1.5*limit
	}
	return nil
}

func logPatternNew(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_payments", "shop_cart")
	if err != nil {
		return err
	}
	in.over = w.restarted(s)
	w.saying(in, s, Effect{Signal: Phrase, Level: Warn, Value: 0.4, Note: "receipt was signed with the fallback key"})
	return nil
}
