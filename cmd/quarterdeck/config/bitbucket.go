package config

import (
	"fmt"
	"time"

	"quarterdeck/sources"
)

// Bitbucket is whose pipelines are read.
type Bitbucket struct {
	// Address is another server's than Bitbucket Cloud's.
	Address   string `yaml:"address"`
	Workspace string `yaml:"workspace"`
	// TokenFile holds an access token, or the API token of the person whose e-mail address is Username.
	Username  string `yaml:"username"`
	TokenFile string `yaml:"token-file"`
	TLS       TLS    `yaml:"tls"`
	// Repositories are those that are judged, by name.
	Repositories map[string]Repository `yaml:"repositories"`
}

// Repository is one of Bitbucket's: the branch that counts, main where none is named, and what is built from it.
type Repository struct {
	Branch   string   `yaml:"branch"`
	Services []string `yaml:"services"`
}

// Access is how it is reached.
func (b *Bitbucket) Access(timeout time.Duration) sources.Access {
	a := sources.Access{Source: "bitbucket", Address: b.Address, TLS: b.TLS.Source(), Timeout: timeout}
	if b.Username != "" {
		a.Username, a.PasswordFile = b.Username, b.TokenFile
	} else {
		a.BearerTokenFile = b.TokenFile
	}
	return a
}

// Built are the branches of the repositories, and the repository of each service. A service that is built from two is an error, and so is a name that is none.
func (b *Bitbucket) Built() (branches, of map[string]string, err error) {
	branches, of = map[string]string{}, map[string]string{}
	for name, r := range b.Repositories {
		if !sources.IsRepository(name) {
			return nil, nil, fmt.Errorf("bitbucket.repositories: %q names no repository", name)
		}
		branches[name] = r.Branch
		for _, s := range r.Services {
			if other, ok := of[s]; ok {
				return nil, nil, fmt.Errorf("bitbucket.repositories: %s is built from %s and from %s", s, min(other, name), max(other, name))
			}
			of[s] = name
		}
	}
	return branches, of, nil
}
