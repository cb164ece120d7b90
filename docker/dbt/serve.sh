#!/bin/sh
# serve.sh: make dbt's documentation of the database as it is now, in one page, and serve it.
set -eu
mkdir -p /tmp/docs
until dbt docs generate --static --profiles-dir /dbt; do
    echo "the database is not ready, once more in 10 s"
    sleep 10
done
cp target/static_index.html /tmp/docs/index.html
exec python3 -m http.server 8080 --directory /tmp/docs
