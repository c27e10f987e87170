// Package stages tells where a team stands on its way from chaos to a platform that scales: four stages, each with a question, a trap and
// a gate (STAGES.md). Each check is a pure function of evidence that was gathered once; what could not be looked at is unknown and never a
// failure, and a gate is open only when every check that it requires passes: an average would hide the one critical failure.
//
// It imports sources, sources/fleet and recovery. All values are safe to be shared once they are made.
package stages
