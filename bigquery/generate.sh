#!/bin/bash
# generate.sh: bigquery/schemas/*.json and external_tables.sql, from the catalog
# of a database that has the extension and a hospital.
#
# usage: generate.sh FOLDER [PSQL OPTION...]; FOLDER is bigquery, or where a test compares
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { sed -n '2,5s/^# \?//p' "$0" >&2; exit 2; }
folder=$1
shift
mkdir -p "$folder/schemas"
lines=$("${PSQL:-psql}" -XqAt -v ON_ERROR_STOP=1 "$@" -f - < "$here/generate.sql")
rm -f "$folder"/schemas/*.json
awk -F'\t' -v folder="$folder" '{ file = folder "/" $1
        if (!(file in seen)) { seen[file] = 1; printf "" > file }
        sub(/^[^\t]*\t/, ""); print >> file }' <<<"$lines"
