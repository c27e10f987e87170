package world

import "slices"

const (
	badDeployName = "bad-deploy-rollback"
	noiseName     = "noise"
)

// scripts are the incidents, in the order in which they are listed. docs/demo.md is made from them.
func scripts() []script {
	return slices.Concat(deathScripts(), startScripts(), placementScripts(), changeScripts(), harmScripts(), recoveryScripts())
}

// deathScripts are those whose tasks die.
func deathScripts() []script {
	return []script{
		{Scenario{
			"crash-loop", "A bad configuration", "shop_payments crashes at each start; its tasks fail and are replaced over and over",
			"0/2 running; failed tasks with exit 1, their last lines a panic; 5xx", "crash-loop", "a deploy that changes its configuration or image",
		}, crashLoop},
		{Scenario{
			"oom", "A memory leak", "shop_cart grows to its memory limit and is killed with exit 137, again and again",
			"memory rises to its limit, then exit 137; the node's oom_kill counter", "oom-killed", "a memory limit half as high again, another image",
		}, oom},
		{Scenario{
			"task-killed", "Tasks that are shot", "every twenty seconds a container of shop_web is killed from outside, far below its memory limit",
			"exit 137 with memory at rest and no failed health check; the task is replaced", "killed", "nothing through the API: the killer must be found",
		}, taskKilled},
		{Scenario{
			"exits-cleanly", "A worker that thinks it is done", "batch_worker is deployed with --once: it ends with exit 0 and is started again",
			"tasks complete, exit 0, one after another", "exits-cleanly", "a roll back; a spec without --once; restart condition on-failure stops the loop",
		}, exitsCleanly},
		{Scenario{
			"healthcheck-failing", "A wrong health check", "shop_cart's health check asks a port that nobody serves; its new tasks are killed as unhealthy",
			"tasks fail with `dockerexec: unhealthy container`; the update is paused", "healthcheck-failing", "a roll back; a health check that asks port 8080",
		}, healthcheckFailing},
	}
}

// startScripts are those whose tasks never get as far as to run.
func startScripts() []script {
	return []script{
		{Scenario{
			"image-missing", "An image that no registry has", "batch_worker is updated to a tag that was never pushed; its tasks are rejected",
			"tasks rejected with `No such image`; 0/2", "image-missing", "a roll back; an image that exists",
		}, imageMissing},
		{Scenario{
			"start-failed", "A command that is not in the image", "shop_cart is deployed with an entrypoint that its image does not have",
			"tasks fail with `starting container failed: ... no such file or directory`, exit 127", "start-failed", "a roll back; a spec without that command",
		}, startFailed},
		{Scenario{
			"bind-missing", "A folder that no node has", "shop_cache mounts a file of its node that is not there; what needs the cache fails, too",
			"tasks rejected with `bind source path does not exist`; errors of shop_cart and batch_worker", "bind-missing", "a roll back; a spec without that mount",
		}, bindMissing},
		{Scenario{
			"secret-missing", "A rollback to a secret that is gone", "batch_worker's secret was rotated and the old one removed; then it is rolled back to that one",
			"tasks of the rolled back service fail before they run, the secret is not found", "secret-or-config-missing", "a deploy with the secret that is there",
		}, secretMissing},
		{Scenario{
			"addresses-exhausted", "A subnet that is too small", "batch_worker is scaled up in a network that has no addresses left",
			"tasks stay in state new, without a word", "addresses-exhausted", "fewer replicas",
		}, addressesExhausted},
	}
}

