package sources

// Stack is what stack files make under one name. Its services refer to networks, secrets and configs by their names: only the swarm knows ids.
type Stack struct {
	Name     string
	Services []ServiceState
	// Networks are those that the services are on.
	Networks []NetworkSpec
	// Configs are those that the files have the contents of.
	Configs []Material
	// Holds says of secrets, by their names, what is to be in them: the files have no values.
	Holds map[string]string
	// Secrets are those whose values the files have.
	Secrets []Material
	// Ignored are the fields of the files that a swarm has no use for.
	Ignored []string
}

// NetworkSpec is an overlay network that is to be made.
type NetworkSpec struct {
	Name                 string
	Labels, Options      map[string]string
	Attachable, Internal bool
	// Shared: it is no stack's own. One of that name that is there already is the one that is meant, whoever made it.
	Shared bool
}
