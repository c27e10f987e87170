# The faults. Each function seeds one: it makes what is well, waits until there is a
# before where the fault needs one, calls seed_now and does the harm.

fault_table() {
  cat <<'EOF2'
kill                  killed                     kill -9 from outside on the container, again every 5 s
crash-loop            crash-loop                 the process panics 9 s after its start
leak                  oom-killed                 1.5 MiB a second are kept, the limit is 48 MiB
bad-image             bad-deploy                 update to an image that exits at once; failure action pause
bad-image-rolled-back bad-deploy                 the same; failure action rollback
bad-deploy            bad-deploy                 an update that starts well and answers 70% of the requests with 500
image-missing         image-missing              a tag that the registry has not
image-missing-update  image-missing              update of a running service to a tag that the registry has not
bad-health-check      healthcheck-failing        a health check that needs a shell, in an image that has none
turns-unhealthy       healthcheck-failing        the health check answers 503 from 12 s after the start on; SIGTERM ends the program cleanly
unhealthy-stubborn    healthcheck-failing        the same; the program pays no attention to SIGTERM
start-failed          start-failed               an entrypoint that the image has not
bind-missing          bind-missing               a bind mount of a folder that no node has
wrong-constraint      constraint-unsatisfied     a label that no node has
too-large             insufficient-resources     900 GiB reserved
full-node             insufficient-resources     6 GiB reserved where another service has reserved all but 3 GiB of each node
port-taken            port-conflict              a host port that another service holds on every node
label-removed         label-changed              the node's label that the service is bound to is removed
subnet-small          addresses-exhausted        six replicas on an overlay network with a /29
secret-missing        secret-or-config-missing   a secret is rotated, the old one removed, the service rolled back to it
config-missing        secret-or-config-missing   the same with a config
dependency            errors-after-dependency    front -> middle -> back (a private network): back answers 503
dependency-declared   errors-after-dependency    the same, the dependencies declared by label
disk-full             disk-full                  each request writes 64 KiB to a volume of 8 MiB
certificate           certificate-expiring       a certificate that ends in 60 hours
throttled             cpu-throttled              a limit of 0.1 CPUs, one core asked for
new-pattern           log-pattern-new            a warning that was never there, twice a second
scaled-to-zero        desired-zero               somebody scales from 2 to 0
exits-cleanly         exits-cleanly              exit 0 after 6 s, restarted
node-killed           node-down                  kill -9 of engine 3; a service is bound to node3
node-paused           node-down                  kill -STOP of engine 3; a service is bound to node3
noise                 -                          no fault: deploys every 40 s, failures that are over, a job that is done, errors at 2%, a certificate for 83 days
EOF2
}

# start_one ID N [ARG...] makes one service, with N samples of before (0: none); $w is its name.
start_one() {
  local id=$1 samples=$2 replicas=1
  shift 2
  w=$(word)
  expect "${stack}_$w" "$id"
  [ "$samples" != 0 ] || seed_now
  service "$w" "$@"
  [[ " $* " != *" --replicas 2 "* ]] || replicas=2
  [ "$samples" = 0 ] || { runs "${stack}_$w" "$replicas" && history "${stack}_$w" "$samples"; }
}
change() { d "$m" service update --quiet --detach "$@" "${stack}_$w" >/dev/null 2>>"$S/logs/faults.log"; }

