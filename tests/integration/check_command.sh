#!/bin/sh
# check_command.sh AETHERGRAPH COMMAND_STORE: the command on a store that a program makes: what it prints, its exit
# statuses, and that it acts on runs of other processes.
set -eu

aethergraph=$1
program=$2
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
unset AETHERGRAPH_STORE

fail() {
  printf 'check_command.sh: %s\n' "$*" >&2
  exit 1
}
# expect STATUS TEXT ARGUMENT...: the command ends so, and TEXT is a part of what it prints.
expect() {
  wanted=$1
  text=$2
  shift 2
  status=0
  "$aethergraph" "$@" > out 2> err || status=$?
  [ "$status" -eq "$wanted" ] || fail "aethergraph $*: exit status $status instead of $wanted: $(cat out err)"
  if [ "$wanted" -eq 0 ]; then
    [ ! -s err ] || fail "aethergraph $*: complains: $(cat err)"
  else
    [ ! -s out ] || fail "aethergraph $*: fails, and prints: $(cat out)"
    [ "$(wc -l < err)" -eq 1 ] || fail "aethergraph $*: an error is one line, but it says: $(cat err)"
  fi
  [ -z "$text" ] || cat out err | grep -qF -e "$text" || fail "aethergraph $*: '$text' is not in: $(cat out err)"
}
# expect_json EXPRESSION ARGUMENT...: the command prints one JSON document, of which the expression on `v` is true.
expect_json() {
  expression=$1
  shift
  "$aethergraph" --json "$@" > out || fail "aethergraph --json $*: fails"
  python3 -c "
import json, sys
v = json.load(open('out'))
sys.exit(0 if ($expression) else 'not true: ' + sys.argv[1] + ' of ' + json.dumps(v))" "$expression" \
    || fail "aethergraph --json $*"
}

# --- nothing is made by looking
expect 1 "'runs.db': there is no store; name one with --store FILE, or in the variable AETHERGRAPH_STORE" runs
expect 1 "'none/at/all.db': there is no store" --store none/at/all.db runs
[ ! -e runs.db ] || fail "a store was made by looking"
: > empty.db
expect 1 "'empty.db': there is no store" runs --store empty.db
echo "this is a text, and no database; it is long enough to have a header, though" > other.db
expect 1 "other.db" runs --store other.db

[ "$("$program" runs.db make)" = parked ] || fail "the store could not be made"

# --- wrong usage says what would be valid
expect 2 "a command is missing; it must be one of: runs, show, graph"
expect 2 "list: there is no such command; it must be one of: runs, show, graph" list
expect 2 "show: too few words; it is: aethergraph show RUN" show
expect 2 "runs: too many words; it is: aethergraph runs" runs nightly-7
expect 2 "--all: there is no such option; see aethergraph --help" runs --all
expect 2 "--dot: 'timeline' has no such option; it is: aethergraph timeline RUN [--gantt|--trace FILE]" timeline x --dot
expect 2 "--store: its value is missing" runs --store
expect 2 "--older-than 3w: it must be a number and s, m, h or d, such as 30d" prune --older-than 3w
expect 2 "--status over: it must be interrupted, running, parked, done, failed or cancelled" prune --status over
expect 2 "--json: it takes no value" runs --json=yes
expect 0 "SYNOPSIS" --help
expect 0 "SYNOPSIS" -h
expect 0 "0 runs removed" --store=runs.db prune --older-than=1d --status=interrupted
for words in --help runs "events nightly-7"; do
  # shellcheck disable=SC2086
  "$aethergraph" $words > /dev/full 2> said && fail "aethergraph $words > /dev/full has succeeded"
  grep -qF "cannot be written" said || fail "aethergraph $words > /dev/full says: $(cat said)"
done
for run in show graph timeline explain events cancel rerun; do
  expect 1 "there is no run 'none'; \`aethergraph runs\` lists those that are" $run none
done

