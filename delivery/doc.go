// Package delivery follows a change to a service: commit, pipeline, image and its scan, deploy, healthy; with times, and where it is stuck.
//
// What lives here: [Follow], which asks the sources, and [Judge], a pure function over what they said. What flows in: the fleet's snapshot, pipelines,
// registries, scans, who deploys stacks. What flows out: a [Delivery] a service. It imports sources, sources/fleet and stages, which knows the repository of a service.
package delivery
