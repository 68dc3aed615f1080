#!/usr/bin/env bash
# compile_cost.sh BUILD FIGURES.json [compile]: user CPU time that the headers cost, and the size of a program; BUILD is a
# Release build that holds the library. `sh cmake/dev.sh bench compile` calls it, which is the way to have each header, too.
#
# "compile headers": the umbrella next to the headers of Boost and fmt that it includes. "compile a program":
# compile/*.cpp. CXX chooses the compiler, REPETITIONS how often each is compiled.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
library=$1/libaethergraph.a
figures=$2
what=${3-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compiler=(env CCACHE_DISABLE=1 "${CXX:-g++}" -std=c++20 -O2 -DNDEBUG -DBOOST_ASIO_NO_DEPRECATED -I"$root/include")

# add TOPIC/WHO SOURCE: compiles it once, into WHO's object.
entries=()
add() {
  local seconds
  TIMEFORMAT=%U
  seconds=$({ time "${compiler[@]}" -c "$2" -o "$work/object.o"; } 2>&1)
  [[ $seconds =~ ^[0-9.]+$ ]] || { echo "$2: $seconds" >&2 && exit 1; }
  entries+=("{\"name\": \"$1\", \"items_per_second\": $(awk "BEGIN {print 1 / ($seconds + 1e-6)}")${3-}}")
}
# size_of SOURCE: of the program, stripped.
size_of() {
  "${compiler[@]}" "$1" "$library" -lfmt -pthread -s -o "$work/program"
  stat -c %s "$work/program"
}

# What it includes of Boost and fmt, itself or by way of our headers.
echo '#include <aethergraph/aethergraph.hpp>' > "$work/umbrella.cpp"
"${compiler[@]}" -MM "$work/umbrella.cpp" | grep -oE 'include/aethergraph/[a-z_/]+\.hpp' | sort -u |
  (cd "$root" && xargs grep -hoE '^#include <(boost|fmt)/[^>]+>') | sort -u > "$work/dependencies.cpp"
sizes=()
for who in aethergraph asio; do sizes+=(", \"bytes_per_item\": $(size_of "$root/tests/bench/compile/$who.cpp")"); done
for _ in $(seq "${REPETITIONS:-5}"); do
  add 'compile headers/dependencies' "$work/dependencies.cpp"
  add 'compile headers/aethergraph' "$work/umbrella.cpp"
  add 'compile a program/aethergraph' "$root/tests/bench/compile/aethergraph.cpp" "${sizes[0]}"
  add 'compile a program/asio' "$root/tests/bench/compile/asio.cpp" "${sizes[1]}"
done
if [ "$what" = compile ]; then
  for header in "$root"/include/aethergraph/*.hpp; do
    name=$(basename "$header")
    [ "$name" != aethergraph.hpp ] || continue
    echo "#include <aethergraph/$name>" > "$work/header.cpp"
    add "compile one header/${name%.hpp}" "$work/header.cpp"
  done
fi
printf '{"benchmarks": [%s]}\n' "$(IFS=,; echo "${entries[*]}")" > "$figures"
