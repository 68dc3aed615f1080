#!/bin/sh
# check_pictures.sh EXPORT_GRAPHS: Graphviz draws every graph that it writes, and has nothing to complain about.
set -eu

fail() {
  printf 'check_pictures.sh: %s\n' "$*" >&2
  exit 1
}
command -v dot > /dev/null || fail "there is no 'dot'; install the package graphviz"

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$1" "$directory"

drawn=0
for graph in "$directory"/*.dot; do
  [ -f "$graph" ] || fail "no graph was written"
  dot -Tsvg "$graph" -o "$graph.svg" 2> "$directory/complaints" \
    || fail "dot -Tsvg $(basename "$graph") failed: $(cat "$directory/complaints")"
  [ ! -s "$directory/complaints" ] || fail "dot says of $(basename "$graph"): $(cat "$directory/complaints")"
  nodes=$(grep -c '^ *[nj][0-9]* \[' "$graph" || :)
  drawings=$(grep -c 'class="node"' "$graph.svg" || :)
  [ "$nodes" -eq "$drawings" ] || fail "$(basename "$graph") has $nodes nodes and joins, its picture $drawings"
  boxes=$(grep -c '^ *subgraph cluster_' "$graph" || :)
  drawings=$(grep -c 'class="cluster"' "$graph.svg" || :)
  [ "$boxes" -eq "$drawings" ] || fail "$(basename "$graph") has $boxes clusters, its picture $drawings"
  drawn=$((drawn + 1))
done
# A name comes out as it went in.
grep -qF 'd]]&lt;b&gt;&amp;amp;#35;%%{x}|`é日本␁�;end#2' "$directory/odd_names.dot.svg" \
  || fail "odd_names.dot: its names are not in its picture"
printf '%d graphs drawn\n' "$drawn"
