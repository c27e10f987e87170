// Command workload is what the lab's services run: it serves, logs, depends on
// other services, and fails, eats memory or burns CPU when it is told to. Every
// setting is a flag whose default comes from the environment, so that a stack
// file needs no command line. README.md in the folder above lists both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// config is fixed once main has parsed the flags.
type config struct {
	name, version, addr string
	format              string        // logfmt or json
	rate                float64       // background requests a second; 0 is none
	errorRatio          float64       // 0..1 of the background requests that fail
	latency             time.Duration // the median of a request
	workers             int           // requests at a time, the others wait; 0 is any number
	dependsOn           []string      // URLs that a request calls
	every               time.Duration // run a "job" at this interval (the cron-like service)
	startup             time.Duration // wait before listening
	crashAfter          time.Duration // exit 1 after this long; 0 is never
	bad                 bool          // print a few errors and exit 1 at once
	exitAfter           time.Duration // exit 0 after this long; 0 is never
	unhealthyAfter      time.Duration // the health check fails after this long; 0 is never
	stubborn            bool          // pay no attention to SIGTERM
	leak                float64       // MiB a second that are never given back
	writeDir            string        // each request appends to a file here; empty is none
	writeKB             int           // KiB a request
	tlsName             string        // serve a certificate of this name; empty is none
	tlsValid            time.Duration // from the start on
	writer              string        // commit rows to a ledger: postgres, mysql, redis or files; empty is none
	writeTo             string        // host:port, or a folder
	writeEvery          time.Duration // a row
	database, user      string
	passwordFile        string
}

func parse() (config, string) {
	host, _ := os.Hostname()
	var c config
	flag.StringVar(&c.name, "name", env("NAME", host), "service name in the log lines [NAME]")
	flag.StringVar(&c.version, "version", env("VERSION", "dev"), "version in the log lines and metrics [VERSION]")
	flag.StringVar(&c.addr, "addr", env("ADDR", ":8080"), "listen address [ADDR]")
	flag.StringVar(&c.format, "format", env("FORMAT", "logfmt"), "logfmt or json [FORMAT]")
	flag.Float64Var(&c.rate, "rate", number(env("RATE", "1")), "background requests a second [RATE]")
	flag.Float64Var(&c.errorRatio, "error-ratio", number(env("ERROR_RATIO", "0.01")), "0..1 of the background requests fail [ERROR_RATIO]")
	flag.DurationVar(&c.latency, "latency", duration(env("LATENCY", "20ms")), "median latency [LATENCY]")
	flag.IntVar(&c.workers, "workers", int(number(env("WORKERS", "0"))), "requests that are served at a time; the others wait [WORKERS]")
	deps := flag.String("depends-on", env("DEPENDS_ON", ""), "comma separated URLs that a request calls [DEPENDS_ON]")
	flag.DurationVar(&c.every, "every", duration(env("EVERY", "0")), "run a job at this interval [EVERY]")
	flag.DurationVar(&c.startup, "startup", duration(env("STARTUP", "0")), "wait before listening [STARTUP]")
	flag.DurationVar(&c.crashAfter, "crash-after", duration(env("CRASH_AFTER", "0")), "exit 1 after this long [CRASH_AFTER]")
	flag.BoolVar(&c.bad, "bad", env("BAD", "") != "", "print errors and exit 1 at once [BAD]")
	flag.DurationVar(&c.exitAfter, "exit-after", duration(env("EXIT_AFTER", "0")), "exit 0 after this long [EXIT_AFTER]")
	flag.DurationVar(&c.unhealthyAfter, "unhealthy-after", duration(env("UNHEALTHY_AFTER", "0")), "fail the health check after this long [UNHEALTHY_AFTER]")
	flag.BoolVar(&c.stubborn, "stubborn", env("STUBBORN", "") != "", "pay no attention to SIGTERM [STUBBORN]")
	flag.Float64Var(&c.leak, "leak", number(env("LEAK", "0")), "MiB a second that are never given back [LEAK]")
	flag.StringVar(&c.writeDir, "write-dir", env("WRITE_DIR", ""), "each request appends to a file in this folder [WRITE_DIR]")
	flag.IntVar(&c.writeKB, "write-kb", int(number(env("WRITE_KB", "64"))), "KiB that a request writes [WRITE_KB]")
	flag.StringVar(&c.tlsName, "tls-name", env("TLS_NAME", ""), "serve a self-signed certificate of this name at :8443 [TLS_NAME]")
	flag.DurationVar(&c.tlsValid, "tls-valid", duration(env("TLS_VALID", "2160h")), "how long the certificate is valid [TLS_VALID]")
	flag.StringVar(&c.writer, "writer", env("WRITER", ""), "commit numbered rows to postgres, mysql, redis or files [WRITER]")
	flag.StringVar(&c.writeTo, "write-to", env("WRITE_TO", "/data"), "host:port of the server, or the folder [WRITE_TO]")
	flag.DurationVar(&c.writeEvery, "write-every", duration(env("WRITE_EVERY", "50ms")), "a row at this interval [WRITE_EVERY]")
	flag.StringVar(&c.database, "database", env("DATABASE", ""), "of the writer [DATABASE]")
	flag.StringVar(&c.user, "user", env("DB_USER", ""), "of the writer [DB_USER]")
	flag.StringVar(&c.passwordFile, "password-file", env("PASSWORD_FILE", ""), "the user's password [PASSWORD_FILE]")
	check := flag.String("check", "", "ask this URL and exit 0 if it answers 200 (the image's health check)")
	flag.Parse()
	for _, u := range strings.Split(*deps, ",") {
		if u = strings.TrimSpace(u); u != "" {
			c.dependsOn = append(c.dependsOn, u)
		}
	}
	return c, *check
}

