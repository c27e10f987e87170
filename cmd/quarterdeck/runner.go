package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"quarterdeck/recovery"
	"quarterdeck/recovery/runner"
	"quarterdeck/sources/objectstore"
)

// newRunnerCommand is what a job's container runs. It is no command for people, who have backup, drill and restore: so help does not list it.
func newRunnerCommand(s *surroundings) *cobra.Command {
	jobFile, repositoryFile := recovery.JobFile, recovery.RepositoryFile
	cmd := &cobra.Command{
		Use:    "runner",
		Short:  "Carry out one backup, check, restore or forget: the payload of a job's container",
		Hidden: true,
		Args:   noArgs,
		Long: `Reads a job and the repository's secret, carries the job out with restic and the database's own tools, and
prints a line of JSON for each step. The last one has the result, which is in the object store by then.

EXIT STATUS
  0    done
  1    not done: the result says why`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.endsItself != nil {
				s.endsItself()
			}
			return runRunner(cmd.Context(), s, jobFile, repositoryFile)
		},
	}
	cmd.Flags().StringVar(&jobFile, "job", jobFile, "the job's `file`")
	cmd.Flags().StringVar(&repositoryFile, "repository", repositoryFile, "the repository's secret, a `file` of lines NAME=VALUE")
	return cmd
}

// runRunner exits 0 where the job was done, and else 1: the Result has all that is to be said.
func runRunner(ctx context.Context, s *surroundings, jobFile, repositoryFile string) error {
	notDone := &exitStatus{code: exitDegraded}
	job, bad := runner.ReadJob(jobFile)
	repository, err := runner.ReadRepository(repositoryFile)
	var objects *objectstore.Store
	if err == nil {
		objects, err = storeOf(repository)
	}
	if err != nil {
		runner.Refuse(s.out, &job, errors.Join(bad, err))
		return notDone
	}
	r := runner.Runner{Job: job, Unread: bad, Repository: repository, Objects: objects, Out: s.out}
	if !r.Run(ctx).OK {
		return notDone
	}
	return nil
}

// storeOf is the object store that the repository's secret names, with its keys.
func storeOf(repository runner.Repository) (*objectstore.Store, error) {
	at, err := objectstore.ParseAddress(repository.Get("QUARTERDECK_S3"))
	if err != nil {
		return nil, err
	}
	keys, err := objectstore.KeysFrom(repository.Get)
	if err != nil {
		return nil, err
	}
	return objectstore.New(at, keys, nil)
}
