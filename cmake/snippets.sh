#!/bin/sh
# Keeps the code in the documentation equal to compiled code. A block of a .md file that follows the line
#   <!-- snippet FILE NAME -->
# is the part of FILE between "// snippet NAME" and "// end snippet"; without NAME, the whole file; where NAME is a
# number, the paragraph with that number, such as one of what an example prints.
#   sh cmake/snippets.sh          fails if a block differs from its source
#   sh cmake/snippets.sh --write  cuts the blocks anew
set -eu
cd "$(dirname "$0")/.."

cut_again() {
  awk '
    function cut(file, name,   line, inside, text, indent, found, paragraphs) {
      text = ""; inside = (name == ""); found = inside
      while ((getline line < file) > 0) {
        if (name ~ /^[0-9]+$/) {
          if (line == "") ++paragraphs
          else if (paragraphs + 1 == name) { text = text line "\n"; found = 1 }
          continue
        }
        if (name != "" && line ~ "^ *// snippet " name "$") { inside = 1; found = 1; match(line, /^ */); indent = RLENGTH; continue }
        if (line ~ /^ *\/\/ end snippet$/) { if (name != "") inside = 0; continue }
        if (line ~ /^ *\/\/ snippet [a-z0-9_]+$/) continue
        if (inside) text = text (indent > 0 && substr(line, 1, indent) ~ /^ *$/ ? substr(line, indent + 1) : line) "\n"
      }
      close(file)
      if (!found || text == "") { print "no snippet \"" name "\" in " file > "/dev/stderr"; exit 1 }
      return text
    }
    /^<!-- snippet .* -->$/ { print; split($0, w, " "); pending = cut(w[3], w[4] == "-->" ? "" : w[4]); next }
    pending != "" && /^```/ { print; printf "%s", pending; pending = ""; skipping = 1; next }
    skipping && /^```/ { skipping = 0 }
    !skipping { print }
  ' "$1"
}

status=0
for page in README.md docs/*.md docs/*/*.md; do
  [ -f "$page" ] || continue
  new=$(mktemp)
  cut_again "$page" > "$new" || { echo "snippets: $page names code that is not there."; rm -f "$new"; exit 1; }
  if ! cmp -s "$page" "$new"; then
    if [ "${1:-}" = "--write" ]; then
      cat "$new" > "$page"
      echo "snippets: $page was cut anew."
    else
      diff -u "$page" "$new" || true
      echo "snippets: $page differs from the compiled code; run 'sh cmake/snippets.sh --write'."
      status=1
    fi
  fi
  rm -f "$new"
done
exit $status
