#!/bin/sh
# check_server.sh SERVER THREADS LOAD REQUESTS [MEBIBYTES]: the load on the server ends well, and so does the server.
set -eu
server=$1
threads=$2
load=$3
requests=$4
shift 4

work=$(mktemp -d)
: > "$work/out"
: > "$work/err"
"$server" 0 "$threads" > "$work/out" 2> "$work/err" &
pid=$!
trap 'kill -KILL $pid 2> /dev/null || :; rm -rf "$work"' EXIT
fail() {
  echo "$1" >&2
  cat "$work/err" >&2
  exit 1
}

port=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  port=$(sed -n 's/^listening on //p' "$work/out")
  [ -z "$port" ] || break
  sleep 0.5
done
[ -n "$port" ] || fail "the server does not listen"

"$load" "$port" "$requests" "$@" || fail "the load has failed"

# The run that answered the last question may be ending still.
is_reported=no
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  kill -USR1 $pid
  sleep 0.5
  if grep -q '^1 live runs, 0 of 64 permits held$' "$work/err"; then
    is_reported=yes
    break
  fi
done
[ $is_reported = yes ] || fail "the server does not report its live runs"
grep -q '^serve#1, .* waits for an operation of Asio' "$work/err" || fail "the report does not say what serve waits for"

kill -TERM $pid
status=0
wait $pid || status=$?
[ $status -eq 0 ] || fail "the server ended with status $status"
