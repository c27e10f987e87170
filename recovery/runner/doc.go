// Package runner carries out a [recovery.Job] in a container of its own, with the databases' own tools and restic, and says what came of it.
//
// What lives here: [Runner], whose Run is the whole job; the engines (postgres, mysql, redis), each a dump that is streamed out and streamed back; volumes,
// which are files that restic reads itself; what is read of restic's words and exit codes.
// What flows in: a job, a repository's secret, the service's password. What flows out: Events on a writer, a Result and a record of the snapshot in the
// object store, and the data itself, from the server to restic and back, never onto a disk between.
// Nothing of it knows a swarm: package actions makes the container and reads what came of it. It imports recovery and sources alone.
//
// What holds, whatever ends when: a snapshot is saved only after the dump's own tool has ended with 0, since restic is told the end of its input then and not
// before; its record is written only after it was read back; a job is begun once, by its claim; what is refused is refused before anything is touched.
package runner
