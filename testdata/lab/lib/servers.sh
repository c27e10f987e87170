# The servers beside the engines: how each is started, where it is, how it is asked.

all_names() {
  local n
  for n in $NODES; do echo "anchor-$n engine-$n cadvisor-$n node-exporter-$n"; done
  echo "$SERVERS"
}

server_known() {
  case $1 in
    registry | loki | prometheus | alertmanager | s3) ;;
    cadvisor-[123] | node-exporter-[123]) ;;
    *) return 1 ;;
  esac
}

address_of() {
  case $1 in
    registry) echo "http://$REGISTRY" ;;
    loki) echo "http://$HOST_IP:3100" ;;
    prometheus) echo "http://$HOST_IP:9090" ;;
    alertmanager) echo "http://$HOST_IP:9093" ;;
    s3) echo "http://$HOST_IP:9000" ;;
    cadvisor-*) echo "http://10.200.0.${1#cadvisor-}:8080" ;;
    node-exporter-*) echo "http://10.200.0.${1#node-exporter-}:9100" ;;
    engine-*) echo "unix://$S/${1#engine-}/docker.sock" ;;
  esac
}

# ready NAME asks it.
ready() {
  case $1 in
    registry) http_ok "$(address_of registry)/v2/" ;;
    loki) http_ok "$(address_of loki)/ready" ;;
    prometheus | alertmanager) http_ok "$(address_of "$1")/-/ready" ;;
    s3) [ "$(curl -s -m 3 -o /dev/null -w '%{http_code}' "$(address_of s3)/")" != 000 ] ;;
    cadvisor-* | node-exporter-*) http_ok "$(address_of "$1")/metrics" ;;
  esac
}

# ready_or_dead ends the wait early when the process has gone.
ready_or_dead() { ready "$1" || ! alive "$1"; }

server_wait() {
  { wait_for "$1" 90 ready_or_dead "$1" && alive "$1"; } || { tail -5 "$S/logs/$1.log" >&2; die "$1 is not ready: see $S/logs/$1.log"; }
}

# render writes the configuration, with this lab's folder in it.
render() {
  local f
  mkdir -p "$S/conf"
  for f in "$here"/conf/*; do
    sed -e "s|@STATE@|$S|g" -e "s|@HOST@|$HOST_IP|g" "$f" >"$S/conf/$(basename "$f")"
  done
}

server_start() {
  local n=${1##*-} on
  case $1 in
    registry)
      mkdir -p "$S/registry"
      spawn registry servers docker-registry serve "$S/conf/registry.yml"
      ;;
    loki)
      mkdir -p "$S/loki"
      spawn loki servers "$(bin loki)" -config.file="$S/conf/loki.yml"
      ;;
    prometheus)
      spawn prometheus servers prometheus --config.file="$S/conf/prometheus.yml" --storage.tsdb.path="$S/prometheus" \
        --storage.tsdb.retention.time=2d --web.listen-address="$HOST_IP:9090" \
        --web.external-url="http://$HOST_IP:9090" --web.enable-lifecycle --web.enable-admin-api
      ;;
    alertmanager)
      spawn alertmanager servers prometheus-alertmanager --config.file="$S/conf/alertmanager.yml" \
        --storage.path="$S/alertmanager" --web.listen-address="$HOST_IP:9093" \
        --web.external-url="http://$HOST_IP:9093" --cluster.listen-address=
      ;;
    s3)
      mkdir -p "$S/s3/data" "$S/s3/meta"
      # Not --nometa: with it a bucket that was there before a restart has no ACL, and answers 500.
      spawn s3 servers env ROOT_ACCESS_KEY="$S3_KEY" ROOT_SECRET_KEY="$S3_SECRET" \
        "$(bin versitygw)" --port "$HOST_IP:9000" --region us-east-1 --quiet posix --sidecar "$S/s3/meta" "$S/s3/data"
      ;;
    cadvisor-*)
      on=$(on_node "$n")
      # shellcheck disable=SC2086
      spawn "$1" servers $on "$(bin cadvisor)" -docker "unix://$S/$n/docker.sock" -listen "10.200.0.$n:8080"
      ;;
    node-exporter-*)
      on=$(on_node "$n")
      own_mounts "$S/$n/proc"
      # shellcheck disable=SC2086
      spawn "$1" servers $on prometheus-node-exporter --path.procfs="$S/$n/proc" \
        --collector.filesystem.mount-points-exclude='^/(dev|proc|sys|run|mnt)($|/)|/(overlay2|containers|netns|plugins)/' --web.listen-address="10.200.0.$n:9100" \
        --collector.disable-defaults --collector.cpu --collector.meminfo --collector.loadavg --collector.filesystem \
        --collector.diskstats --collector.netdev --collector.uname --collector.stat --collector.time --collector.vmstat
      ;;
  esac
}

# own_mounts FOLDER is /proc by links, but that process 1 has the mounts of whoever
# reads it: node-exporter asks there for the file systems, and a node of the lab has
# its own (a volume that is a file system), while its process 1 is the machine's.
own_mounts() {
  [ ! -e "$1" ] || return 0
  mkdir -p "$1/1"
  local f # not find, which fails when a process ends meanwhile
  for f in /proc/[!0-9]*; do ln -s "$f" "$1/${f#/proc/}"; done
  ln -s /proc/self/mounts "$1/1/mounts"
}

exporters_start() { server_start "cadvisor-$1"; server_start "node-exporter-$1"; }
exporters_wait() { server_wait "cadvisor-$1"; server_wait "node-exporter-$1"; }

# s3 METHOD PATH [CURL-ARG...] is a signed request. The header is needed because
# Debian's curl signs without the digest of the body, which S3 asks for.
s3() {
  local method=$1 path=$2
  shift 2
  curl -sS -m 10 -X "$method" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
    --aws-sigv4 aws:amz:us-east-1:s3 --user "$S3_KEY:$S3_SECRET" "$@" "$(address_of s3)/$path"
}

bucket_up() {
  case $(s3 PUT "$BUCKET" -o /dev/null -w '%{http_code}') in
    200 | 409) ;; # made, or there already
    *) die "cannot make the bucket $BUCKET: see $S/logs/s3.log" ;;
  esac
}
