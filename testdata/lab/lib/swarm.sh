# The engines, the swarm, the log driver, the images, the stacks.

d() { # N ARG...: the docker command on engine N
  local n=$1
  shift
  env -u DOCKER_CONTEXT docker -H "unix://$S/$n/docker.sock" "$@"
}

engine_start() {
  local n=$1 on
  alive "engine-$n" && return 0
  mkdir -p "$S/$n"
  # Of an engine that was killed: dockerd takes its old containerd for running as
  # long as the number exists, and a zombie's number does, until init gets to it.
  wait_for "the old containerd of engine $n to go" 10 containerd_gone "$n" || true
  rm -f "$S/$n/docker.pid" "$S/$n/docker.sock" "$S/$n/exec/containerd/containerd.pid"
  jq -n --arg s "$S/$n" --arg n "$n" --arg registry "$REGISTRY" '{
    hosts: ["unix://\($s)/docker.sock"], "data-root": "\($s)/data", "exec-root": "\($s)/exec", pidfile: "\($s)/docker.pid",
    "insecure-registries": [$registry], experimental: true, "metrics-addr": "10.200.0.\($n):9323",
    "cgroup-parent": "/quarterdeck-lab/node\($n)", "exec-opts": ["native.cgroupdriver=cgroupfs"], "log-level": "warn",
    "shutdown-timeout": 8 }' >"$S/$n/daemon.json"
  on=$(on_node "$n")
  # shellcheck disable=SC2086
  spawn "engine-$n" "node$n/engine" env -i PATH="$PATH" HOME="${HOME:-/root}" $on dockerd --config-file "$S/$n/daemon.json"
}

containerd_gone() { ! start_ticks "$(cat "$S/$1/exec/containerd/containerd.pid" 2>/dev/null || echo none)"; }

engine_wait() {
  wait_for "engine $1" 60 timeout 5 env docker -H "unix://$S/$1/docker.sock" version ||
    { tail -5 "$S/logs/engine-$1.log" >&2; die "engine $1 does not answer: see $S/logs/engine-$1.log"; }
}

# manager prints the number of an engine that can answer for the swarm.
manager() {
  local n
  for n in $NODES; do
    [ "$(proc_state "engine-$n")" = running ] || continue
    if timeout 5 docker -H "unix://$S/$n/docker.sock" node ls -q >/dev/null 2>&1; then echo "$n"; return 0; fi
  done
  return 1
}

swarm_state() { d "$1" info --format '{{.Swarm.LocalNodeState}}'; }

swarm_up() {
  local n token
  if [ "$(swarm_state 1)" = inactive ]; then
    d 1 swarm init --advertise-addr 10.200.0.1 --listen-addr 10.200.0.1:2377 >/dev/null
  fi
  for n in 2 3; do
    [ "$(swarm_state "$n")" = inactive ] || continue
    token=$(d 1 swarm join-token -q manager)
    d "$n" swarm join --token "$token" --advertise-addr "10.200.0.$n" --listen-addr "10.200.0.$n:2377" 10.200.0.1:2377 >/dev/null
  done
  nodes_wait_ready
  for n in $NODES; do
    d 1 node update --label-add "zone=$(echo abc | cut -c"$n")" --label-add qd.price.hour=0.042 "node$n" >/dev/null
  done
  say "swarm of three managers is ready"
}

node_ready() {
  local m
  m=$(manager) || return 1
  [ "$(d "$m" node inspect --format '{{.Status.State}} {{.ManagerStatus.Reachability}}' "node$1")" = "ready reachable" ]
}
# nodes_wait_ready waits for every node whose engine runs: where the leader was the
# one that went, the managers do not know the state of the others for some seconds.
nodes_wait_ready() {
  local n
  for n in $NODES; do
    [ "$(proc_state "engine-$n")" != running ] || node_wait_ready "$n"
  done
}
node_wait_ready() { wait_for "node $1 to be Ready" 90 node_ready "$1" || die "node $1 is not Ready"; }

# --- Loki's log driver: a Docker plugin made from the module's config.json and one static binary ---

plugins_up() {
  local n pids=()
  for n in $NODES; do plugin_up "$n" & pids+=($!); done
  for n in "${pids[@]}"; do wait "$n" || die "the log driver could not be installed: see $S/logs/plugin.log"; done
}

plugin_up() {
  local n=$1 temp
  case $(d "$n" plugin inspect --format '{{.Enabled}}' loki 2>/dev/null) in
    true) return 0 ;;
    false) ;;
    *)
      temp=$(mktemp -d "$S/plugin.XXXXXX")
      mkdir -p "$temp/rootfs/bin" "$temp/rootfs/etc" "$temp/rootfs/tmp"
      cp "$(bin docker-driver)" "$temp/rootfs/bin/docker-driver"
      cp "$here/servers/plugin.json" "$temp/config.json"
      d "$n" plugin create loki "$temp" >>"$S/logs/plugin.log" 2>&1
      rm -rf "$temp"
      ;;
  esac
  d "$n" plugin enable loki >>"$S/logs/plugin.log" 2>&1
  d "$n" plugin inspect --format '{{.Id}}' loki >>"$S/plugin-ids"
}

