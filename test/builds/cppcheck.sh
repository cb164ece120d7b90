#!/bin/bash
# cppcheck.sh: static analysis of src/ by cppcheck.  It is told what it must know
# of the server by cppcheck.h; cppcheck.supp lists what it is wrong about, and why.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need cppcheck cppcheck
cd "$TOP"
cppcheck --version
# the reference data are one large table that a program has made
cppcheck --quiet --enable=warning,performance,portability --std=c99 --inline-suppr --error-exitcode=1 -j"${JOBS:-$(nproc)}" \
    --template='   {file}:{line}: {severity}: {message} [{id}]' --include=test/builds/cppcheck.h \
    --suppressions-list=test/builds/cppcheck.supp -i src/reference_data.c src
