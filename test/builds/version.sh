# version.sh: what the builds for other PostgreSQLs have in common: the library
# compiled with warnings as errors, installed, and tested in that server.  To be
# sourced, after begin_build.

# Needs neither Kafka nor what only a packaged server brings.
VERSION_TAP=(test/t/011_loader.pl test/t/021_ingest.pl test/t/023_run.pl test/t/050_marts.pl)

test_version() {
    local rc=0
    install_with
    small_hospital
    start_cluster
    watch_small || rc=1
    regress 900 || rc=1
    stop_cluster
    tap 1800 "${VERSION_TAP[@]}" || rc=1
    return $rc
}
