// Package bitbucket reads and starts the pipelines of Bitbucket Cloud, over its REST API 2.0
// (https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pipelines/).
//
// What lives here: [Client], a [sources.Pipelines]. What flows in: a workspace with a token, and names of repositories. What flows out: runs, steps, and errors
// of the domain's kinds with what to do next. It imports sources and the standard library alone.
package bitbucket
