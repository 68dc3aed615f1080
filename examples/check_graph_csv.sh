#!/bin/sh
# check_graph_csv.sh PROGRAM: the report of 18_graph_csv on this machine's packages must be what awk says of them, and its
# picture must be one that Graphviz renders.
set -eu
LC_ALL=C
export LC_ALL
program=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$1" >&2
  exit 1
}

check() {
  "$program" "$work/table.csv" "$work/graph.dot" > "$work/report"
  awk -F, '
    NR == 1 { next }
    NF != 3 || $1 == "" || $2 == "" || $3 !~ /^[0-9]+$/ { rejected[++r] = $0; next }
    { n[$2]++; kib[$2] += $3; packages++; sum += $3; if (top == "" || $3 > most) { most = $3; top = $1 } }
    END {
      for (s in n) printf "%s %d %d\n", s, n[s], kib[s] | "sort"
      close("sort")
      printf "total %d %d\nlargest %s\n", packages, sum, top == "" ? "none" : top
      if (r) printf "%d rows rejected:\n", r
      for (i = 1; i <= r; ++i) printf "  %s\n", rejected[i]
    }' "$work/table.csv" > "$work/expected"
  diff "$work/expected" "$work/report"
  dot -Tsvg "$work/graph.dot" > "$work/graph.svg" || fail "Graphviz does not render the picture"
}

# 1. The packages of this machine.
{
  echo package,section,kib
  dpkg-query -W -f '${Package},${Section},${Installed-Size}\n'
} > "$work/table.csv"
check
[ "$(wc -l < "$work/table.csv")" -gt 50 ] || fail "there is no table of packages"

# 2. With rows that make no sense, and with none at all.
printf '%s\n' ',net,3' 'broken' 'a,b,c,d' 'b,,7' 'c,net,-1' 'd,net,12k' >> "$work/table.csv"
check
grep -q '^6 rows rejected:$' "$work/report" || fail "not all rows were rejected that should be"
echo package,section,kib > "$work/table.csv"
check

# 3. No table.
status=0
"$program" "$work/missing.csv" > /dev/null 2> "$work/errors" || status=$?
[ $status -eq 1 ] || fail "status $status where the file is missing, not 1"
grep -q "load#1: cannot open '$work/missing.csv'" "$work/errors" || fail "the failed step is not named: $(cat "$work/errors")"
