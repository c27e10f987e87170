// Package objectstore keeps records in an S3 bucket (sources.Objects), over github.com/minio/minio-go/v7.
//
// What lives here: [Store]; [ParseAddress], which reads s3+http(s)://host/bucket/prefix (COMMANDS.md, --s3); [Keys] and where they come from.
// What flows in: an address and keys from the environment or files. What flows out: objects' names and bytes, as sources.Objects.
// It imports sources and its client library; the library's types do not leave it.
package objectstore