// placementScripts are those whose tasks find no node, or lose it.
func placementScripts() []script {
	return []script{
		{Scenario{
			"constraint-unsatisfied", "A label that no node has", "batch_worker is told to run where node.labels.gpu is true: nowhere",
			"tasks pending: `scheduling constraints not satisfied on 3 nodes`", "constraint-unsatisfied", "a roll back; the label on a node",
		}, constraintUnsatisfied},
		{Scenario{
			"insufficient-resources", "A reservation that no node can hold", "shop_cart reserves more memory than any node has left",
			"tasks pending: `insufficient resources on 3 nodes`; the update stands still", "insufficient-resources", "a roll back; a smaller reservation",
		}, insufficientResources},
		{Scenario{
			"port-conflict", "A port that is taken", "shop_cart publishes a port of its node that platform_agent holds on all of them",
			"tasks pending: `host-mode port already in use on 3 nodes`; the update stands still", "port-conflict", "a roll back; another port",
		}, portConflict},
		{Scenario{
			"node-down", "A lost node", "a node's heartbeats stop; its tasks are replaced on the others and its own agent has nowhere to go",
			"node down, `heartbeat failure`; its exporters do not answer, its logs end", "node-down", "nothing through the API: the node must come back",
		}, nodeDown},
		{Scenario{
			"node-paused", "A frozen engine", "a node's engine hangs: no heartbeats, while its containers and exporters go on",
			"node down, `heartbeat failure`, yet node-exporter answers; only dockerd does not", "node-down", "nothing through the API: the engine must go on",
		}, nodePaused},
		{Scenario{
			"label-changed", "A label that somebody took off", "the node of shop_store loses the label that shop_store must have; what needs the store fails",
			"a task rejected: `assigned node no longer meets constraints`, the next one pending; 5xx of shop_api and shop_web", "label-changed", "the label put back (docker node update)",
		}, labelChanged},
	}
}

// changeScripts are those that begin with a change of a service.
func changeScripts() []script {
	return []script{
		{Scenario{
			badDeployName, "A deploy that does not start", "shop_api gets an image that fails its start; the update fails and rolls back by itself",
			"update rolled back due to failure of a task, which says why", "bad-deploy", "its own rollback",
		}, badDeploy},
		{Scenario{
			"bad-deploy", "A deploy that runs and fails its users", "shop_api gets an image that starts well and is healthy, and answers with 5xx until it is taken back",
			"5xx and latency since the deploy; a new error line about the pool", "bad-deploy", "a roll back",
		}, sickDeploy},
		{Scenario{
			"desired-zero", "A service that somebody scaled to zero", "shop_cart is scaled to 0: nothing fails and nothing runs",
			"0/0; an event with replicas 2 to 0; callers fail", "desired-zero", "scale it up",
		}, desiredZero},
	}
}

// harmScripts are those whose tasks all run.
func harmScripts() []script {
	return []script{
		{Scenario{
			"dependency-slow", "A slow database", "shop_store gets slow; shop_api and shop_web answer late and with 5xx",
			"latency and 5xx of the callers; the store's CPU and its slow statements", "errors-after-dependency", "a redeploy of shop_store",
		}, slowStore},
		{Scenario{
			"dependency-errors", "A database that refuses", "shop_store has no connections left and refuses; shop_api and shop_web answer with 5xx",
			"5xx of the callers, whose lines quote the store; FATAL lines of the store", "errors-after-dependency", "a redeploy of shop_store",
		}, refusingStore},
		{Scenario{
			"disk-full", "A full disk", "the disk under shop_store fills up until its writes fail",
			"node_filesystem_avail_bytes falls to 0; `No space left on device` of store and callers", "disk-full", "nothing through the API: somebody must make room",
		}, diskFull},
		{Scenario{
			"certificate-expiring", "A certificate that is not renewed", "shop.example's certificate ends in 36 hours, and its renewal is refused",
			"traefik_tls_certs_not_after; error lines of platform_traefik", "certificate-expiring", "a redeploy of platform_traefik, which renews at its start",
		}, certificateExpiring},
		{Scenario{
			"cpu-throttled", "A service at its CPU limit", "shop_api needs all the CPU that its limit allows and is throttled; it answers late, without errors",
			"four in five CFS periods throttled, CPU at its limit, latency", "cpu-throttled", "a CPU limit half as high again",
		}, cpuThrottled},
		{Scenario{
			"log-pattern-new", "A line that was never there", "shop_payments begins to write a warning that it never wrote before; nothing fails",
			"one new pattern in its log, no error", "log-pattern-new", "a redeploy of shop_payments",
		}, logPatternNew},
		{Scenario{
			"log-burst", "A talkative service", "shop_web writes a hundred times its usual lines, with bursts of 5,000 at once",
			"lines a second (`LOG/S`); nothing fails", "log-burst", "a deploy that changes its configuration or image",
		}, logBurst},
		{Scenario{
			noiseName, "What a healthy platform does all day", "old failures, a deploy here, a burst of warnings there: nothing to find; run it beside another one",
			"a failed task of hours ago, a deploy every few minutes, warnings that were always there, the certificate of an old name that ends in 18 days", "", "it needs nothing",
		}, noise},
	}
}