seed_kill() {
  start_one killed 4
  undo halt "fault-$name" 5
  seed_now
  spawn "fault-$name" servers "$here/lab" fault _killer "${stack}_$w"
}
seed_crash_loop() { start_one crash-loop 0 CRASH_AFTER=9s; }
seed_leak() { start_one oom-killed 0 LEAK=1.5 --limit-memory 48M; }
seed_bad_image() {
  start_one bad-deploy 6 --replicas 2 --update-monitor 10s
  seed_now
  change --image "$REGISTRY/workload:2.0-bad"
}
seed_bad_image_rolled_back() {
  start_one bad-deploy 6 --replicas 2 --update-failure-action rollback --update-monitor 10s
  seed_now
  change --image "$REGISTRY/workload:2.0-bad"
}
seed_bad_deploy() {
  health="--health-interval 6s --health-timeout 10s --health-retries 3" start_one bad-deploy 8 --replicas 2
  seed_now
  change --image "$REGISTRY/workload:1.1" --env-rm ERROR_RATIO --env-add ERROR_RATIO=0.7
}
seed_image_missing() { tag=3.4.1 start_one image-missing 0; }
seed_image_missing_update() {
  start_one image-missing 4 --replicas 2 --update-order stop-first
  seed_now
  change --image "$REGISTRY/workload:3.4.2"
}
seed_bad_health_check() {
  health='' start_one healthcheck-failing 0 --health-cmd 'wget -q -O- http://localhost:8080/healthz' --health-interval 2s --health-timeout 2s --health-retries 2
}
seed_turns_unhealthy() { health='' start_one healthcheck-failing 0 UNHEALTHY_AFTER=12s; }
seed_unhealthy_stubborn() { health='' start_one healthcheck-failing 0 UNHEALTHY_AFTER=12s STUBBORN=1; }
seed_start_failed() { start_one start-failed 0 --entrypoint /opt/app/bin/server; }
seed_bind_missing() { start_one bind-missing 0 --mount "type=bind,source=/srv/$stack/data,target=/data"; }
seed_wrong_constraint() { start_one constraint-unsatisfied 0 --constraint node.labels.storage==nvme; }
seed_too_large() { start_one insufficient-resources 0 --limit-memory 0 --reserve-memory 900G; }
seed_full_node() {
  local ballast total nodes
  nodes=$(d "$m" node ls -q)
  # shellcheck disable=SC2086
  total=$(d "$m" node inspect $nodes | jq '[.[].Description.Resources.MemoryBytes] | min')
  ballast=$(word)
  service "$ballast" --mode global --limit-memory 0 --reserve-memory "$((total - (3 << 30)))"
  runs "${stack}_$ballast" 3
  start_one insufficient-resources 0 --limit-memory 0 --reserve-memory 6G
}
seed_port_taken() {
  local holder port=$((20000 + RANDOM % 9000))
  publish="target=8080,published=$port,mode=host"
  holder=$(word)
  service "$holder" --mode global
  runs "${stack}_$holder" 3
  start_one port-conflict 0
}
seed_label_removed() {
  local label
  label=$(shuf -n1 -e rack shelf pool hall)
  undo node_label_rm "$label" node2
  d "$m" node update --label-add "$label=$stack" node2 >/dev/null
  start_one label-changed 3 --constraint "node.labels.$label==$stack"
  seed_now
  d "$m" node update --label-rm "$label" node2 >/dev/null
}
node_label_rm() {
  local m
  m=$(manager) || return 1
  d "$m" node update --label-rm "$1" "$2" >/dev/null 2>&1 || [ -z "$(d "$m" node inspect --format "{{index .Spec.Labels \"$1\"}}" "$2")" ]
}
seed_subnet_small() {
  overlay small --subnet "10.77.$((RANDOM % 250)).0/29"
  start_one addresses-exhausted 0 --network "${stack}_small" --replicas 6
}
# The API refuses to remove what a service's spec refers to, but not what its previous
# spec refers to; and the manager's own rollback takes that spec as it is.
seed_secret_missing() { reference_missing secret; }
seed_config_missing() { reference_missing config; }
reference_missing() {
  local old=${stack}_$1-1 new=${stack}_$1-2
  undo again_until_gone "$1" "$old"
  undo again_until_gone "$1" "$new"
  echo one | d "$m" "$1" create "$old" - >/dev/null
  echo two | d "$m" "$1" create "$new" - >/dev/null
  start_one secret-or-config-missing 2 "--$1" "source=$old,target=/settings"
  change "--$1-rm" "$old" "--$1-add" "source=$new,target=/settings"
  wait_for "the rotation" 60 update_is completed
  d "$m" "$1" rm "$old" >/dev/null
  seed_now
  d "$m" service rollback --quiet --detach "${stack}_$w" >/dev/null
}
update_is() { [ "$(d "$m" service inspect --format '{{with .UpdateStatus}}{{.State}}{{end}}' "${stack}_$w")" = "$1" ]; }

seed_dependency() { chain; }
seed_dependency_declared() { chain declared; }
chain() {
  local back middle front label=()
  overlay mesh
  back=$(word)
  service "$back" RATE=0.5 ERROR_RATIO=0 LATENCY=4ms --network "name=${stack}_mesh,alias=$back"
  middle=$(word)
  [ -z "${1:-}" ] || label=(--label "qd.depends-on=$back")
  service "$middle" RATE=1 "DEPENDS_ON=http://$back:8080/query" --network "name=${stack}_mesh,alias=$middle" "${label[@]}"
  front=$(word)
  [ -z "${1:-}" ] || label=(--label "qd.depends-on=$middle")
  service "$front" RATE=3 "DEPENDS_ON=http://$middle:8080/orders" --network "name=${stack}_mesh,alias=$front" --replicas 2 "${label[@]}"
  expect "${stack}_$front" errors-after-dependency
  expect "${stack}_$middle" errors-after-dependency
  expect "${stack}_$back" dependency-failing
  runs "${stack}_$back" 1 && runs "${stack}_$middle" 1 && runs "${stack}_$front" 2
  history "${stack}_$front" 8
  seed_now
  cmd_call --all "${stack}_$back" '/fail?code=503&why=too%20many%20connections:%20200%20of%20200%20in%20use' >/dev/null
}
seed_disk_full() {
  local volume=${stack}_journal
  undo volume_rm "$volume"
  start_one disk-full 0 RATE=3 WRITE_DIR=/data WRITE_KB=64 \
    --mount "type=volume,source=$volume,target=/data,volume-opt=type=tmpfs,volume-opt=device=tmpfs,\"volume-opt=o=size=8m,uid=65534\""
}
seed_certificate() { start_one certificate-expiring 0 "TLS_NAME=www.$stack.example" TLS_VALID=60h; }
seed_throttled() {
  start_one cpu-throttled 4 --limit-cpu 0.1
  seed_now
  cmd_call --all "${stack}_$w" '/burn?cpu=1&for=20m' >/dev/null
}
seed_new_pattern() {
  start_one log-pattern-new 8
  seed_now
  cmd_call --all "${stack}_$w" '/say?line=replica%20lag%20above%20threshold,%20reads%20go%20to%20the%20primary&level=warn&every=500ms&for=20m' >/dev/null
}
seed_scaled_to_zero() {
  start_one desired-zero 4 --replicas 2
  seed_now
  d "$m" service scale --detach "${stack}_$w=0" >/dev/null
}
seed_exits_cleanly() { start_one exits-cleanly 0 EXIT_AFTER=6s; }
seed_node_killed() { node_fault kill start; }
seed_node_paused() { node_fault pause resume; }
node_fault() { # VERB UNDO
  echo node3 >"$dir/node"
  start_one node-down 4 --constraint node.hostname==node3
  undo node_back "$2"
  seed_now
  cmd_node "$1" 3
}
node_back() { (cmd_node "$1" 3) && stack_wait shop 120 && stack_wait ops 120; }

seed_noise() {
  local over deployed i
  service "$(word)" RATE=1 ERROR_RATIO=0.02 "TLS_NAME=shop.$stack.example" TLS_VALID=2000h
  service "$(word)" RATE=0 EXIT_AFTER=5s --restart-condition none
  deployed=$(word)
  service "$deployed" RATE=1
  over=$(word)
  service "$over" RATE=1 --restart-delay 1s
  for i in 1 2; do
    runs "${stack}_$over" 1
    cmd_call "${stack}_$over" '/fail?code=3' >/dev/null
    wait_for "failure $i" 30 has_failed "${stack}_$over" "$i"
  done
  runs "${stack}_$over" 1
  undo halt "fault-$name" 5
  : >"$dir/expect"
  spawn "fault-$name" servers "$here/lab" fault _deploys "${stack}_$deployed"
}
has_failed() { [ "$(d "$m" service ps --format '{{.CurrentState}}' "$1" | grep -c '^Failed')" -ge "$2" ]; }
