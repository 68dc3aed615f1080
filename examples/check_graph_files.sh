#!/bin/sh
# check_graph_files.sh PROGRAM PATH...: the report of 17_graph_files must be what sha256sum, wc and uniq say of the files.
set -eu
LC_ALL=C
export LC_ALL
program=$1
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
names=$work/names

mkdir "$work/tree"
cp -r "$@" "$work/tree"
first=$(find "$@" -type f -size +0 | sort | head -n 1)
cp "$first" "$work/tree/copy of the first" # so that two are equal
: > "$work/tree/empty"
cd "$work/tree"
find . -type f | sort > "$names"

"$program" . > "$names.report" 2> "$names.progress"

lines=0 words=0 bytes=0 files=0
: > "$names.expected"
while IFS= read -r file; do
  hash=$(sha256sum < "$file" | cut -c 1-64)
  counts=$(wc < "$file")
  # shellcheck disable=SC2086
  set -- $counts
  printf '%s  %8d %8d %10d  %s\n' "$hash" "$1" "$2" "$3" "$file" >> "$names.expected"
  lines=$((lines + $1)) words=$((words + $2)) bytes=$((bytes + $3)) files=$((files + 1))
done < "$names"
printf '%-64s  %8d %8d %10d  %d files\n' total "$lines" "$words" "$bytes" "$files" >> "$names.expected"
grep -v '^equal:' "$names.report" > "$names.rows"
diff "$names.expected" "$names.rows"

# Equal files: as many in groups as uniq finds repeated.
repeated=$(cut -c 1-64 "$names.expected" | sed '$d' | sort | uniq -D | wc -l)
listed=$(sed -n 's/^equal://p' "$names.report" | sed 's/ \.\//\n/g' | grep -c .) || :
[ "$repeated" -eq "$listed" ] || { echo "$listed equal files are listed, there are $repeated" >&2; exit 1; }
[ "$repeated" -ge 2 ] || { echo "the copy is not seen" >&2; exit 1; }
