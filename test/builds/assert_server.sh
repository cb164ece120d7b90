# assert_server.sh: PostgreSQL 15 as assert.sh, asan.sh and valgrind.sh want it,
# compiled once for all of them.  To be sourced, after lib.sh.
#
# USE_VALGRIND tells valgrind which chunk of a memory context is whose; without
# valgrind it costs little.
assert_server() {
    compiled_server bookworm postgresql-15 pg15-assert "-O1 -fno-omit-frame-pointer -DUSE_VALGRIND \
-DCOPY_PARSE_PLAN_TREES -DWRITE_READ_PARSE_PLAN_TREES -DRAW_EXPRESSION_COVERAGE_TEST" || die "the server could not be compiled"
    use_server "$PG_CONFIG"
}
