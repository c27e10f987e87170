# What the platform says of a fault: the Docker API, Loki and Prometheus, asked as
# the product asks them.

api() { curl -fsS -m 10 -G --unix-socket "$S/$m/docker.sock" "http://docker/v1.41/$1" "${@:2}"; }
api_tasks() { api tasks --data-urlencode "filters={\"service\":{\"$1\":true}}"; }
fault_services() { jq -r '.expect[].service' "$(fault_dir "$1")/record"; }

# fault_watch NAME [SECONDS] prints a line of JSON whenever a task, an update or a node
# of the fault says something that it had not said. after is the seconds from the seed
# on, by the platform's own time stamps; a node has none, there it is when it was seen.
fault_watch() {
  local name=${1:?lab fault watch NAME [SECONDS]} until=$((SECONDS + ${2:-60})) m seeded line s
  local -A seen=()
  [ -s "$(fault_dir "$name")/record" ] || die "$name is not seeded"
  m=$(manager) || die "no manager answers"
  seeded=$(date -d "$(jq -r .seeded "$(fault_dir "$name")/record")" +%s.%N)
  while [ "$SECONDS" -lt "$until" ]; do
    while IFS= read -r line; do
      [ -z "${seen[${line#*\}}]:-}" ] || continue
      seen[${line#*\}}]=1
      jq -c -s add <<<"$line"
    done < <(
      for s in $(fault_services "$name"); do
        { api_tasks "$s"; api "services/$s"; api nodes; } | jq -r -s --arg s "$s" --argjson seeded "$seeded" --argjson now "$(date +%s.%N)" "$watch_rows"
      done
    )
    sleep 0.3
  done
}

# watch_rows prints two objects a row without a space between: the time, and what is compared.
# shellcheck disable=SC2016
watch_rows='
  def at: capture("^(?<s>[^.Z]+)(?<f>\\.[0-9]+)?Z$") | (.s + "Z" | fromdate) + (.f // "0" | tonumber);
  (.[0] | sort_by(.Status.Timestamp)[] | . as $t | {service: $s, task: .ID[:8], slot: .Slot, state: .Status.State, desired: .DesiredState, message: .Status.Message}
    + (if .Status.Err then {err: .Status.Err} else {} end) + (if .Status.ContainerStatus.ExitCode then {exit: .Status.ContainerStatus.ExitCode} else {} end)
    | "\({after: ((($t.Status.Timestamp | at) - $seeded) * 10 | round / 10)})\(.)"),
  (.[1] | select(.UpdateStatus.State) | .UpdateStatus as $u | {service: $s, update: $u.State, message: $u.Message}
    | "\({after: (((($u.CompletedAt // $u.StartedAt) | at) - $seeded) * 10 | round / 10)})\(.)"),
  (.[2][] | select(.Status.State != "ready") | {host: .Description.Hostname, state: .Status.State, message: .Status.Message}
    | "\({after: (($now - $seeded) * 10 | round / 10)})\(.)")'

# fault_capture NAME [SECONDS] watches and then writes one document.
fault_capture() {
  local name=${1:?lab fault capture NAME [SECONDS]} m s temp
  m=$(manager) || die "no manager answers"
  temp=$(mktemp -d)
  fault_watch "$name" "${2:-60}" | jq -s . >"$temp/timeline"
  m=$(manager) || die "no manager answers"
  for s in $(fault_services "$name"); do
    api "services/$s" >>"$temp/services"
    api_tasks "$s" | jq 'sort_by(.CreatedAt) | .[-7:]' >>"$temp/tasks"
    capture_logs "$s" >>"$temp/logs"
    capture_metrics "$s" "$name" >>"$temp/metrics"
  done
  api nodes | jq 'map(del(.Description.TLSInfo, .Description.Engine.Plugins))' >"$temp/nodes"
  jq -n --slurpfile record "$(fault_dir "$name")/record" --slurpfile timeline "$temp/timeline" --slurpfile services "$temp/services" --slurpfile tasks "$temp/tasks" \
    --slurpfile logs "$temp/logs" --slurpfile metrics "$temp/metrics" --slurpfile nodes "$temp/nodes" --arg now "$(date -u +%FT%T.%3NZ)" --arg engine "$(api version | jq -r .Version)" '
    $record[0] + {captured: $now, engine: $engine, timeline: $timeline[0], services: $services, tasks: ($tasks | add), nodes: $nodes[0],
      logs: ($logs | map({(.query): .result}) | add), prometheus: ($metrics | map({(.query): .result}) | add)}' | capture_lines
  rm -rf "$temp"
}

# capture_lines writes one row a line, so that a difference of two captures can be read.
capture_lines() {
  jq -r '
    def rows: "[\n" + (map("    " + tojson) | join(",\n")) + "\n  ]";
    "{\n" + (to_entries | map("  " + (.key | tojson) + ": " + (
      if (.value | type) == "array" and (.value | length) > 0 then (.value | rows)
      elif .key == "logs" or .key == "prometheus" then (.value // {} | "{\n" + (to_entries | map("    " + (.key | tojson) + ": " + (.value | tojson)) | join(",\n")) + "\n  }")
      else (.value | tojson) end)) | join(",\n")) + "\n}"'
}

capture_logs() {
  local q
  for q in "{swarm_service=\"$1\"}" "{swarm_service=\"$1\"} |~ \"(?i)error|warn|panic|denied\""; do
    curl -fsS -m 10 -G "$(address_of loki)/loki/api/v1/query_range" --data-urlencode "query=$q" -d limit=10 --data-urlencode 'since=15m' |
      jq -c --arg q "$q" '{query: $q, result: .data.result}'
  done
}

# capture_metrics SERVICE FAULT asks for the time from a minute before the seed on.
capture_metrics() {
  local c="container_label_com_docker_swarm_service_name=\"$1\"" by="max by (container_label_com_docker_swarm_task_name)" from q stack
  from=$(($(date -d "$(jq -r .seeded "$(fault_dir "$2")/record")" +%s) - 60))
  stack=$(jq -r .stack "$(fault_dir "$2")/record")
  for q in \
    "up{job=\"workload\",swarm_service=\"$1\"}" \
    "$by (container_memory_working_set_bytes{$c} / (container_spec_memory_limit_bytes{$c} > 0))" \
    "$by (rate(container_cpu_cfs_throttled_periods_total{$c}[30s]) / rate(container_cpu_cfs_periods_total{$c}[30s]))" \
    "$by (container_start_time_seconds{$c})" \
    "$by (container_oom_events_total{$c} > 0)" \
    "sum by (code) (rate(lab_http_requests_total{swarm_service=\"$1\"}[30s]))" \
    "histogram_quantile(0.95, sum by (le) (rate(lab_http_request_duration_seconds_bucket{swarm_service=\"$1\"}[30s])))" \
    "traefik_tls_certs_not_after{swarm_service=\"$1\"}" \
    "node_filesystem_avail_bytes{mountpoint=~\".*/volumes/$stack.*\"} / node_filesystem_size_bytes" \
    "node_vmstat_oom_kill" \
    "engine_daemon_health_checks_failed_total" \
    "up{job=\"dockerd\"}"; do
    curl -fsS -m 10 -G "$(address_of prometheus)/api/v1/query_range" --data-urlencode "query=$q" -d "start=$from" -d "end=$(date +%s)" -d step=10 |
      jq -c --arg q "$q" 'select(.data.result != []) | {query: $q, result: .data.result}'
  done
}

# fault_doc writes the table of docs/faults.md from the captures. Of an update that is
# paused the engine says when it began and not when it was paused: no time there.
fault_doc() {
  local name id what f
  echo "| fault | id | what is seeded | what the platform says, and how many s after the seed |"
  echo "|---|---|---|---|"
  fault_table | while read -r name id what; do
    f=$here/../captures/faults/$name.json
    [ -s "$f" ] || continue
    jq -r --arg name "$name" --arg id "$id" --arg what "$what" '
      def after: "\(.after) s";
      def plain: gsub("[a-z0-9]{25}"; "ID") | gsub("f-[a-z0-9]+"; "STACK") | gsub("\\|"; "\\|");
      .logs as $logs |
      (.timeline | map(select(.after >= 0 and (.state != null) and .host == null)) | map(. + {says: ((.state + (if .err then ": " + .err else "" end) + (if .state == "complete" then ", exit 0" else "" end)) | plain)})
        | map(select(.err or .state == "complete" or .state == "new" or .desired == "remove")) | group_by(.says) | map("`\(.[0].says)` \(map(after)[:3] | join(", "))")) as $tasks |
      (.timeline | map(select(.update and .update != "updating" and .after >= 0)) | map("update `\(.update)`" + (if .update | test("paused") then "" else " " + after end))) as $updates |
      (.timeline | map(select(.host)) | map("node `\(.state)`, `\(.message)` \(after)") | unique) as $nodes |
      (.prometheus // {} | to_entries | map(
        (.value | map(.values[-1][1] | tonumber) | max) as $last | (.value | map(.values | map(.[1] | tonumber) | max) | max) as $most |
        if (.key | test("working_set")) and $most > 0.5 then "memory \($most * 100 | round)% of the limit at most"
        elif (.key | test("throttled")) and $last > 0.5 then "\($last * 100 | round)% of the periods throttled"
        elif (.key | test("certs_not_after")) then "traefik_tls_certs_not_after"
        elif (.key | test("filesystem")) then "file system: \($last * 100 | round)% free"
        else empty end)) as $metrics |
      ([($logs // {})[][]?.values[][1]] | map(capture("error=\"?(?<e>(write|dependency)[^\"]*)").e) | map("log: `" + (plain | gsub("//[a-z]+:"; "//SERVICE:")) + "`") | unique | .[:2]) as $lines |
      "| `\($name)` | \($id) | \($what) | \($nodes + $tasks + $updates + $metrics + $lines | if . == [] then "nothing of the swarm: see the logs and metrics of the capture" else join("; ") end) |"' "$f"
  done
}
