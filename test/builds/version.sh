# version.sh: what the builds for other PostgreSQLs have in common: the library
# compiled with warnings as errors, installed, and tested in that server.  To be
# sourced, after begin_build.

# Needs neither Kafka nor what only a packaged server brings.
VERSION_TAP=(test/t/011_loader.pl test/t/021_ingest.pl test/t/023_run.pl test/t/031_stream_control.pl test/t/041_jobs.pl test/t/050_marts.pl)

test_version() {
    local rc=0
    install_with
    cluster_with
    query -d postgres -c "CREATE DATABASE version_test"
    query -d version_test -c "CREATE EXTENSION hospital" -c "SELECT count(*) FROM hospital_generate_people(1000)" | grep -qx 1000 || return 1
    regress 900 || rc=1
    stop_cluster
    tap 1800 "${VERSION_TAP[@]}" || rc=1
    return $rc
}
