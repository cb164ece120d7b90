#!/bin/bash
# Check the reference tables, and that compiling them twice gives the same bytes.
# usage: test/check_data.sh [pg_config]
set -euo pipefail

cd "$(dirname "$0")/.."
pg_config=${1:-pg_config}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 data/validate.py
perl data/compile.pl data > "$work/reference_data.c"
# another hash order must not show
PERL_HASH_SEED=1 PERL_PERTURB_KEYS=0 perl data/compile.pl data | cmp - "$work/reference_data.c"
"${CC:-gcc}" -std=gnu99 -Wall -Wextra -Werror -Wmissing-declarations -Wno-ignored-attributes -Isrc \
    -I"$("$pg_config" --includedir-server)" -fsyntax-only "$work/reference_data.c"
echo "reference data: ok"
