#!/bin/sh
# check_file_report.sh PROGRAM PATH...: the report of 10_file_report must be what sha256sum and wc say of the same files.
set -eu
LC_ALL=C
export LC_ALL
program=$1
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# expected_report CAP < sorted file names: the report, made with other means.
expected_report() {
  files=0 lines=0 words=0 bytes=0
  while IFS= read -r file; do
    hash=$(sha256sum < "$file" | cut -c 1-64)
    counts=$(wc < "$file")
    # shellcheck disable=SC2086
    set -- "$1" $counts
    printf '%s  %8d %8d %10d  %s\n' "$hash" "$2" "$3" "$4" "$file"
    files=$((files + 1)) lines=$((lines + $2)) words=$((words + $3)) bytes=$((bytes + $4))
  done
  printf '%-64s  %8d %8d %10d  %d files\n' total "$lines" "$words" "$bytes" "$files"
  peak=$1
  if [ "$files" -lt "$peak" ]; then peak=$files; fi
  printf 'peak concurrency %d of %d\n' "$peak" "$1"
}

fail() {
  echo "$1" >&2
  exit 1
}

# 1. The files of the caller, at several caps.
find "$@" -type f | sort > "$work/names"
for cap in 1 4 64; do
  "$program" --cap $cap "$@" > "$work/report" 2> "$work/progress"
  expected_report $cap < "$work/names" > "$work/expected"
  diff "$work/expected" "$work/report"
  [ "$(grep -c ' bytes$' "$work/progress")" -eq "$(wc -l < "$work/names")" ] || fail "not one message a file"
  grep -q "^examine_all#1 done: $(wc -l < "$work/names") done, " "$work/progress" || fail "no progress at the end"
done

# 2. Files that are easily counted wrong, given one by one and as a directory.
odd=$work/odd
mkdir "$odd" "$odd/.git" "$odd/build" "$odd/deep"
: > "$odd/empty"
printf 'no newline at the end' > "$odd/no newline"
printf '\n\n  \n' > "$odd/blank"
printf 'tab\tform\ffeed\vvertical\rreturn  two spaces\n' > "$odd/spaces"
printf 'a\000b \377\001c\n\200 d\000 e' > "$odd/binary"
head -c 200000 "$program" > "$odd/deep/program"
awk 'BEGIN { for (i = 0; i < 30000; ++i) printf "word%d ", i; print "" }' > "$odd/deep/long line"
echo 'not to be reported' > "$odd/.git/ignored"
echo 'not to be reported' > "$odd/build/ignored"
ln -s "$odd" "$odd/deep/loop"
# What does not print is no word for the wc of today's stable distributions; later ones count it.
if [ "$(printf '\001' | wc -w)" -eq 0 ]; then printf 'a \001\377 b' > "$odd/unprintable"; fi
find "$odd" -type f ! -name ignored | sort > "$work/names"
expected_report 4 < "$work/names" > "$work/expected"
"$program" "$odd" > "$work/report" 2> /dev/null
diff "$work/expected" "$work/report"

# 3. Files that cannot be read: named, counted out, and the others are still reported.
printf '%s\n' "$odd/binary" "$odd/empty" > "$work/names"
expected_report 4 < "$work/names" | sed 's/^peak concurrency 2/peak concurrency 3/' > "$work/expected"
status=0
"$program" "$odd/empty" "$odd/missing" "$odd/binary" > "$work/report" 2> "$work/errors" || status=$?
[ $status -eq 1 ] || fail "status $status where a file is missing, not 1"
diff "$work/expected" "$work/report"
grep -q "^cannot open '$odd/missing': No such file or directory$" "$work/errors" || fail "the missing file is not named"

mkdir "$odd/closed"
chmod 000 "$odd/empty" "$odd/closed"
if ! [ -r "$odd/empty" ]; then # the superuser reads everything
  for path in "$odd/empty" "$odd/closed"; do
    status=0
    "$program" "$path" "$odd/binary" > "$work/report" 2> "$work/errors" || status=$?
    [ $status -eq 1 ] || fail "status $status where something is unreadable, not 1"
    grep -q "^cannot open '$path': Permission denied$" "$work/errors" || fail "what is unreadable is not named"
  done
fi

# 4. Wrong arguments.
refuses() {
  message=$1
  shift
  status=0
  "$program" "$@" > /dev/null 2> "$work/errors" || status=$?
  [ $status -eq 2 ] || fail "status $status, not 2, for the arguments: $*"
  grep -q -- "$message" "$work/errors" || fail "'$message' is not said of the arguments: $*"
}
refuses 'usage: '
refuses 'usage: ' --cap 3
refuses "needs a number, not 'many'" --cap many "$odd"
refuses "needs a number, not '-1'" --cap -1 "$odd"
refuses 'must be at least 1' --cap 0 "$odd"
