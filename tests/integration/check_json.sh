#!/bin/sh
# check_json.sh EXPORT_GRAPHS SCHEMA: the JSON of every graph that it writes is what the schema says.
set -eu

fail() {
  printf 'check_json.sh: %s\n' "$*" >&2
  exit 1
}
for python in python3 /usr/bin/python3 ''; do
  [ -n "$python" ] || fail "there is no python3 with the module jsonschema; install the package python3-jsonschema"
  ! "$python" -c 'import jsonschema' 2> /dev/null || break
done

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$1" "$directory"
"$python" "$(dirname "$0")/check_json.py" "$2" "$directory"/*.json
