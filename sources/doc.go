// Package sources says what is true: the domain's types, which every source
// speaks and every reader understands, and the kinds of error that can be told
// apart.
//
// What lives here: [Node], [Service], [Task], [Event], [Entry], [Series],
// [Alert] and their like; the interfaces [Orchestrator], [Logs], [Metrics] and
// [Alerts]; [Error] and [Status].
// What flows in: nothing. What flows out: types only.
// It imports the standard library alone. One package a system stands below it
// (swarm, loki, prometheus, alertmanager), each a thin adapter on a client
// library whose types never leave it; fleet folds what they say into one model.
package sources
