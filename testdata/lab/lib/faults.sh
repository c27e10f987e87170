# Faults: each is seeded from outside (docker's command, a signal, a knob of the
# workload) in services of its own under neutral names that change with every start,
# so that nothing can know a fault by its name. What a start made, it writes down as
# the command that undoes it; stop runs those in reverse order. faultkinds.sh has
# the faults themselves, faultlook.sh writes down what the platform says of them.

FAULT_STACKS="amber birch cedar delta ember fjord grove haven iris juniper kelp linden maple nimbus opal pine quartz river sable tundra umber willow"
FAULT_WORDS="accounts billing carts catalog checkout delivery gateway identity invoices ledger mailer offers payments pricing profile quotes reports search sessions stock tariffs uploads vouchers wallet"

fault_dir() { echo "$S/faults/$1"; }
fault_ids() { fault_table | awk -v n="$1" '$1 == n { print $2 }'; }

cmd_fault() {
  local verb=${1:-list}
  [ $# -eq 0 ] || shift
  case $verb in
    list) fault_table ;;
    start) need_root; fault_start "$@" ;;
    stop) need_root; fault_stop "${1:?lab fault stop NAME}" ;;
    stop-all) need_root; fault_stop_all ;;
    watch) fault_watch "$@" ;;
    capture) fault_capture "$@" ;;
    doc) fault_doc ;;
    active) ls "$S/faults" 2>/dev/null || true ;;
    _killer) fault_killer "$@" ;;   # what runs in the background of a fault
    _deploys) fault_deploys "$@" ;;
    *) die "lab fault list|active|start NAME [STACK]|stop NAME|stop-all|watch NAME [SECONDS]|capture NAME [SECONDS]" ;;
  esac
}

