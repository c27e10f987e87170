# Packages and builds. A build is made in a temporary folder and renamed, so a
# folder that is there is whole.
#
# Loki and its Docker driver are AGPL-3.0. They are built unmodified, as separate
# programs for the lab; the product does not contain or link them.

LOKI=v3.7.8
CADVISOR=v0.57.0
VERSITYGW=v1.8.0

dir_of() { # NAME: its folder in the cache; our own sources are versioned by their content
  case $1 in
    docker-driver | loki | logcli) echo "$C/$1-$LOKI" ;;
    versitygw) echo "$C/$1-$VERSITYGW" ;;
    cadvisor) echo "$C/$1-$CADVISOR-$(content "$here/cadvisor")" ;;
    workload) echo "$C/$1-$(content "$here/workload")" ;;
  esac
}
bin() { echo "$(dir_of "$1")/$1"; }
content() { (cd "$1" && cat go.mod ./*.go | sha256sum | cut -c1-12); }

BUILDS="docker-driver loki cadvisor versitygw workload"

# A command, and the Debian package that has it.
PACKAGES="dockerd:docker.io iptables:iptables ip:iproute2 docker-registry:docker-registry
  prometheus:prometheus prometheus-alertmanager:prometheus-alertmanager
  prometheus-node-exporter:prometheus-node-exporter curl:curl jq:jq"

# The same for the databases, caches and exporters that TestExportersLab runs on loopback; `lab up` does without.
EXPORTERS="pg_createcluster:postgresql mariadbd:mariadb-server redis-server:redis-server
  prometheus-postgres-exporter:prometheus-postgres-exporter prometheus-mysqld-exporter:prometheus-mysqld-exporter
  prometheus-redis-exporter:prometheus-redis-exporter"

missing_packages() { # PAIR...
  local pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
  done
}

installed() {
  local b
  # shellcheck disable=SC2086
  [ -z "$(missing_packages $PACKAGES)" ] || return 1
  for b in $BUILDS; do [ -x "$(bin "$b")" ] || return 1; done
}

install_all() {
  local todo
  # shellcheck disable=SC2086
  todo=$(missing_packages $PACKAGES $EXPORTERS)
  # shellcheck disable=SC2086
  [ -z "$todo" ] || install_packages $todo
  build docker-driver servers github.com/grafana/loki/v3/clients/cmd/docker-driver
  build loki servers github.com/grafana/loki/v3/cmd/loki
  build cadvisor cadvisor .
  build versitygw versitygw github.com/versity/versitygw/cmd/versitygw
  build workload workload .
  data_base_build
  [ "${1:-}" != logcli ] || build logcli servers github.com/grafana/loki/v3/cmd/logcli # for `testdata/bench-logs` alone
  say "installed; builds are in $C"
}

# install_packages keeps Debian from starting the services (policy-rc.d) and from
# starting them at the next boot: the lab runs its own, with its own configuration.
install_packages() {
  local policy=/usr/sbin/policy-rc.d ours="" unit
  say "apt-get install $*"
  mkdir -p /etc/postgresql-common # Debian would make a cluster of its own
  [ -e /etc/postgresql-common/createcluster.conf ] || echo create_main_cluster=false >/etc/postgresql-common/createcluster.conf
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; ours=1; }
  {
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
  } >"/tmp/quarterdeck-lab-apt.log" 2>&1 || { [ -z "$ours" ] || rm -f $policy; die "see /tmp/quarterdeck-lab-apt.log"; }
  [ -z "$ours" ] || rm -f $policy
  [ -d /run/systemd/system ] || return 0
  for unit in "$@"; do
    case $unit in
      docker.io) systemctl disable -q --now docker.service docker.socket containerd.service 2>/dev/null || true ;;
      docker-registry | prometheus* | postgresql | redis-server) systemctl disable -q --now "$unit.service" 2>/dev/null || true ;;
      mariadb-server) systemctl disable -q --now mariadb.service 2>/dev/null || true ;;
    esac
  done
}

# build NAME MODULE-FOLDER PACKAGE
build() {
  local dir temp begin=$SECONDS
  dir=$(dir_of "$1")
  [ ! -x "$dir/$1" ] || return 0
  command -v go >/dev/null || die "the builds need Go ($(sed -n 's/^go //p' "$here/$2/go.mod") or later)"
  mkdir -p "$C"
  temp=$(mktemp -d "$C/.tmp-$1.XXXXXX")
  say "building $1 into $dir"
  (cd "$here/$2" && CGO_ENABLED=0 GOFLAGS=-mod=readonly nice -n 10 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$temp/$1" "$3") \
    >"$C/$1.log" 2>&1 || { rm -rf "$temp"; tail -5 "$C/$1.log" >&2; die "cannot build $1: see $C/$1.log"; }
  chmod 755 "$temp" "$temp/$1"
  rm -rf "$dir"
  mv "$temp" "$dir"
  say "built $1 in $((SECONDS - begin)) s"
}
