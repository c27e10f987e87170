package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"quarterdeck/recovery"
)

// maxFile bounds the job's file and the repository's, in bytes: a swarm's configs and secrets have at most 500 KB.
const maxFile = 500 << 10

// token is what names of services, runs and steps look like, and what goes into restic's tags: a comma would part one in two.
var token = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:+-]{0,127}$`)

// isID tells a whole id of restic's.
var isID = regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString

// ReadJob reads a job's file. A field that is not known is an error: a runner that is older than its console must not guess.
// The job is given with the error too, as far as it was read, so that its result can be written.
func ReadJob(file string) (recovery.Job, error) {
	var j recovery.Job
	data, err := readFile(file)
	if err != nil {
		return j, notUnderstood("the job's file cannot be read: "+err.Error(), err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return j, notUnderstood("the job's file is not understood: "+err.Error(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return j, notUnderstood("the job's file has more than one job", nil)
	}
	return j, nil
}

func notUnderstood(reason string, err error) *fault {
	return &fault{recovery.NotUnderstood, reason, "let console and runner be of one version", err}
}

// named tells whether the job can have a claim and a result.
func named(j *recovery.Job) bool {
	return token.MatchString(j.Run) && token.MatchString(j.Name) && j.Attempt > 0
}

// valid tells what is wrong with a job; nil: it can be begun.
func valid(j *recovery.Job) error {
	wrong := func(format string, args ...any) error {
		return notUnderstood("the job "+fmt.Sprintf(format, args...), nil)
	}
	switch {
	case !named(j):
		return wrong("has no run, name or attempt that can be used: %q, %q, %d", j.Run, j.Name, j.Attempt)
	case !slices.Contains([]recovery.Kind{recovery.JobBackup, recovery.JobCheck, recovery.JobRestore, recovery.JobForget, recovery.JobAudit}, j.Kind):
		return wrong("is of kind %q, which is none", j.Kind)
	case !token.MatchString(j.Service):
		return wrong("has no service's name that can be used: %q", j.Service)
	case j.Environment == "" || strings.ContainsFunc(j.Environment, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return wrong("has no environment that can be used: %q", j.Environment)
	case j.Kind != recovery.JobAudit && !j.Engine.Server() && j.Engine != recovery.Volume:
		return wrong("has engine %q, which is none", j.Engine)
	case (j.Kind == recovery.JobCheck || j.Kind == recovery.JobRestore) && !isID(j.Snapshot):
		return wrong("names no snapshot by its whole id: %q", j.Snapshot)
	case (j.Kind == recovery.JobBackup || j.Kind == recovery.JobRestore) && j.Engine.Server() && (j.Host == "" || j.Port <= 0 || j.Port > 65535):
		return wrong("names no server: %q, port %d", j.Host, j.Port)
	case (j.Kind == recovery.JobBackup || j.Kind == recovery.JobRestore) && (j.Engine == recovery.Postgres || j.Engine == recovery.MySQL) && (j.DB == "" || j.User == ""):
		return wrong("names no database or no user")
	case j.Kind == recovery.JobBackup && !token.MatchString(string(j.Origin)):
		return wrong("has no origin: %q", j.Origin)
	case strings.ContainsAny(j.Host+j.User+j.DB+j.Node, "\x00\n\r"):
		return wrong("has a host, user, database or node with a line's end in it")
	}
	return nil
}

// Repository is a repository's secret: names and values, as restic reads them from the environment.
type Repository map[string]string

var variable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// ReadRepository reads a repository's file. Errors tell the line's number and never what stands there.
func ReadRepository(file string) (Repository, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, &fault{recovery.NoRepository, "the repository's secret cannot be read: " + err.Error(), "give the runner the secret as " + recovery.RepositoryFile, err}
	}
	out := Repository{}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !variable.MatchString(name) {
			return nil, &fault{recovery.NoRepository, fmt.Sprintf("line %d of the repository's secret is not NAME=VALUE", i+1), "write it with lines like RESTIC_REPOSITORY=s3:https://host/bucket/repository", nil}
		}
		out[name] = value
	}
	for _, name := range []string{"RESTIC_REPOSITORY", "QUARTERDECK_S3"} {
		if out[name] == "" {
			return nil, &fault{recovery.NoRepository, "the repository's secret has no " + name, "add the line " + name + "=… to it", nil}
		}
	}
	return out, nil
}

// Get is a variable, as os.Getenv.
func (r Repository) Get(name string) string { return r[name] }

// env is what restic is given. What is ours alone is not, nor what would change which programs run.
func (r Repository) env() []string {
	var out []string
	for name, value := range r {
		if !strings.HasPrefix(name, "QUARTERDECK_") && !strings.HasPrefix(name, "LD_") && name != "PATH" && name != "HOME" {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// plainNames are variables whose values may be seen.
var plainNames = []string{"RESTIC_REPOSITORY", "QUARTERDECK_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "RESTIC_PASSWORD_FILE", "RESTIC_PACK_SIZE", "RESTIC_COMPRESSION"}

func (r Repository) secrets() []string {
	var out []string
	for name, value := range r {
		if !slices.Contains(plainNames, name) {
			out = append(out, value)
		}
	}
	return out
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file) //nolint:gosec // the two files' places are fixed
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", file, maxFile)
	}
	return data, err
}
