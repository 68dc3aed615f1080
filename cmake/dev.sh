#!/bin/sh
# Everything that is done with this repository, from a bare Debian 12 on:
#
#   sh cmake/dev.sh demo [file or directory...]   build and run the main examples, on the repository's own files by default
#   sh cmake/dev.sh test [ctest argument...]      build and run all tests
#   sh cmake/dev.sh bench [filter]                build and run the benchmarks whose name matches the filter; one table
#   sh cmake/dev.sh bench compile                 what the headers cost who includes them
#   sh cmake/dev.sh soak [calls]                  millions of calls that fail and are cancelled; fail if memory grows
#   sh cmake/dev.sh instructions [--record]       count the instructions of the hot paths; fail if they have become more
#   sh cmake/dev.sh sanitize address|thread [ctest argument...]
#                                                 the tests under ASan and UBSan (g++), or under TSan (clang)
#   sh cmake/dev.sh fuzz [seconds]                libFuzzer on recorded runs and on codecs, so long each (30); clang
#   sh cmake/dev.sh format [--check]              format the sources, or say which are not formatted
#
# Missing Debian packages are installed, as root or by sudo. JOBS=n sets how many things are done at once.
set -eu

caller_dir=$(pwd)
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}

say() { printf -- '-- %s\n' "$*"; }
fail() {
  printf 'dev.sh: %s\n' "$*" >&2
  exit 1
}
usage() {
  sed -n '3,14s/^# \{0,1\}//p' cmake/dev.sh >&2
  fail "$1"
}

# need PACKAGE...: installs those that are missing.
need() {
  if ! command -v dpkg-query > /dev/null; then
    say "not a Debian system: the equivalents of these packages must be there: $*"
    return
  fi
  missing=
  for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || :) in
      installed) ;;
      *) missing="$missing $package" ;;
    esac
  done
  [ -n "$missing" ] || return 0
  say "installing$missing"
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || fail "missing packages:$missing; install them as root, or install sudo"
    as_root=sudo
  fi
  $as_root apt-get update -qq || fail "apt-get update failed; it is needed to install:$missing"
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove $missing \
    || fail "apt-get could not install:$missing"
}
need_build_tools() {
  need g++ cmake ninja-build ccache libboost1.81-dev libfmt-dev libsqlite3-dev libssl-dev catch2 graphviz python3-jsonschema
}

# build PRESET [TARGET...]: configures when that is due, and builds what changed, in build/PRESET.
build() {
  preset=$1
  shift
  if [ ! -f "build/$preset/build.ninja" ] || [ -n "$(find CMakePresets.json -newer "build/$preset/build.ninja")" ]; then
    say "configuring build/$preset"
    cmake --preset "$preset" || fail "configuring build/$preset failed"
  fi
  say "building build/$preset"
  cmake --build "build/$preset" --parallel "$jobs" ${1+--target "$@"} || fail "the build in build/$preset failed"
}

run_tests() {
  preset=$1
  shift
  say "testing build/$preset"
  ctest --test-dir "build/$preset" --parallel "$jobs" --output-on-failure --no-tests=error "$@" \
    || fail "tests failed in build/$preset"
}