# --- looking
expect 0 "nightly-7  report   done" runs
expect 0 "build-1    build    failed" runs
AETHERGRAPH_STORE=$directory/runs.db
export AETHERGRAPH_STORE
cd /
"$aethergraph" runs | grep -qF "buy-1      buy      parked" || fail "the store of the environment is not read"
cd "$directory"
expect 0 "outcome    15" show nightly-7
expect 0 "  add#1 (1): done" show nightly-7
expect 0 "question   buy-1@1: Pay 42 euros? (yes or no)" show buy-1
expect 0 "publish#4 (:publish#4): failed" graph build-1
expect 0 "n2 -> n3;" graph build-1 --dot
expect 0 "flowchart TB" graph build-1 --mermaid
expect 0 "publish#4 failed" timeline build-1
expect 0 "critical path: bodies" explain nightly-7
expect 0 "5 slots instead of 4: " explain nightly-7
expect 0 "fetch  10" events nightly-7
expect 0 "buy-1@1  Pay 42 euros?  yes or no  -" questions
expect 0 "" timeline build-1 --trace trace.json
python3 -c "import json; assert len(json.load(open('trace.json'))['traceEvents']) > 4" || fail "there is no trace"
expect 1 "--trace none/trace.json: it cannot be written" timeline build-1 --trace none/trace.json
for run in nightly-7 build-1 buy-1; do
  "$aethergraph" graph $run --dot > $run.dot
  dot -Tsvg $run.dot > /dev/null 2> complaints || fail "dot refuses the graph of $run"
  [ ! -s complaints ] || fail "dot says of $run: $(cat complaints)"
done
expect 0 "</svg>" graph build-1 --svg
mkdir bin
if env PATH="$directory/bin" "$aethergraph" graph build-1 --svg 2> err; then fail "it draws without Graphviz"; fi
grep -qF "Graphviz' \`dot\` is not there; install Graphviz, or use --dot or --mermaid" err || fail "$(cat err)"

expect_json "[r['status'] for r in v] == ['done', 'failed', 'parked'] and v[0]['arguments'] == [5]" runs
expect_json "v['version'] == '1' and v['outcome'] == 15 and v['questions'] == []" show nightly-7
expect_json "v['questions'][0]['token'] == 'buy-1@1' and v['due'] is None" show buy-1
expect_json "len(v['nodes']) == 4" graph build-1
expect_json "v['traceEvents']" timeline build-1
expect_json "v['total_ms'] > 0 and v['critical_path'][0]['begin_ms'] == 0 and v['one_more_slot']['slots'] == 4" explain nightly-7
expect_json "v[0]['kind'] == 'approval' and v[0]['answer'] is None" questions
"$aethergraph" --json events nightly-7 | python3 -c "
import json, sys
facts = [json.loads(line) for line in sys.stdin]
assert [f['value'] for f in facts if f['kind'] == 'call'] == [5, 10, 15], facts" || fail "events as JSON"

# --- a parked run goes on with an answer from here
expect 1 "'perhaps' is no answer to 'Pay 42 euros?'; it must be yes or no" answer buy-1@1 perhaps
expect 1 "there is no question 'buy-1@9'" answer buy-1@9 yes
expect 0 "answered; run 'buy-1' goes on when its id is run again" answer buy-1@1 yes
expect 1 "question 'buy-1@1' has been answered before" answer buy-1@1 no
[ "$("$program" runs.db go-on)" = bought ] || fail "the parked run has not gone on"
expect_json "v['status'] == 'done' and v['outcome'] == 'bought'" show buy-1

# --- a run that another process executes is followed
"$program" runs.db slow &
until "$aethergraph" show slow-1 > /dev/null 2>&1; do sleep 0.02; done
"$aethergraph" --json events slow-1 --follow > followed
wait
python3 -c "
import json
facts = [json.loads(line) for line in open('followed')]
assert sum(f['kind'] == 'call' for f in facts) == 10, facts
assert len({f['number'] for f in facts}) == len(facts), facts" || fail "not all events were followed"

# --- computing anew, cancelling, removing
expect 1 "'tool:none' selects nothing of run 'build-1'" rerun build-1 tool:none
expect 1 "--failed: no call of run 'nightly-7' has failed" rerun nightly-7 --failed
expect 0 "forgotten: :publish#4 publish" rerun build-1 --failed
expect 0 "forgotten: :first fetch" rerun build-1 first
grep -qF "forgotten: :add#3 add" out || fail "what depends on a node is not forgotten: $(cat out)"
expect_json "v['status'] == 'running' and v['facts'] == 2" show build-1
expect 0 "build-1    build    interrupted" runs
expect 0 "cancelled" cancel build-1
expect 1 "run 'build-1' has ended: it is cancelled" cancel build-1
expect 0 "0 runs removed" prune
expect 0 "removed: build-1" prune --older-than 0s --status cancelled
expect_json "[r['id'] for r in v] == ['nightly-7', 'buy-1', 'slow-1']" prune --older-than 0s
expect_json "v == []" runs
