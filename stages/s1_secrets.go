package stages

import (
	"strings"

	"quarterdeck/sources/fleet"
)

var secretsNotEnv = &Check{
	ID: "secrets-not-env", Stage: 1,
	Question:  "is no credential in the environment of a service?",
	Why:       "What is in the environment is in every inspect, every crash report and every child process, and whoever may read the engine's API has it. A swarm secret is a file that only its tasks see.",
	Threshold: func(*Settings) string { return "none; names are looked at, never values" },
	Fix:       "make a swarm secret, mount it, and name its file in NAME_FILE; `quarterdeck rotate` changes it later",
	judge: func(e *Evidence, _ *Settings) Finding {
		f, _ := e.each("docker service inspect SERVICE: the names in Spec.TaskTemplate.ContainerSpec.Env", func(v *fleet.Service) *Subject {
			var names []string
			for _, n := range v.EnvNames {
				if credential(n) {
					names = append(names, n)
				}
			}
			if len(names) == 0 {
				return nil
			}
			return &Subject{State: Fail, Says: "by their names " + strings.Join(names, ", ") + " are credentials", Set: names[0] + "_FILE=/run/secrets/" + strings.ToLower(names[0])}
		})
		return f
	},
}

// credential tells by a variable's name whether it holds a credential (STAGES.md, secrets-not-env).
func credential(name string) bool {
	up := strings.ToUpper(name)
	if up == "PWD" || up == "OLDPWD" { // the shell's
		return false
	}
	for _, end := range []string{"_FILE", "_PATH", "_TTL", "_TIMEOUT", "_EXPIRY", "_LENGTH"} {
		if strings.HasSuffix(up, end) {
			return false
		}
	}
	for _, part := range strings.FieldsFunc(up, func(r rune) bool { return r == '_' || r == '-' || r == '.' }) {
		switch part {
		case "PASS", "PASSWORD", "PASSWD", "PASSPHRASE", "PWD", "SECRET", "SECRETS", "TOKEN", "KEY", "APIKEY", "CREDENTIALS":
			return true
		}
	}
	return strings.HasSuffix(up, "PASSWORD") || strings.HasSuffix(up, "SECRET") || strings.HasSuffix(up, "TOKEN")
}
