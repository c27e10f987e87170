# Words, waiting, the lock.

say() { printf '%s lab: %s\n' "$(date -u +%H:%M:%S)" "$*" >&2; }
die() { say "error: $*"; exit 1; }
need_root() { [ "$(id -u)" = 0 ] || die "namespaces and engines need root: run it with sudo"; }

# lock keeps two commands that change the lab apart. Descriptor 9 is closed in
# everything that spawn starts, or a server would hold the lock for ever.
lock() {
  mkdir -p "$(dirname "$S")"
  exec 9>"$S.lock"
  flock -w 600 9 || die "another lab command holds $S.lock"
}

# wait_for WHAT SECONDS COMMAND... asks until the command succeeds.
wait_for() {
  local what=$1 until=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || { say "gave up waiting for $what"; return 1; }
    sleep 0.2
  done
}

http_ok() { curl -fsS -m 3 -o /dev/null "$1"; }
