package config

import "sort"

// Registry says how an image registry is reached.
type Registry struct {
	// Address is where to ask instead of the registry's own host: http://host:port, with a path that goes before the
	// repository's. "": its own host.
	Address string `yaml:"address"`
	// Insecure allows plain http, and a certificate that nobody vouches for.
	Insecure bool `yaml:"insecure"`
}

// Mirrors are the addresses to ask instead of registries, by the registry's host, and the hosts that are insecure,
// sorted: as sources/registry takes them.
func (c Context) Mirrors() (mirrors map[string]string, insecure []string) {
	mirrors = map[string]string{}
	for host, r := range c.Registries {
		if r.Address != "" {
			mirrors[host] = r.Address
		}
		if r.Insecure {
			insecure = append(insecure, host)
		}
	}
	sort.Strings(insecure)
	return mirrors, insecure
}
