package blueprint

import "github.com/distribution/reference"

// ImagePin is an image that the files name where nobody names another.
type ImagePin struct {
	// Key is the parameter that takes another, or the engine of a database that a new service is given.
	Key string
	// Name is the image without its version; Version is its tag, Digest what the registry had for it where one is pinned.
	Name, Version, Digest string
}

// Images are the images of the stack's files, with the versions that the defaults have. What has no default, as the team's own images, is not among them.
func (s *Stack) Images() []ImagePin {
	var out []ImagePin
	for _, p := range s.Params() {
		if p.Image() && p.Default != "" {
			out = append(out, pinOf(p.Key, p.Default))
		}
	}
	return out
}

// DatabaseImages are the images that a new service's database has, by the engine's name.
func DatabaseImages() []ImagePin {
	return []ImagePin{pinOf("mariadb", imageMariaDB), pinOf("postgres", imagePostgres), pinOf("redis", Find("IMAGE_REDIS").Default)}
}

func pinOf(key, image string) ImagePin {
	out := ImagePin{Key: key, Name: image}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return out
	}
	out.Name = reference.FamiliarName(named)
	if t, ok := named.(reference.Tagged); ok {
		out.Version = t.Tag()
	}
	if d, ok := named.(reference.Digested); ok {
		out.Digest = d.Digest().String()
	}
	return out
}
