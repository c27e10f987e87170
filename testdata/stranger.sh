# Sourced by the smoke tests, after tmux.sh: what somebody who has never seen the platform does at three in the morning, with keys
# alone, in a console that is open. A deploy of SERVICE is on the timeline; it is the bad one.

# TM_DEPLOY begins a deploy's row: the chips and the title have the word, and have no sign before it.
TM_DEPLOY='[^[:alnum:][:space:]] deploy +'

# stranger SERVICE FIELD DIRECTORY: finds the deploy, sees that it changed FIELD, takes it back, waits for the proof, and hands the
# record over, which lands in DIRECTORY, where the console was started.
stranger() {
  local service=$1 field=$2 dir=$3
  tm_keys 6; tm_wait 10 "timeline"
  tm_keys /; tm_keys -l "$service"; tm_keys Enter
  tm_row 30 "$TM_DEPLOY$service "
  tm_keys g; tm_keys d; tm_wait 10 "what changed: $service" "$field" "b goes back to before it"
  ok "stranger: the deploy is on the timeline, d shows what it changed"
  tm_keys b; tm_wait 10 "plan: rollback $service" "$field" "[ No ]"
  sleep 0.6 # a person reads first: what is pressed sooner does not count
  tm_keys Enter; tm_gone 5 "plan: rollback"
  ok "stranger: the plan's default is No"
  tm_keys d; tm_wait 10 "what changed: $service"; tm_keys b; tm_wait 10 "[ No ]"
  sleep 0.6
  tm_keys Tab; tm_wait 5 "[ Yes ]"; tm_keys Enter
  tm_wait 10 "rollback $service · run"
  tm_wait 120 "converged, stable for"
  ok "stranger: taken back, and the verdict holds the stability window"
  tm_keys Escape; tm_gone 5 "converged, stable for"
  tm_keys H; tm_wait 10 "handover" "since:"; tm_keys Enter
  tm_wait 15 "What was done" "rollback $service: done" "the chain is whole"
  tm_keys C-o; tm_wait 10 "saved"
  grep -q "rollback $service: done" "$dir"/handover-*.md
  ok "stranger: the record is handed over"
  tm_keys Escape; tm_gone 5 "What was done"
  tm_keys Escape; tm_gone 5 "· /$service" # an escape and a key that come together are another key
  tm_keys 1; tm_wait 5 "timeline, last hour"
}
