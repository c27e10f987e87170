// Package config reads Quarterdeck's configuration file and joins it with flags
// and environment.
//
// What lives here: [File], the file's shape; [Context], one platform's
// addresses and logins; [Load], which refuses unknown keys by line; [Settings],
// what is in force after flag, environment, file and default (in that order).
// What flows in: a file, an environment, flags. What flows out: Settings.
// It imports sources for the shape of an access, and never the ui.
package config
