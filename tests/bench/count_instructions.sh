#!/bin/sh
# count_instructions.sh DRIVER [--record]: instructions per item, compared with those recorded in instructions.txt, which
# are g++ 12's. `sh cmake/dev.sh instructions` calls it.
# Fails when an item costs over 3 % more than recorded; --record rewrites the record.
set -eu
driver=$1
record=${2:-}
recorded=$(dirname "$0")/instructions.txt

# instructions MODE N: of a whole process.
instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$driver" "$1" "$2" 2>&1 |
    sed -n 's/.*Collected : *//p'
}

# per_item MODE N: what N further items cost, each.
per_item() {
  few=$(instructions "$1" "$2")
  many=$(instructions "$1" $((2 * $2)))
  echo $(((many - few) / $2))
}

header='# Instructions per item, g++ 12 -O3, as count_instructions.sh --record writes them.'
lines=$header
status=0
for item in 'call 20000' 'recorded_call 20000' 'gather 20000' 'recorded_gather 20000' \
  'graph_node 20000' 'graph_coroutine 20000' 'graph_run 5000' 'run 5000'; do
  mode=${item% *}
  now=$(per_item "$mode" "${item#* }")
  lines="$lines
$mode $now"
  [ "$record" = --record ] && continue
  before=$(sed -n "s/^$mode //p" "$recorded")
  echo "$mode: $now instructions, recorded: $before"
  if [ $((now * 100)) -gt $((before * 103)) ]; then
    echo "$mode has become more than 3 % dearer" >&2
    status=1
  elif [ $((now * 100)) -lt $((before * 97)) ]; then
    echo "$mode has become more than 3 % cheaper: keep it so with --record"
  fi
done
if [ "$record" = --record ]; then
  echo "$lines" > "$recorded"
  cat "$recorded"
fi
exit $status
