// Package objects serves the embedded object store over S3's own protocol: gofakes3 in memory, behind a check of the signature that gofakes3 does not make.
//
// What lives here: [Server]. What flows in: S3 requests; what the simulation writes by [Server.Put] and its like. What flows out: objects.
// It imports nothing of ours.
package objects
