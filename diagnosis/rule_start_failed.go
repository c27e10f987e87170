package diagnosis

// startWords are the engine's for a container that was made and could not be started.
var startWords = []string{"starting container failed", "oci runtime create failed", "failed to create shim", "failed to create task for container", "exec format error", "executable file not found",
	"unable to start container process", "error during container init"}

// startFailed: the container could not be started: its entrypoint, a mount, a device.
func startFailed(s *Scene, _ *Wide) *Cause {
	said := s.said(startWords...)
	for len(said) > 0 && (has(said[0].Err, portWords...) || has(said[0].Err, bindWords...) || has(said[0].Err, "no space left on device", "secret store", "config store")) {
		said = said[1:]
	}
	if len(said) == 0 {
		return nil
	}
	c := &Cause{Title: "its container cannot be started", Grade: Signature, Confidence: 0.95, Why: "the engine says so in words"}
	c.shows(s, said)
	c.step("see what was changed, its entrypoint, command and mounts too", "change", s.Service.Name)
	c.step("see its tasks", "tasks", s.Service.Name)
	return c
}
