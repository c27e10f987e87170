// Package blueprint holds ready stack files for each stage. In: values for their parameters. Out: files as `docker stack deploy` takes them, with
// the values in them as quoted YAML scalars, and what is to be done before and in which order. It talks to nothing, and changes nothing but the
// directory that it is told to write to. It must not import actions, ui or a source.
package blueprint
