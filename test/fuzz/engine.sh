# engine.sh: which clang has libFuzzer; to be sourced.

clang_with_fuzzer() {
    local clang
    for clang in clang $(ls -r /usr/bin/clang-[0-9]* 2>/dev/null); do
        if echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n > 9 ? 0 : 0; }' |
            "$clang" -x c -fsanitize=fuzzer,address -o /dev/null - 2>/dev/null; then
            echo "$clang"
            return
        fi
    done
}
