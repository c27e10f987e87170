# Processes: each is recorded as "pid start-ticks" in $S/pids/NAME, so that a
# number that the kernel has given to somebody else is never signalled. All are
# also put into the lab's own cgroups, which is how the children of an engine
# that was killed (shims, containers, plugins) are found again.

CG=quarterdeck-lab

# start_ticks PID: field 22 of its stat, or failure if it is gone or a zombie.
start_ticks() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  stat=${stat##*) }
  # shellcheck disable=SC2086
  set -- $stat
  [ "$1" != Z ] || return 1
  echo "${20}"
}

alive() {
  local pid ticks
  [ -s "$S/pids/$1" ] || return 1
  read -r pid ticks <"$S/pids/$1" || return 1
  [ "$(start_ticks "$pid")" = "$ticks" ]
}

pid_of() { if alive "$1"; then cut -d' ' -f1 "$S/pids/$1"; else echo -; fi; }

proc_state() {
  alive "$1" || { echo dead; return; }
  local stat
  { read -r stat <"/proc/$(pid_of "$1")/stat"; } 2>/dev/null || { echo dead; return; }
  stat=${stat##*) }
  case ${stat%% *} in T) echo paused ;; *) echo running ;; esac
}

# spawn NAME CGROUP COMMAND...
spawn() {
  local name=$1 group=$2 pid
  shift 2
  alive "$name" && return 0
  cgroup_make "$group"
  (
    cgroup_join "$group"
    exec setsid "$@"
  ) >>"$S/logs/$name.log" 2>&1 </dev/null 9>&- &
  pid=$!
  echo "$pid $(start_ticks "$pid" || echo 0)" >"$S/pids/$name"
  disown "$pid"
}

signal() {
  alive "$2" || die "$2 does not run"
  kill "-$1" "$(pid_of "$2")"
}

# gone NAME SECONDS waits until it is.
gone() {
  local until=$((SECONDS + $2))
  while alive "$1"; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.1
  done
}

# halt NAME SECONDS: ask, wait, insist, wait.
halt() {
  local pid
  if alive "$1"; then
    pid=$(pid_of "$1")
    kill -CONT "$pid" 2>/dev/null || true
    kill -TERM "$pid" 2>/dev/null || true
    if ! gone "$1" "$2"; then
      kill -KILL "$pid" 2>/dev/null || true
      gone "$1" 10 || say "$1 ($pid) does not die"
    fi
  fi
  rm -f "$S/pids/$1"
}

# engines_kill_all: the data goes with the lab, so nothing is gained by the ten
# seconds and more that an engine takes to stop in order (lab node stop does that).
engines_kill_all() {
  local n
  for n in $NODES; do
    alive "engine-$n" || continue
    kill -KILL "$(pid_of "engine-$n")" 2>/dev/null || true
    gone "engine-$n" 10 || say "engine $n does not die"
  done
}

procs_stop_all() {
  local f pids=()
  for f in "$S"/pids/*; do
    [ -e "$f" ] || continue
    halt "$(basename "$f")" 8 &
    pids+=($!)
  done
  wait "${pids[@]}"
}

# --- cgroups: version 1 (a tree a controller) and version 2 (one tree) ---

cgroup_roots() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts; }

cgroup_make() {
  local root level path
  for root in $(cgroup_roots); do
    path=$root
    for level in $CG ${1//\// }; do
      # Version 2 gives a child only the controllers that its parent passes on;
      # version 1's cpuset takes nobody in before it has CPUs and memory nodes.
      if [ -e "$path/cgroup.subtree_control" ]; then
        echo "+cpu +cpuset +io +memory +pids" 2>/dev/null >"$path/cgroup.subtree_control" || true
      fi
      path=$path/$level
      mkdir -p "$path"
      if [ -e "$path/cpuset.mems" ] && [ ! -e "$path/cgroup.subtree_control" ]; then
        cat "$(dirname "$path")/cpuset.cpus" >"$path/cpuset.cpus"
        cat "$(dirname "$path")/cpuset.mems" >"$path/cpuset.mems"
      fi
    done
  done
}

cgroup_join() {
  local root
  for root in $(cgroup_roots); do echo "$BASHPID" >"$root/$CG/$1/cgroup.procs"; done
}

# cgroup_trees prints the lab's own trees, and those of the log drivers: Docker
# gives a plugin no cgroup parent, so where versions 1 and 2 are both mounted runc
# makes a group of the plugin's id at the top of version 2.
cgroup_trees() {
  local root tree
  for root in $(cgroup_roots); do
    for tree in $CG $(cat "$S/plugin-ids" 2>/dev/null); do
      [ ! -d "$root/$tree" ] || echo "$root/$tree"
    done
  done
}

cgroup_pids() {
  local tree
  for tree in $(cgroup_trees); do
    find "$tree" -name cgroup.procs -exec cat {} + 2>/dev/null
  done | sort -un
}

# cgroups_clear ends what the recorded processes left behind, and removes the trees.
cgroups_clear() {
  local until=$((SECONDS + 15)) pids tree
  while pids=$(cgroup_pids) && [ -n "$pids" ] && [ "$SECONDS" -lt "$until" ]; do
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null || true
    sleep 0.1
  done
  for tree in $(cgroup_trees); do
    find "$tree" -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ ! -d "$tree" ] || say "left over: $tree"
  done
}

# state_clear removes the data. The logs stay: they are what one wants after a failure.
state_clear() {
  [ -d "$S" ] || return 0
  if grep -q " $S/" /proc/self/mounts; then
    awk -v p="$S/" 'index($2, p) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs -r -n1 umount
  fi
  find "$S" -mindepth 1 -maxdepth 1 ! -name logs -exec rm -rf --one-file-system {} +
  rmdir /run/docker /run/containerd 2>/dev/null || true
}
