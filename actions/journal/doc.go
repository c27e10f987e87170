// Package journal is the append-only record of what was done: who, when, where, what, before and after, result.
//
// What lives here: [Journal], one directory that all processes of a user on a machine share. What flows in: an [Entry] before the
// first effect of a run and after each of its steps. What flows out: entries, as a whole or as they come, and the judgement of
// [Verify]. It imports sources for the errors and nothing else of this program.
//
// # Files
//
//	journal.jsonl        one entry a line
//	head                 number and hash of the last line written, so that lines missing at the end are noticed
//	lock                 locked while something is written
//	runs/<run>.lock      locked while that run is executed
//	specs/ab/<hash>.json specs by the SHA-256 of their content
//	key                  32 random bytes, with which masked values are told apart
//	journal.torn-<time>  what was cut off the journal's end by a mend
//
// # Lines and their hashes
//
// A line is one JSON object whose last field is hash. Its hash is the SHA-256, in hex, over the line's bytes as they stand in the
// file, without the line's end, and with nothing between the quotation marks of hash. prev is the hash of the line before. So, with
// the tools of any machine, for line 3:
//
//	sed -n 3p journal.jsonl | sed 's/"hash":"[0-9a-f]*"}$/"hash":""}/' | tr -d '\n' | sha256sum
//
// A changed, removed, inserted or moved line breaks the chain and is named by Verify. Who may write the directory can make the whole
// journal and its head anew: against that only a copy elsewhere helps, such as the one that is pushed to Loki.
package journal