func main() {
	c, check := parse()
	if check != "" {
		os.Exit(healthCheck(check))
	}
	log := newLogger(c)
	log.event("info", "starting", "addr", c.addr, "rate", c.rate, "pid", os.Getpid())
	if c.bad {
		os.Exit(failToStart(log))
	}
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if c.stubborn {
		signal.Ignore(syscall.SIGTERM)
		signals = signals[:1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	if err := run(ctx, c, log); err != nil {
		log.event("error", "exiting", "error", err)
		os.Exit(1)
	}
	log.event("info", "stopped cleanly")
}

// run serves until ctx ends, then drains for up to five seconds.
func run(ctx context.Context, c config, log *logger) error {
	select {
	case <-time.After(c.startup):
	case <-ctx.Done():
		return nil
	}
	s := newServer(c, log)
	srv := &http.Server{Addr: c.addr, Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 4)
	go func() { failed <- srv.ListenAndServe() }()
	if err := s.serveTLS(failed); err != nil {
		return err
	}
	if c.crashAfter > 0 {
		time.AfterFunc(c.crashAfter, func() {
			log.event("error", "unrecoverable: write-ahead log is corrupt", "segment", "000000010000000000000042")
			log.trace("panic: checksum mismatch in segment 42")
			failed <- errors.New("write-ahead log is corrupt")
		})
	}
	if c.exitAfter > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, c.exitAfter)
		defer end()
	}
	var background sync.WaitGroup
	background.Go(func() { s.traffic(ctx) })
	background.Go(func() { s.jobs(ctx) })
	background.Go(func() { s.leaking(ctx) })
	background.Go(func() { s.writer.run(ctx) })

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if ctx.Err() == context.DeadlineExceeded {
		log.event("info", "all work is done", "items", rand.IntN(5000))
	} else {
		log.event("info", "SIGTERM received, draining")
	}
	drain, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := srv.Shutdown(drain)
	background.Wait()
	return err
}

func healthCheck(url string) int {
	client := http.Client{Timeout: 12 * time.Second} // a busy machine is slow, not ill
	resp, err := client.Get(url)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	if resp.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}

// failToStart is what the image 2.0-bad does: a release whose configuration is wrong.
func failToStart(log *logger) int {
	log.event("info", "loading configuration", "file", "/etc/workload/config.yml")
	log.event("error", "configuration is invalid", "key", "database.pool_size", "error", "unknown key (did you mean database.max_connections?)")
	log.event("error", "cannot start", "error", "1 error in the configuration")
	time.Sleep(time.Duration(200+rand.IntN(300)) * time.Millisecond) // let the log driver read the pipe
	return 1
}

func env(key, otherwise string) string {
	if v, ok := os.LookupEnv(key); ok && v != "" {
		return v
	}
	return otherwise
}

// number and duration stop the program on a bad setting: a typing error in a
// stack file should be loud.
func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bad number %q: %v\n", s, err)
		os.Exit(2)
	}
	return f
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bad duration %q: %v\n", s, err)
		os.Exit(2)
	}
	return d
}
