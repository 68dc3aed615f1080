#!/bin/sh
# check_durable_report.sh PROGRAM PATH...: killed again and again, 26_durable_report must end with the report that it gives
# otherwise, which is what sha256sum and wc say, and read no file that it had recorded.
set -eu
LC_ALL=C
export LC_ALL
program=$1
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" "$work/whole.db" whole "$@" > "$work/whole" 2> "$work/whole.read"
find "$@" -type f | sort | while IFS= read -r file; do
  # shellcheck disable=SC2046
  set -- $(wc < "$file")
  printf '%s  %8d %8d %10d  %s\n' "$(sha256sum < "$file" | cut -c 1-64)" "$1" "$2" "$3" "$file"
done > "$work/expected"
diff "$work/expected" "$work/whole"

# It has a little longer each time: where it takes long to begin, it must come to something, too.
kills=0
while :; do
  "$program" "$work/runs.db" nightly --pause 3 "$@" > "$work/report" 2>> "$work/read" &
  victim=$!
  sleep "$(awk "BEGIN { print 0.1 + 0.02 * $kills }")"
  kill -9 "$victim" 2> /dev/null || :
  status=0
  wait "$victim" 2> /dev/null || status=$?
  [ "$status" -ne 137 ] || { kills=$((kills + 1)); continue; }
  [ "$status" -eq 0 ] || { echo "status $status" >&2; exit 1; }
  break
done
diff "$work/expected" "$work/report"
[ "$kills" -gt 0 ] || { echo "it was never killed" >&2; exit 1; }

# At most the two calls that were open at a kill are repeated.
files=$(wc -l < "$work/expected")
read=$(wc -l < "$work/read")
echo "$kills kills, $files files, $read times a file was read"
[ "$read" -le $((files + 2 * kills)) ] || { echo "files were read again" >&2; exit 1; }

# Once more gives the recorded result, and reads nothing.
"$program" "$work/runs.db" nightly "$@" > "$work/again" 2> "$work/again.read"
diff "$work/expected" "$work/again"
[ ! -s "$work/again.read" ] || { echo "a finished run read files" >&2; exit 1; }