# fault_start NAME [STACK]: the last line is JSON: what was seeded where and when, and
# which id each service should be found with. A stack that is given may exist: so
# that two faults can be beside each other.
fault_start() {
  local name=${1:-} dir m stack seeded= rc w
  [ -n "$(fault_ids "$name")" ] || die "no fault '$name': lab fault list"
  dir=$(fault_dir "$name")
  mkdir -p "$S/faults"
  mkdir "$dir" 2>/dev/null || die "$name is seeded already: lab fault stop $name"
  m=$(manager) || { rmdir "$dir"; die "no manager answers"; }
  stack=${2:-$(fresh_stack)}
  set +e # bash ignores -e in a condition
  (
    set -e
    "seed_${name//-/_}"
    [ -n "$seeded" ] || seed_now
    jq -n --arg fault "$name" --arg id "$(fault_ids "$name")" --arg stack "$stack" --arg seeded "$seeded" --rawfile expect "$dir/expect" --arg node "$(cat "$dir/node" 2>/dev/null)" '
      ($expect | split("\n") | map(select(. != "") | split(" ") | {service: .[0], id: .[1]})) as $e |
      {fault: $fault, id: $id, service: ($e[0].service // ""), node: $node, stack: $stack, seeded: $seeded, expect: $e}' >"$dir/record"
  )
  rc=$?
  set -e
  [ "$rc" = 0 ] || { fault_stop "$name" || true; die "$name could not be seeded: see $S/logs/faults.log"; }
  jq -c . "$dir/record"
}

fault_stop() {
  local name=$1 dir line failed=0
  dir=$(fault_dir "$name")
  [ -d "$dir" ] || { say "$name is not seeded"; return 0; }
  if [ -s "$dir/undo" ]; then
    while IFS= read -r line; do
      eval "$line" >/dev/null || { say "$name: could not undo: $line"; failed=1; }
    done < <(tac "$dir/undo")
  fi
  rm -rf "$dir"
  return "$failed"
}

fault_stop_all() {
  local f failed=0
  for f in "$S/faults"/*/; do
    [ ! -d "$f" ] || fault_stop "$(basename "$f")" || failed=1
  done
  return "$failed"
}

# --- what a fault is made with; each has $name, $dir, $m and $stack ---

undo() { printf '%q ' "$@" >>"$dir/undo"; echo >>"$dir/undo"; }
expect() { echo "$1 $2" >>"$dir/expect"; } # SERVICE ID
seed_now() { seeded=$(date -u +%FT%T.%3NZ); }
word() { # a service's name that this stack has not
  local w
  while :; do
    # shellcheck disable=SC2086
    w=$(shuf -n1 -e $FAULT_WORDS)
    d "$m" service inspect "${stack}_$w" >/dev/null 2>&1 || { echo "$w"; return; }
  done
}
fresh_stack() {
  local w used
  used=$(d "$m" service ls --format '{{.Name}}')
  while :; do
    # shellcheck disable=SC2086
    w=f-$(shuf -n1 -e $FAULT_STACKS)$((RANDOM % 90 + 10))
    grep -q "^${w}_" <<<"$used" || { echo "$w"; return; }
  done
}

# service NAME [KEY=VALUE...] [OPTION...]: a service as the shop has them. The pairs
# are environment; tag, publish and health may be set by the caller. Most have no health
# check: each costs a process every 5 s, and dozens of them on two busy cores time out,
# which is a fault that nobody has seeded.
service() {
  local w=$1 pair args=(${health---no-healthcheck})
  declare -A env=([NAME]=$1 [RATE]=2 [ERROR_RATIO]=0.01)
  shift
  while [[ ${1:-} == [A-Z]*=* ]]; do env[${1%%=*}]=${1#*=}; shift; done
  for pair in "${!env[@]}"; do args+=(--env "$pair=${env[$pair]}"); done
  undo service_rm "${stack}_$w"
  d "$m" service create --detach --quiet --name "${stack}_$w" \
    --label com.docker.stack.namespace="$stack" --container-label com.docker.stack.namespace="$stack" \
    --endpoint-mode dnsrr --publish "${publish:-target=8080,mode=host}" \
    --log-driver loki:latest --log-opt loki-url="http://$HOST_IP:3100/loki/api/v1/push" --log-opt loki-batch-wait=200ms \
    --log-opt loki-timeout=2s --log-opt loki-retries=3 --log-opt loki-max-backoff=1s \
    --limit-memory 64M --limit-cpu 0.5 --reserve-memory 16M --reserve-cpu 0.02 --restart-delay 2s --stop-grace-period 3s \
    --update-order start-first --update-monitor 5s --update-failure-action pause \
    "${args[@]}" "$@" "$REGISTRY/workload:${tag:-1.0}" >/dev/null 2>>"$S/logs/faults.log"
}

# service_rm removes a service and waits until no engine that answers has a container of it.
service_rm() {
  local m
  m=$(manager) || return 1
  d "$m" service rm "$1" >/dev/null 2>&1 || true
  wait_for "the containers of $1 to go" 60 containers_gone "$1"
}
containers_gone() {
  local n
  for n in $NODES; do
    [ "$(proc_state "engine-$n")" = running ] || continue
    [ -z "$(d "$n" ps -aq --filter "label=com.docker.swarm.service.name=$1")" ] || return 1
  done
}
overlay() { # NAME OPTION...
  undo again_until_gone network "${stack}_$1"
  d "$m" network create -d overlay --label com.docker.stack.namespace="$stack" "${@:2}" "${stack}_$1" >/dev/null
}
again_until_gone() { wait_for "$1 $2 to go" 30 thing_gone "$1" "$2"; }
thing_gone() {
  local m
  m=$(manager) || return 1
  d "$m" "$1" rm "$2" >/dev/null 2>&1
  ! d "$m" "$1" inspect "$2" >/dev/null 2>&1
}
volume_rm() { local n; for n in $NODES; do wait_for "volume $1" 20 volume_gone "$n" "$1" || return 1; done; }
volume_gone() { d "$1" volume rm -f "$2"; }

# runs SERVICE N: waits until N of its tasks run (and are healthy, where they have a check).
runs() { wait_for "$1 to run" 90 tasks_run "$1" "$2"; }
tasks_run() { [ "$(d "$m" service ps --filter desired-state=running --format '{{.CurrentState}}' "$1" | grep -c '^Running')" -ge "$2" ]; }

# history SERVICE N: waits until Prometheus has N samples of a task of it, so that
# there is a before.
history() { wait_for "samples of $1" 120 has_history "$1" "$2"; }
has_history() { [ "$(prom_number "max(count_over_time(up{job=\"workload\",swarm_service=\"$1\"}[10m]))")" -ge "$2" ]; }
prom_number() {
  curl -fsS -m 5 -G "$(address_of prometheus)/api/v1/query" --data-urlencode "query=$1" | jq -r '.data.result[0].value[1] // "0" | tonumber | floor'
}

# container_of SERVICE prints "node id" of each running container.
container_of() {
  local n id
  for n in $NODES; do
    [ "$(proc_state "engine-$n")" = running ] || continue
    for id in $(d "$n" ps -q --filter "label=com.docker.swarm.service.name=$1"); do echo "$n $id"; done
  done
}

# fault_killer SERVICE ends its container from outside again and again, for 15 minutes at most.
fault_killer() {
  local until=$((SECONDS + 900)) n id
  while [ "$SECONDS" -lt "$until" ]; do
    while read -r n id; do
      kill -KILL "$(d "$n" inspect --format '{{.State.Pid}}' "$id")" 2>/dev/null || true
    done < <(container_of "$1")
    sleep 5
  done
}

# fault_deploys SERVICE deploys it again and again, as a team does, for 30 minutes at most.
fault_deploys() {
  local until=$((SECONDS + 1800)) m i=0
  while [ "$SECONDS" -lt "$until" ]; do
    sleep 40
    m=$(manager) || continue
    i=$((i + 1))
    d "$m" service update --quiet --detach --env-add "BUILD=$((4200 + i))" "$1" >/dev/null 2>&1 || true
  done
}
