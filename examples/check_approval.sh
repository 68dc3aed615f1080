#!/bin/sh
# check_approval.sh PROGRAM: an approval by another process.
set -eu
program=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# expect STATUS TEXT ARGUMENT...
expect() {
  status=0
  "$program" runs.db "$3" "$4" "$5" > out 2> err || status=$?
  [ "$status" -eq "$1" ] || { echo "$3 $4 $5: status $status, not $1: $(cat out err)" >&2; exit 1; }
  printf '%b' "$2" | diff - out || { echo "$3 $4 $5 said something else" >&2; exit 1; }
}

question='Pay 40 euros for coffee? (yes, no) [answer order-1@1]\n'
expect 3 "${question}parked until somebody answers order-1@1\n" run order-1 40
expect 3 "${question}parked until somebody answers order-1@1\n" run order-1 40 # nobody has answered yet
expect 0 '' answer order-1@1 yes
expect 0 'paying 40 euros under the key order-1@2\npaid 40\n' run order-1 40
expect 0 'paid 40\n' run order-1 40 # it is done, and pays nothing more
expect 2 '' answer order-1@1 no     # the first answer counts
expect 2 '' run order-1 41          # another purchase needs another id
expect 3 'Pay 7 euros for coffee? (yes, no) [answer order-2@1]\nparked until somebody answers order-2@1\n' run order-2 7
expect 0 '' answer order-2@1 no
expect 0 'nothing was paid\n' run order-2 7