demo() {
  need_build_tools
  build release 10_file_report 17_graph_files
  examples=$(pwd)/build/release/examples
  if [ $# -eq 0 ]; then
    set -- include src examples tests cmake docs
  else
    cd "$caller_dir"
  fi
  say "as an agent: 10_file_report $*"
  "$examples/10_file_report" "$@" || fail "the demo ended with status $?"
  say "as a graph: 17_graph_files $*"
  "$examples/17_graph_files" "$@" || fail "the demo ended with status $?"
}

run_test() {
  need_build_tools
  build release
  run_tests release "$@"
}

need_bench_tools() {
  need_build_tools
  need libbenchmark-dev libtbb-dev
}

# run_benchmarks NAME FILTER: leaves build/bench/NAME.json, which it adds to $figures.
run_benchmarks() {
  say "running the benchmarks '$2'"
  build/bench/tests/bench/benchmarks --benchmark_filter="$2" --benchmark_out="build/bench/$1.json" \
    || fail "the benchmarks ended with status $?"
  figures="$figures build/bench/$1.json"
}

bench() {
  need_bench_tools
  figures=
  mkdir -p build/bench
  if [ "${1-}" != compile ]; then
    build bench benchmarks
    if [ $# -gt 0 ]; then
      run_benchmarks bench "$1"
    else
      run_benchmarks bench '-^parallel '
      run_benchmarks parallel '^parallel '  # its threads would slow down what others, oneTBB above all, do on one
    fi
  fi
  if [ "${1-compile}" = compile ]; then
    build bench aethergraph
    say "measuring what the headers cost"
    bash tests/bench/compile_cost.sh build/bench build/bench/compile.json "$@" || fail "the headers could not be measured"
    figures="$figures build/bench/compile.json"
  fi
  say "the table, of medians; also in build/bench/ratios.json and, as plots, in build/bench/plots"
  # shellcheck disable=SC2086
  python3 tests/bench/report.py build/bench $figures || fail "some benchmarks went wrong"
}

soak() {
  need_bench_tools
  build bench soak
  say "soaking"
  build/bench/tests/bench/soak "$@" || fail "the soak ended with status $?"
}

instructions() {
  need_bench_tools
  need valgrind
  build bench instructions benchmarks soak  # the latter two only so that they are known to build
  say "counting instructions"
  sh tests/bench/count_instructions.sh build/bench/tests/bench/instructions "$@" || fail "a hot path has become dearer"
}

sanitize() {
  [ $# -gt 0 ] || usage "which sanitizer? address or thread"
  kind=$1
  shift
  need_build_tools
  case $kind in
    address) export ASAN_OPTIONS="${ASAN_OPTIONS-detect_stack_use_after_return=1}" ;;
    thread)
      need clang-19 libclang-rt-19-dev
      # What is suppressed goes by name, and Debian's runtime finds no symbolizer by itself.
      symbolizer=$(command -v llvm-symbolizer-19 || command -v llvm-symbolizer || command -v addr2line)
      export TSAN_OPTIONS="${TSAN_OPTIONS-suppressions=$(pwd)/cmake/thread_sanitizer.txt external_symbolizer_path=$symbolizer}"
      ;;
    *) usage "there is no sanitizer '$kind', only address and thread" ;;
  esac
  build "$kind"
  run_tests "$kind" "$@"
}

fuzz() {
  need_build_tools
  need clang-19 libclang-rt-19-dev
  build fuzz
  for target in codec journal; do
    say "fuzzing $target for ${1-30} s"
    mkdir -p "build/fuzz/found/$target"
    (cd build/fuzz && tests/fuzz/fuzz_$target -max_total_time="${1-30}" -timeout=10 -print_final_stats=1 \
      -artifact_prefix=found/ "found/$target" "../../tests/fuzz/corpus/$target" 2> "fuzz_$target.log") \
      || { tail -n 60 "build/fuzz/fuzz_$target.log" >&2; fail "fuzz_$target found something; it is in build/fuzz/found"; }
    grep -E 'stat::(number_of_executed_units|average_exec)|cov: .*DONE' "build/fuzz/fuzz_$target.log"
  done
}

format() {
  case ${1-} in
    '') how=-i ;;
    --check) how='--dry-run --Werror' ;;
    *) usage "format takes --check or nothing, not '$1'" ;;
  esac
  need clang-format-19
  # shellcheck disable=SC2086
  find include src tests examples \( -name '*.hpp' -o -name '*.cpp' \) -print0 | xargs -0 clang-format-19 $how \
    || fail "some sources are not formatted; 'sh cmake/dev.sh format' formats them"
  say "formatted"
}

[ $# -gt 0 ] || usage "what is to be done?"
command=$1
shift
case $command in
  demo) demo "$@" ;;
  test) run_test "$@" ;;
  bench) bench "$@" ;;
  soak) soak "$@" ;;
  instructions) instructions "$@" ;;
  sanitize) sanitize "$@" ;;
  fuzz) fuzz "$@" ;;
  format) format "$@" ;;
  *) usage "there is no command '$command'" ;;
esac
