#!/bin/sh
# check_server.sh SERVER LOAD REQUESTS [LOAD-OPTION]: the load on the server ends well, and so does the server.
set -eu
server=$1
load=$2
requests=$3
shift 3

work=$(mktemp -d)
"$server" 0 > "$work/out" 2> "$work/err" &
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

kill -USR1 $pid
for _ in 1 2 3 4 5 6 7 8 9 10; do
  grep -q '^1 live runs, 0 of 64 permits held$' "$work/err" && break
  sleep 0.5
done
grep -q '^1 live runs, 0 of 64 permits held$' "$work/err" || fail "the server does not report its live runs"
grep -q '^serve#1, .* waits for an operation of Asio' "$work/err" || fail "the report does not say what serve waits for"

kill -TERM $pid
status=0
wait $pid || status=$?
[ $status -eq 0 ] || fail "the server ended with status $status"
