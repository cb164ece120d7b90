#!/bin/bash
# run.sh: the fuzzers of the parsers, one after the other, and a table of what
# they did.  Where clang has libFuzzer, it finds its way by coverage; else
# inputs of the corpora are changed by chance.
#
# usage: run.sh; FUZZ="csv json" chooses, FUZZ_SECONDS is for each (60),
# HOSPITAL_TEST_SEED repeats a run, FUZZ_BUILD is where programs, new inputs and
# what ended a program are (test/fuzz/build).
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
source ./engine.sh

seconds=${FUZZ_SECONDS:-60}
seed=${HOSPITAL_TEST_SEED:-$((RANDOM * 32768 + RANDOM + 1))}
build=${FUZZ_BUILD:-$PWD/build}
found=$build/found
failed=0 results=()

mkdir -p "$found"
clang=$(clang_with_fuzzer)
if [ -n "$clang" ]; then
    engine=(CC="$clang" ENGINE=fuzzer)
else
    echo "clang has no libFuzzer here (Debian: libclang-rt-N-dev): inputs are changed by chance"
    engine=(CC=gcc ENGINE=replay)
fi
make -s BUILD="$build" PG_CONFIG="${PG_CONFIG:-pg_config}" "${engine[@]}" || exit 1
echo "HOSPITAL_TEST_SEED=$seed, $seconds s each"

# How many inputs of it were run.
guided() {
    local name=$1 rc=0
    mkdir -p "$build/corpus/$name"
    "$build/$name" -seed="$seed" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1500 -max_len=2048 \
        -dict="$build/$name.dict" -artifact_prefix="$found/$name-" -print_final_stats=1 \
        "$build/corpus/$name" "corpus/$name" > "$build/$name.log" 2>&1 || rc=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
    return $rc
}

by_chance() {
    local name=$1 ends=$((SECONDS + seconds)) turn=0 n rc=0
    runs=0
    while [ $SECONDS -lt $ends ] && [ $rc = 0 ]; do
        HOSPITAL_FUZZ_LAST=$found/$name-last "$build/$name" $((seed + turn++)) 20000 corpus/"$name"/* > "$build/$name.out" 2> "$build/$name.log" || rc=$?
        n=$(cat "$build/$name.out")
        runs=$((runs + ${n:-0}))
    done
    [ $rc != 0 ] || rm -f "$found/$name-last"
    return $rc
}

export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=32}
for name in ${FUZZ:-csv json hl7 message config name}; do
    began=$SECONDS word=ok
    if [ -n "$clang" ]; then guided "$name" || word=FAILED; else by_chance "$name" || word=FAILED; fi
    if [ $word = FAILED ]; then
        failed=1
        grep -aE "must hold|ERROR:|runtime error|^  " "$build/$name.log" | head -n 8
        echo "   the whole of it: $build/$name.log; the input: $(ls -t "$found/$name"-* 2>/dev/null | head -n 1)"
    fi
    results+=("$(printf '%-7s %-8s %6d s %12s inputs' "$word" "$name" $((SECONDS - began)) "${runs:-?}")")
done
printf '%s\n' "${results[@]}"
exit $failed
