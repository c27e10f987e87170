package runner

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"quarterdeck/recovery"
)

// A database's roles are the server's and not in its dump, and a server on an empty volume has none of them, though the dump names them as owners. So a backup
// of postgres saves them first, as a small snapshot of their own, which is the dump's by the tag of the run.

// tagRoles is the tag of such a snapshot: its value is the service. It has no tagService, so that it is nobody's backup.
const tagRoles = "roles"

// rolesFile is their name in it.
const rolesFile = "postgres-roles.sql"

// saveRoles saves the server's roles. Their passwords, as the server keeps them, are for superusers alone.
func (w *work) saveRoles(ctx context.Context, e engine, snap *recovery.Snapshot) error {
	p, ok := e.(*postgres)
	if !ok {
		return nil
	}
	w.tell.begin("roles", "")
	args := []string{"--roles-only", "--no-password"}
	if super, err := p.psql(ctx, p.maintenance(), "select rolsuper from pg_roles where rolname = current_user;\n"); err != nil {
		return noServer(&p.server, err)
	} else if super == "f" {
		w.tell.say(w.Job.User + " is no superuser: the roles are saved without their passwords")
		args = append(args, "--no-role-passwords")
	}
	tags := []string{"--tag", tagRoles + ":" + w.Job.Service, "--tag", tagRun + ":" + snap.Run}
	_, err := w.pipe(ctx, rolesFile, tags, func(ctx context.Context, to io.Writer) error {
		return p.tools.run(ctx, command{name: "pg_dumpall", args: args, env: p.to(p.maintenance()), stdout: to})
	})
	return err
}

// roles are the snapshots of roles of the job's service, the oldest first.
func (w *work) roles(ctx context.Context) ([]kept, error) {
	return w.restic.list(ctx, "--host="+w.Job.Environment, "--tag", tagRoles+":"+w.Job.Service)
}

// loadRoles makes the roles that the snapshot's server had and this one has not. Those that it has stay as they are: their passwords may be newer.
func (w *work) loadRoles(ctx context.Context, e engine, snap *recovery.Snapshot) error {
	p, ok := e.(*postgres)
	if !ok {
		return nil
	}
	list, err := w.roles(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(list, func(k kept) bool { return k.tag(tagRun) == snap.Run })
	if at < 0 {
		w.tell.say("no roles were saved with the snapshot: those that it names must be there")
		return nil
	}
	in, err := w.restic.contents(ctx, list[at].ID, "/"+rolesFile)
	if err != nil {
		return err
	}
	defer in.close()
	script, err := io.ReadAll(io.LimitReader(in, maxAnswer))
	if err != nil {
		return err
	}
	have, err := p.psql(ctx, p.maintenance(), "select quote_ident(rolname) from pg_roles;\n")
	if err != nil {
		return noServer(&p.server, err)
	}
	missing := missingRoles(string(script), strings.Split(have, "\n"))
	if missing == "" {
		return nil
	}
	w.res.Touched = true
	_, err = p.psql(ctx, p.maintenance(), missing, "-v", "ON_ERROR_STOP=0") // what matters of it is asked for by the load
	return restoreFault(err)
}

// missingRoles are the statements of a script of pg_dumpall that are about roles that are not there. A statement is a line.
func missingRoles(script string, have []string) string {
	var out strings.Builder
	var made []string
	for line := range strings.Lines(script) {
		text := strings.TrimSpace(line)
		if !strings.HasSuffix(text, ";") {
			continue
		}
		role := ""
		switch {
		case strings.HasPrefix(text, "CREATE ROLE "):
			if role = identifier(text[len("CREATE ROLE "):]); !slices.Contains(have, role) {
				made = append(made, role)
			}
		case strings.HasPrefix(text, "ALTER ROLE "):
			role = identifier(text[len("ALTER ROLE "):])
		case strings.HasPrefix(text, "GRANT "):
			if _, to, ok := strings.Cut(text, " TO "); ok {
				role = identifier(to)
			}
		}
		if role != "" && slices.Contains(made, role) {
			out.WriteString(text + "\n")
		}
	}
	return out.String()
}

// identifier is the SQL name that a text begins with, with its quotes.
func identifier(text string) string {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, " ;")
		return text[:max(end, 0)]
	}
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		return text[:i+1]
	}
	return ""
}

// dropRoles forgets the roles whose dump is gone, but not those of a backup that may be under way.
func (w *work) dropRoles(ctx context.Context, there []kept) error {
	if w.Job.Engine != recovery.Postgres {
		return nil
	}
	list, err := w.roles(ctx)
	if err != nil {
		return err
	}
	var drop []string
	for _, k := range list {
		of := func(s kept) bool { return s.tag(tagRun) == k.tag(tagRun) }
		if !slices.ContainsFunc(there, of) && time.Since(k.Time) > strangeFor {
			drop = append(drop, k.ID)
		}
	}
	if len(drop) == 0 {
		return nil
	}
	_, err = w.restic.do(ctx, recovery.UnexpectedError, append([]string{"forget"}, drop...)...)
	return err
}
