#!/bin/bash
# entrypoint.sh: turns the environment into settings, then hands over to the
# PostgreSQL image's own entrypoint.
#
# The settings are a file that /etc/hospital/postgresql.conf includes, not
# options of the command: ALTER SYSTEM and a reload go before a file.
set -euo pipefail

SETTINGS=/run/hospital/environment.conf

# Each of these is the setting hospital.<the same in small letters>; empty: its default.
NAMES=(NUM_PEOPLE START_DATE END_DATE SEED DATA_FOLDER
    BATCH_INTERVAL STREAM_INTERVAL STREAM_RECORDS WINDOW_LENGTH WINDOW_DAYS
    KAFKA_BROKERS KAFKA_CONFIG_FILE TOPIC_PREFIX TOPICS
    CONSUMER_WORKERS INGEST_WORKERS LOAD_WORKERS STREAM_LAKE ACTIVITY_GAP)

# setting NAME VALUE
setting() {
    local value=${2//\\/\\\\}
    [ -z "$value" ] || printf "%s = '%s'\n" "$1" "${value//\'/\'\'}"
}

write_settings() {
    local name database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
    echo "# Written at each start of the container, from its environment."
    [[ $database =~ ^[a-z_][a-z0-9_]*$ ]] || database=\"${database//\"/\"\"}\"
    setting hospital.databases "$database"
    for name in "${NAMES[@]}"; do
        setting "hospital.${name,,}" "${!name:-}"
    done
    if [ -n "${LOG_FOLDER:-}" ]; then
        setting logging_collector on
        setting log_directory "$LOG_FOLDER"
    fi
}

# With LOG_FOLDER the log is in files there, and is repeated here for "docker logs".
# By a process that is nobody's child but the container's first one: the server takes
# the end of a child that it does not know for a crash.  So not where it is the first itself.
repeat_log() {
    [ $$ != 1 ] || return 0
    (setsid hospital-follow "$LOG_FOLDER" </dev/null &)
}

if [ "${1:-}" = postgres ] || [ "${1#-}" != "${1:-}" ]; then
    [ "$1" != postgres ] || shift
    write_settings > "$SETTINGS"
    if [ -n "${LOG_FOLDER:-}" ]; then repeat_log; fi
    set -- postgres -c config_file=/etc/hospital/postgresql.conf "$@"
fi
exec docker-entrypoint.sh "$@"
