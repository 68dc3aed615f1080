#!/bin/sh
# check_http_agent.sh SERVER AGENT: the agent gets all its answers from a server full of faults, within its cap and its
# rate as the server saw them, and leaves no connection open, whether it ends by itself or is cancelled midway.
set -eu
server=$1
agent=$2
rate=40 # of the agent: so many a second,
burst=20 # and so many at once
seed=4

work=$(mktemp -d)
server_pid=
agent_pid=
trap 'kill -KILL $server_pid $agent_pid 2> /dev/null || :; rm -rf "$work"' EXIT
fail() {
  echo "$title: $1" >&2
  cat "$work/report" "$work/err" >&2
  exit 1
}
# figure NAME: of what the server saw.
figure() { sed -n "s/^$1 //p" "$work/report"; }

# begin TITLE GATE CAP ITEMS [DEADLINE [PROMPT]]: a server of its own, and the agent.
begin() {
  title=$1
  gate=$2
  cap=$3
  items=$4
  shift 4
  : > "$work/out"
  : > "$work/err"
  : > "$work/report"
  "$server" "$gate" $rate $seed > "$work/out" 2>> "$work/err" &
  server_pid=$!
  wait_for '^listening on ' || fail "the server does not listen"
  port=$(sed -n 's/^listening on //p' "$work/out")
  "$agent" "$port" "$cap" "$items" "$@" > "$work/report" 2>> "$work/err" &
  agent_pid=$!
}

# wait_for PATTERN: until the server tells it, half a minute at most.
wait_for() {
  tries=0
  until grep -q "$1" "$work/out"; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || return 1
    sleep 0.05
  done
}

# end: of both. What is to be true in each case is checked.
end() {
  status=0
  wait "$agent_pid" || status=$?
  [ $status -eq 0 ] || fail "the agent ended with status $status"
  kill -TERM "$server_pid"
  wait "$server_pid" || status=$?
  [ $status -eq 0 ] || fail "the server ended with status $status"
  [ "$(figure connections)" = 0 ] || fail "connections are left open"
  [ "$(figure peak)" -le "$cap" ] || fail "the server saw more than $cap requests at a time"
  awk "BEGIN { exit !($(figure burst) <= $burst) }" || fail "the server saw more than $rate a second after $burst at once"
}

all_answers() {
  expected=$(awk "BEGIN { for (i = 0; i < $items; ++i) printf \" %d\", i * i }")
  grep -qx "answers$expected" "$work/report" || fail "the answers are wrong"
}

for cap in 1 4 16; do
  begin "cap $cap" $cap $cap $((cap * 2 + 8))
  end
  all_answers
  [ "$(figure peak)" -eq $cap ] || fail "the server never saw $cap requests at a time"
  grep -q "; $cap at a time$" "$work/report" || fail "the agent reports another peak"
done

# A prompt that the buffers of a connection do not take: where the server stops reading, the agent has to stop writing.
# There is no gate, so the seed alone says what happens: everything does.
begin "every fault, long prompts" 0 2 8 0 5242880
end
all_answers
for fault in slow late silent reset refused deaf; do
  [ "$(figure $fault)" -gt 0 ] || fail "nothing was $fault"
done

# At its rate it would need more than 9 s.
begin "deadline" 16 16 400 1000
end
grep -q "^stopped: .* timed out: its deadline" "$work/report" || fail "the agent did not stop at its deadline"

# A gate that never opens: the server answers nobody, and all of its requests end by the agent's hanging up.
begin "Ctrl-C" 17 16 400
wait_for '^16 open$' || fail "the server never saw 16 requests at a time"
kill -INT "$agent_pid"
end
grep -q "^stopped: interrupted$" "$work/report" || fail "the agent was not interrupted"
[ "$(figure given_up)" -eq "$(figure requests)" ] || fail "a request has ended otherwise than by hanging up"
