// Package registry is the demo's image registry: the part of the distribution API (v2) that clients ask for tags and
// manifests.
//
// What lives here: [Server], an http.Handler over the world. One server stands for all registries of the demo's
// images; a repository is found by its path alone. It imports the world and nothing else of the demo.
package registry
