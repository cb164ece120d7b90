#!/bin/bash
# page.sh: the dashboards' page and the validation report, in a real browser.
#
# A hospital of some weeks is made; dashboards/page serves it to a role that may
# read the marts and nothing else.  What the server refuses is tried without a
# browser; then headless Chromium opens page, snapshot and report, and what they
# show is compared with SQL on the tables of facts.
#
# SHOTS=FOLDER keeps pictures of them.
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

DB=page
HERE=$TOP/test/tools/page
need node npm python3
CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip "no chromium"

tool_leave() { stop_page; }

tool_server page
PAGES=$WORK/build/dashboards/page
query -d postgres -c "CREATE DATABASE $DB"
psql_do -q -d "$DB" -c "SET client_min_messages = warning" -c "CREATE EXTENSION hospital" \
    -c "CALL hospital_create(people => 30000, beds => 200, seed => 7, start_date => '2019-12-10', end_date => '2020-12-31')" \
    -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" -c "CALL hospital_run(70)"
psql_do -q -d "$DB" -c "ANALYZE" -c "CREATE ROLE viewer LOGIN" \
    -c "GRANT SELECT ON ALL TABLES IN SCHEMA hospital_mart TO viewer"

# ---- what the server refuses ----

start_page "$DB" viewer
[ -n "$PAGE" ] || exit 1
PAGE_PORT=${PAGE%/} PAGE_PORT=${PAGE_PORT##*:}
# ask PATH OPTION...: the status
ask() { local path=$1; shift; curl -s -o "$WORK/answer" -w '%{http_code}' "$@" "${PAGE%/}$path"; }
answers() { local want=$1; shift; [ "$(ask "$@")" = "$want" ] || { say "   $* gave $(ask "$@")"; return 1; }; }
says() { answers "$2" "$3" && grep -q "$1" "$WORK/answer"; }
header() { ask / -D "$WORK/headers" >/dev/null; grep -qi "^$1" "$WORK/headers"; }

if command -v curl >/dev/null; then
    check "the page is there" answers 200 /
    check "it allows nothing but itself" grep -q "default-src 'none'; script-src 'sha256-" "$WORK/answer"
    check "its data is there" answers 200 /data
    check "headers: no sniffing" header 'X-Content-Type-Options: nosniff'
    check "headers: no frame of others" header 'X-Frame-Options: DENY'
    check "headers: nothing is kept" header 'Cache-Control: no-store'
    check "a day that is none is refused" says 'is not a day' 400 '/data?from=2020-02-30'
    check "text for a day is refused" says 'is not a day' 400 "/data?from=2020-01-01'--"
    check "SQL for a department is refused" says 'not the code' 400 "/data?department=ED';DROP%20TABLE%20x--"
    check "a department that there is not is refused" says 'there is no department' 400 '/data?department=XYZ'
    check "a period that ends before it begins is refused" says 'ends before' 400 '/data?from=2020-02-01&to=2020-01-01'
    check "anything else to choose is refused" says 'nothing else' 400 '/data?sql=select'
    check "nothing else is there" answers 404 /../page.py
    check "nothing can be sent" answers 501 / -X POST -d x
    check "another name for this machine is not answered" answers 421 / -H 'Host: hospital.example.com'
else
    say "        no curl: what the server refuses is left out"
fi
listens() { python3 - "$PAGE_PORT" <<'PY'
import socket, sys
with socket.socket() as s:
    s.connect(("127.0.0.1", int(sys.argv[1])))
for address in {a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}:
    with socket.socket() as s:
        s.settimeout(1)
        sys.exit(f"{address} answers") if s.connect_ex((address, int(sys.argv[1]))) == 0 else None
PY
}
check "it listens on this machine alone" listens
next_port() {
    local other
    as_user timeout 20 env PGHOST="$SOCKETS" python3 "$PAGES/page.py" serve --port "$PAGE_PORT" --address-file "$WORK/home/second" >/dev/null 2>&1 &
    for other in $(seq 50); do [ -e "$WORK/home/second" ] && break; sleep 0.1; done
    other=$(cat "$WORK/home/second")
    kill $! 2>/dev/null; wait $! 2>/dev/null
    [ "$other" != "$PAGE" ] && [[ $other = http://127.0.0.1:* ]]
}
check "a port that is taken gives the next one" next_port
writes() { ! as_user env PGHOST="$SOCKETS" PGPORT="$PORT" PGUSER=viewer PGDATABASE="$DB" "$BINDIR/psql" -XqAtc "$1" >/dev/null 2>&1; }
check "its role cannot read the patients" writes "SELECT * FROM hospital.patients LIMIT 1"

# ---- in the browser ----

NODE=$CACHE/node-page
if [ ! -d "$NODE/node_modules/playwright-core" ]; then
    as_user mkdir -p "$NODE"
    (cd "$NODE" && as_user npm install --silent --no-audit --no-fund --cache "$CACHE/npm" playwright-core@1) >"$WORK/log/npm.log" 2>&1 ||
        skip "playwright-core cannot be had (npm)"
fi
export LAST_DAY
LAST_DAY=$(query -d "$DB" -c "SELECT max(day) FROM hospital.batches WHERE state = 'ingested'")
expected() { query -d "$DB" -v first="$1" -v last="$2" -v dep="$3" -f - < "$HERE/expected.sql" | tail -n 1; }
expected 2019-12-01 2030-01-01 '' > "$WORK/all.json"
expected 2020-01-01 2020-01-31 GSU > "$WORK/some.json"
page_py() { as_user env PGHOST="$SOCKETS" PGPORT="$PORT" PGDATABASE="$DB" PGUSER="$1" PSQL="$BINDIR/psql" python3 "$PAGES/page.py" "${@:2}"; }
check "a snapshot is written" page_py viewer dashboard "$WORK/home/snapshot.html"
check "a report is written" page_py postgres report "$WORK/home/report.html"
query -d "$DB" -c "SELECT jsonb_build_object('validation', (SELECT jsonb_agg(to_jsonb(v) - 'ok') FROM hospital_validate() v),
    'files', (SELECT jsonb_agg(f ORDER BY f.day) FROM (SELECT day, sum(rows) AS rows, sum(rejects) AS rejects FROM hospital.batches
                                                       WHERE state = 'ingested' GROUP BY day) f),
    'targets', (SELECT jsonb_agg(jsonb_build_object('metric', t.metric, 'scope', t.scope, 'measured', coalesce(to_jsonb(t.measured), to_jsonb(''::text))))
                FROM hospital_targets_report() t))" > "$WORK/report.json"

# what the browser's test asks for meanwhile
cat > "$WORK/control" <<CONTROL
#!/bin/bash
source "$TOP/test/tools/lib/server.sh"
WORK=$WORK BINDIR=$BINDIR SOCKETS=$SOCKETS RUN_USER=$RUN_USER RUN_UID=$RUN_UID PORT=$PORT PAGE_PORT=$PAGE_PORT
cd "$WORK"
case \$1 in
    "page off") stop_page ;;
    "page on") start_page $DB viewer ;;
    "a day") psql_do -q -d $DB -c "CALL hospital_run(1)" ;;
esac
CONTROL
chmod 755 "$WORK/control"
[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
check "in the browser" env NODE_PATH="$NODE/node_modules" PAGE="$PAGE" EXPECTED_ALL="$WORK/all.json" EXPECTED_SOME="$WORK/some.json" \
    FILTER="2020-01-01 2020-01-31 GSU" SNAPSHOT="$WORK/home/snapshot.html" REPORT="$WORK/home/report.html" EXPECTED_REPORT="$WORK/report.json" \
    CONTROL="$WORK/control" CHROMIUM="$CHROMIUM" SHOTS="${SHOTS:-}" HOME="$WORK/home" timeout -k 10 300 node "$HERE/page.cjs"
exit $FAILED