# --- the workload's images: one binary, three configurations ---

images_up() {
  local want
  want=$(basename "$(dir_of workload)")
  [ "$(cat "$S/images" 2>/dev/null)" != "$want" ] || return 0
  {
    image 1.0 "ENV VERSION=1.0" && image 1.1 "ENV VERSION=1.1" && image 2.0-bad "ENV VERSION=2.0-bad BAD=1"
  } >>"$S/logs/images.log" 2>&1 || return 1
  echo "$want" >"$S/images"
}

# image TAG ENV-INSTRUCTION. It has a folder /data of the user's, which is what a new volume there is like.
image() {
  mkdir -p "$S/image/data"
  tar --owner=65534 --group=65534 --mtime=@0 --mode=755 -c -C "$(dir_of workload)" workload -C "$S/image" data | d 1 import \
    --change 'ENTRYPOINT ["/workload"]' --change 'EXPOSE 8080' --change 'USER 65534:65534' --change "$2" \
    --change "LABEL org.opencontainers.image.version=$1" \
    --change 'HEALTHCHECK --interval=5s --timeout=15s --retries=2 CMD ["/workload","-check","http://127.0.0.1:8080/healthz"]' \
    - "$REGISTRY/workload:$1" && d 1 push -q "$REGISTRY/workload:$1"
}

# --- stacks ---

stack_deploy() { # FILE, under the file's name
  local m
  m=$(manager) || die "no manager answers"
  d "$m" stack deploy --with-registry-auth --prune -c "$1" "$(basename "${1%.*}")" >>"$S/logs/stacks.log" 2>&1 ||
    { tail -5 "$S/logs/stacks.log" >&2; die "cannot deploy $1"; }
}

# stack_settled: each service runs as many tasks as it wants (Running means healthy
# where there is a health check) and no update is under way.
stack_settled() {
  local m rows ids
  m=$(manager) || return 1
  rows=$(d "$m" stack services --format '{{.Replicas}}' "$1") || return 1
  [ -n "$rows" ] || return 1
  echo "$rows" | awk '{ split($1, r, "/"); if (r[1] != r[2]) exit 1 }' || return 1
  ids=$(d "$m" stack services -q "$1")
  # shellcheck disable=SC2086
  ! d "$m" service inspect --format '{{with .UpdateStatus}}{{.State}}{{end}}' $ids | grep -q updating
}

stack_wait() {
  local m
  wait_for "stack $1 to converge" "$2" stack_settled "$1" && return 0
  m=$(manager) && d "$m" stack ps --no-trunc "$1" >&2
  die "stack $1 did not converge"
}

cmd_deploy() {
  local wait=1
  [ "${1:-}" != --no-wait ] || { wait=; shift; }
  [ -f "${1:-}" ] || die "lab deploy [--no-wait] STACK.yml"
  ! grep -q "$REGISTRY/data:" "$1" || data_up
  stack_deploy "$1"
  [ -z "$wait" ] || stack_wait "$(basename "${1%.*}")" 240
}

stack_gone() {
  local m
  m=$(manager) || return 1
  [ -z "$(d "$m" service ls -q --filter "label=com.docker.stack.namespace=$1")" ] &&
    [ -z "$(d "$m" network ls -q --filter "label=com.docker.stack.namespace=$1")" ]
}

cmd_remove() {
  local m stack
  m=$(manager) || die "no manager answers"
  d "$m" stack rm "$@" >/dev/null
  for stack in "$@"; do wait_for "stack $stack to go" 60 stack_gone "$stack"; done
}

# endpoints SERVICE prints host:port of each running task that publishes a port.
endpoints() {
  local m node port ids id name addr
  m=$(manager) || die "no manager answers"
  ids=$(d "$m" service ps -q --no-trunc --filter desired-state=running "$1") || die "no service $1"
  [ -n "$ids" ] || return 0
  # shellcheck disable=SC2086
  d "$m" inspect $ids | jq -r '.[] | select(.Status.State == "running") | "\(.NodeID) \(.Status.PortStatus.Ports[0].PublishedPort // "-") \(.Status.ContainerStatus.ContainerID)"' |
    while read -r node port id; do
      read -r name addr <<<"$(d "$m" node inspect --format '{{.Description.Hostname}} {{.Status.Addr}}' "$node")"
      # 20.10 forgets the ports of tasks whose node has missed heartbeats; the node itself knows them.
      [ "$port" != - ] || port=$(d "${name#node}" inspect --format '{{range .NetworkSettings.Ports}}{{range .}}{{.HostPort}} {{end}}{{end}}' "$id" 2>/dev/null | awk '{ print $1 }')
      [ -z "$port" ] || echo "$addr:$port"
    done
}

cmd_call() {
  local all= service path endpoint
  [ "${1:-}" != --all ] || { all=1; shift; }
  service=${1:?lab call [--all] SERVICE PATH} path=${2:?lab call [--all] SERVICE PATH}
  for endpoint in $(endpoints "$service"); do
    curl -sS -m 60 "http://$endpoint$path"
    [ -n "$all" ] || return 0
  done
}
