# One bridge and three network namespaces. There is no route out of a node: the
# lab is closed, and an image that the registry lacks fails at once.

BRIDGE=qdlab0

net_up() {
  local n
  # `ip netns add` turns /run/netns into a mount; down undoes that only if it was ours.
  grep -q ' /run/netns ' /proc/self/mounts || touch "$S/netns-mount-is-ours"
  ip link show "$BRIDGE" >/dev/null 2>&1 || ip link add "$BRIDGE" type bridge
  ip addr replace "$HOST_IP/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  # A machine on which Docker runs already drops what its bridges forward.
  forward_rule -C 2>/dev/null || forward_rule -I
  for n in $NODES; do
    [ -e "/run/netns/qd$n" ] || ip netns add "qd$n"
    ip link show "qdv$n" >/dev/null 2>&1 || {
      ip link add "qdv$n" type veth peer name eth0 netns "qd$n"
      ip link set "qdv$n" master "$BRIDGE" up
    }
    ip -n "qd$n" addr replace "10.200.0.$n/24" dev eth0
    ip -n "qd$n" link set lo up
    ip -n "qd$n" link set eth0 up
  done
}

forward_rule() {
  iptables "$1" FORWARD -i "$BRIDGE" -o "$BRIDGE" -m comment --comment quarterdeck-lab -j ACCEPT
}

net_down() {
  local n
  for n in $NODES; do
    ip link del "qdv$n" 2>/dev/null || true
    [ ! -e "/run/netns/qd$n" ] || ip netns del "qd$n" || true
  done
  ip link del "$BRIDGE" 2>/dev/null || true
  while forward_rule -D 2>/dev/null; do :; done
  if [ -e "$S/netns-mount-is-ours" ] && [ -z "$(ls -A /run/netns 2>/dev/null)" ]; then
    umount /run/netns 2>/dev/null || true
    rmdir /run/netns 2>/dev/null || true
  fi
}

# anchor_up N: a sleeping process that holds the namespaces of node N (network,
# mounts, host name), so that an engine that was killed comes back on the same
# "machine". Docker keeps its plugins' sockets in /run/docker whatever its
# exec-root is, and containerd its shims' in /run/containerd: each node has its own.
# shellcheck disable=SC2016
anchor_up() {
  spawn "anchor-$1" "node$1/engine" nsenter --net="/run/netns/qd$1" \
    unshare --mount --uts --propagation slave bash -c '
      hostname "node$0" && mkdir -p /run/docker /run/containerd &&
      mount -t tmpfs -o mode=755 qdlab /run/docker && mount -t tmpfs -o mode=755 qdlab /run/containerd &&
      exec sleep infinity' "$1"
  wait_for "the namespaces of node $1" 10 anchored "$1"
}

anchored() { nsenter -t "$(pid_of "anchor-$1")" -m mountpoint -q /run/containerd; }

# on_node N COMMAND... is the prefix that enters node N's namespaces.
on_node() { echo nsenter -t "$(pid_of "anchor-$1")" --mount --uts --net --; }
