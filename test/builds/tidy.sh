#!/bin/bash
# tidy.sh: static analysis of src/ by clang-tidy and clang's analyzer, file by file;
# .clang-tidy says what is looked for, and what is not and why.
#
# FILES="src/kafka.c" chooses.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

find_tidy() { TIDY=$(command -v clang-tidy || ls -r /usr/bin/clang-tidy-[0-9]* 2>/dev/null | head -n 1) && [ -n "$TIDY" ]; }

find_tidy || { need clang-tidy clang-tidy; find_tidy; }
find_postgres || skip "no PostgreSQL with headers"
cd "$TOP"
"$TIDY" --version | sed -n 's/^ *\(.*version.*\)/   \1/p'
include=$("$PG_CONFIG" --includedir-server)
for file in ${FILES:-src/*.c}; do
    # the reference data are one large table that a program has made
    [ "$file" = src/reference_data.c ] || printf '%s\0' "$file"
done | xargs -0 -P "${JOBS:-$(nproc)}" -I{} "$TIDY" --quiet {} -- -std=gnu99 -D_GNU_SOURCE "-I$include" \
    -DUSE_ASSERT_CHECKING '-DHOSPITAL_VERSION="0"' -DHOSPITAL_ZLIB -DHOSPITAL_ZSTD 2> >(grep -v -E 'warnings? (generated|treated)|^Suppressed' >&2 || true)
