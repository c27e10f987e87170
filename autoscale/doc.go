// Package autoscale is how many replicas a service should have, and why.
//
// What lives here: [Policy], which a service's labels declare; [Decide], the whole algorithm as a function of a policy, samples, the service's state, a
// history, the room that is left and the time (pure); [Loop], which decides for all services of a snapshot together; [Gather], which reads what is measured, one query a metric
// whatever the number of services; [Replay], which runs the same decisions over a load of the past; [Feed], which decides again and again for a console that shows it; [Course], a service beside its policy for a chart. What flows in: the fleet's snapshots, samples. What flows
// out: decisions, each with its reason in a sentence. Nothing here changes anything: agent and console apply decisions as actions.
//
// The model is the HPA of Kubernetes (https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/, "Algorithm details"), with bounds of our own on how fast it goes.
// It imports recovery (spans and schedules as labels have them), sources and sources/fleet.
package autoscale
