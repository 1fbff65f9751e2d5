dir=$1 grace=$2 limit=$3 mark=$4 input=$5 shell=$6 flag=$7 cmd=$8
shift 8
cd -- "$dir" 2>/dev/null || end directory
command -v "$shell" >/dev/null 2>&1 || end shell
if command -v setsid >/dev/null 2>&1; then own=setsid
elif kill -0 -- "-$$" 2>/dev/null; then own=
else end group; fi
exec 3<&0 6>&1 7>&2
if [ -n "$input" ]; then exec 4<"$input" || end input; rm -f -- "$input"; else exec 4</dev/null; fi
{
  [ -n "$own" ] || trap : TERM
  (
    change_environment
    CANON_EXEC_ID=$mark
    export CANON_EXEC_ID
    exec sh -c 'echo $$ >&5; exec 5>&-; exec "$@"' sh "$@" $own "$shell" "$flag" "$cmd"
  ) <&4 >&6 2>&7 3<&- 4<&- 6>&- 7>&-
  echo "done $?" >&5
} 5>&1 2>/dev/null 3<&- | {
  exec 4<&-
  trap '' HUP PIPE
  [ -n "$own" ] || trap '' TERM
  marked() {
    grep -ls -- "CANON_EXEC_ID=$mark" /proc/[0-9]*/environ 2>/dev/null | sed 's|^/proc/||; s|/environ$||'
  }
  signal() {
    if [ -n "$own" ]; then kill -s "$1" -- "-$pid"; kill -s "$1" "$pid"; fi
    for other in $(marked); do kill -s "$1" "$other"; done
    if [ -z "$own" ] && [ "$1" = TERM ]; then kill -s TERM 0; fi
  } 2>/dev/null
  living() {
    if [ -n "$own" ] && kill -0 -- "-$pid" 2>/dev/null; then return 0; fi
    [ -n "$(marked)" ]
  }
  stop() {
    signal TERM
    waited=0
    while [ "$waited" -lt "$grace" ] && living; do
      sleep 0.1 2>/dev/null || sleep 1
      waited=$((waited + 1))
    done
    tries=0
    while [ "$tries" -lt 20 ] && living; do
      signal KILL
      tries=$((tries + 1))
      [ "$tries" -lt 3 ] || sleep 0.1 2>/dev/null || sleep 1
    done
    [ -n "$own" ] || [ "$1" != hangup ] || kill -s KILL 0
  }
  read -r pid || end lost
  ( while read -r ignored <&3; do :; done; stop hangup ) >/dev/null 2>&1 6>&- 7>&- &
  watcher=$!
  exec 3<&-
  timer=
  if [ -n "$limit" ]; then
    (
      sleep "$limit" &
      sleeper=$!
      trap 'kill "$sleeper"; exit 0' TERM
      wait "$sleeper"
      trap - TERM
      stop hangup
    ) </dev/null >/dev/null 2>&1 6>&- 7>&- &
    timer=$!
  fi
  read -r word status
  kill $watcher $timer 2>/dev/null
  if living; then stop; fi
  [ "$word" = "done" ] || status=lost
  end "$status"
} 
