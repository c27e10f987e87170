# Sourced by the smoke tests: one console in a terminal of its own (tmux on a socket of its own),
# keys pressed and frames read. Needs tmux. Everything started is ended by `tm_end`.
TM_SOCKET=${TM_SOCKET:-quarterdeck-smoke-$$}
TM_FRAMES=${TM_FRAMES:-$(mktemp -d)}

tm() { tmux -L "$TM_SOCKET" "$@"; }

# tm_start COLUMNS ROWS COMMAND...: a fresh terminal with the command in it.
tm_start() {
  local w=$1 h=$2; shift 2
  tm -f /dev/null start-server \; set-option -g exit-empty off # else it ends with its last session, and the next one may meet it dying
  tm kill-session -t qd 2>/dev/null || true
  tm -f /dev/null new-session -d -s qd -x "$w" -y "$h" "$*; echo \"exit status \$?\"; exec sleep 600"
  tm set-option -g default-terminal tmux-256color >/dev/null
}

tm_keys() { tm send-keys -t qd "$@"; }
tm_frame() { tm capture-pane -p -t qd; }

# tm_wait SECONDS TEXT...: until the frame has all the texts; else the frame is printed and it fails.
tm_wait() {
  local limit=$1 end text ok; shift
  end=$((SECONDS + limit))
  while :; do
    ok=1
    frame=$(tm_frame)
    for text in "$@"; do grep -qF -- "$text" <<<"$frame" || ok=0; done
    [ $ok = 1 ] && return 0
    [ $SECONDS -ge $end ] && break
    sleep 0.2
  done
  printf '%s\n' "$frame" >&2
  echo "smoke: after $limit s the frame lacks one of: $*" >&2
  return 1
}

# tm_row SECONDS REGEXP: until a line of the frame matches.
tm_row() {
  local end=$((SECONDS + $1))
  until grep -qE -- "$2" <<<"$(tm_frame)"; do
    [ $SECONDS -ge $end ] && { tm_frame >&2; echo "smoke: after $1 s no line of the frame matches: $2" >&2; return 1; }
    sleep 0.2
  done
}

# tm_gone SECONDS TEXT: until the frame has the text no more.
tm_gone() {
  local end=$((SECONDS + $1))
  while grep -qF -- "$2" <<<"$(tm_frame)"; do
    [ $SECONDS -ge $end ] && { tm_frame >&2; echo "smoke: after $1 s the frame still has: $2" >&2; return 1; }
    sleep 0.2
  done
}

tm_end() { tm kill-server 2>/dev/null || true; }
