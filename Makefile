# hospital: build, install, try out, test, measure.
#
# "make demo", "make test", "make bench" and "make clean-demo" are shell
# scripts that need nothing but make and git: they install what is missing.
# Everything else is PGXS and needs PostgreSQL's server headers; say which
# installation by PG_CONFIG=/path/to/pg_config.

# The control file is the only place that says the version.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" hospital.control)

EXTENSION = hospital
DATA = $(wildcard hospital--*.sql)
MODULE_big = hospital
PGFILEDESC = "hospital - a living public hospital inside PostgreSQL"

# librdkafka starts threads and is no business of the postmaster or of ordinary
# sessions, so what uses it is a library of its own, loaded by the workers
# that need it.  hospital.so is always there first: it finds its symbols.
KAFKA_LIBRARY = hospital_kafka
KAFKA_OBJS = $(patsubst %.c,%.o,$(wildcard $(addprefix src/, \
	hospital_kafka.c kafka*.c producer*.c consumer*.c broker.c)))
OBJS = $(filter-out $(KAFKA_OBJS) src/reference_data.o,$(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))) \
	src/reference_data.o

SHLIB_LINK = -lcsv

# gzip and zstd for what is exported, where their headers are.
has_header = $(shell printf '\043include <%s>\n' $(1) | $(CC) -x c -E - >/dev/null 2>&1 && echo yes)
ifeq ($(call has_header,zlib.h),yes)
COMPRESSIONS += -DHOSPITAL_ZLIB
SHLIB_LINK += -lz
endif
ifeq ($(call has_header,zstd.h),yes)
COMPRESSIONS += -DHOSPITAL_ZSTD
SHLIB_LINK += -lzstd
endif

# Servers load libraries with RTLD_GLOBAL: bind our own names to ourselves, so
# that another extension's function of the same name is never called instead.
# The compiler may rely on that, and inline them.
PG_LDFLAGS = -Wl,-Bsymbolic

# "make WERROR=" for a compiler newer than ours.  What is left out of -Wextra
# the server's own headers and idioms (array.h, lengthof) do not keep to.
WERROR = -Werror
WARNINGS = -Wall -Wextra $(WERROR) -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare
ifneq (,$(findstring clang,$(shell $(CC) --version 2>/dev/null)))
# The flags that PGXS brings were chosen for gcc.
WARNINGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes
endif

PG_CPPFLAGS = -DHOSPITAL_VERSION='"$(EXTVERSION)"' $(COMPRESSIONS)
PG_CFLAGS = $(WARNINGS) -fno-semantic-interposition

# The test that makes the extension goes first; each of the others stands alone.
REGRESS = $(filter extension,$(basename $(notdir $(wildcard sql/*.sql)))) \
	$(filter-out extension,$(basename $(notdir $(sort $(wildcard sql/*.sql)))))
TAP_TESTS = 1
PROVE_TESTS = $(sort $(wildcard test/t/*.pl))

EXTRA_CLEAN = src/reference_data.c src/reference_data.c.tmp $(KAFKA_OBJS) $(KAFKA_LIBRARY)$(DLSUFFIX)

# No bitcode: it would need clang, and these functions gain nothing by inlining.
ifneq ($(origin with_llvm),command line)
override with_llvm = no
endif

.PHONY: help demo demo-stop clean-demo test test-quick test-containers test-tools faults soak load bench bench-run bench-stream bench-idle bench-marts brief clean-test bench-export report fuzz test-builds

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifneq (,$(and $(PGXS),$(wildcard $(PGXS))))
include $(PGXS)

all: $(KAFKA_LIBRARY)$(DLSUFFIX)

$(KAFKA_LIBRARY)$(DLSUFFIX): $(KAFKA_OBJS)
	$(LINK.shared) -o $@ $(KAFKA_OBJS) $(LDFLAGS) $(LDFLAGS_SL) -lrdkafka

install: install-kafka
install-kafka: all installdirs
	$(INSTALL_SHLIB) $(KAFKA_LIBRARY)$(DLSUFFIX) '$(DESTDIR)$(pkglibdir)/$(KAFKA_LIBRARY)$(DLSUFFIX)'
uninstall: uninstall-kafka
uninstall-kafka:
	rm -f '$(DESTDIR)$(pkglibdir)/$(KAFKA_LIBRARY)$(DLSUFFIX)'
.PHONY: install-kafka uninstall-kafka

# The reference data: data/*.csv is the source, the C file is made from it.
# The folder too: a file may be renamed and keep its time.
src/reference_data.c: data/compile.pl data $(wildcard data/*.csv)
	perl data/compile.pl data > $@.tmp
	mv $@.tmp $@

# Small enough that a changed header or version rebuilds everything.
$(OBJS) $(KAFKA_OBJS): $(wildcard src/*.h) Makefile hospital.control

else
all install uninstall installcheck clean:
	@echo "PostgreSQL's server headers were not found (asked: $(PG_CONFIG) --pgxs)." >&2
	@echo "Debian and Ubuntu: apt-get install postgresql-server-dev-all; elsewhere say PG_CONFIG=/path/to/pg_config." >&2
	@echo "\"make demo\" and \"make test\" install what they need by themselves." >&2
	@exit 1
.PHONY: all install uninstall installcheck clean
endif

help:
	@echo "make              build (PG_CONFIG=... chooses the server, CC=clang the compiler)"
	@echo "make install      install into that server"
	@echo "make demo         install what is needed, make a private cluster with a hospital in it,"
	@echo "                  show it (NUM_PEOPLE=100000 for a small one; 5000000 by default;"
	@echo "                  KAFKA=real with an Apache Kafka of its own, else one that is built in),"
	@echo "                  and serve its dashboards on this machine (PAGE_PORT=8090, or the next that is free)"
	@echo "make report       the demo's validation report, one HTML file (REPORT=report.html)"
	@echo "make demo-stop    stop the demo's cluster; make demo starts it again"
	@echo "make clean-demo   stop it and remove everything that make demo made"
	@echo "make test         install what is needed, build, run all tests in clusters of their own (TESTS=test/t/...)"
	@echo "make test-quick   the same without the long ones"
	@echo "make test-containers  the same for docker-compose.yml: up, a day, pgAdmin in a browser, down, up again"
	@echo "                  (needs a Docker engine; without one it says so)"
	@echo "make test-tools   the tests that fetch what they need: a browser's driver, Python packages and others"
	@echo "                  (TESTS='page grafana' chooses; what cannot be fetched is skipped)"
	@echo "make test-builds  the library under sanitizers, valgrind, assertions, static analysis and other PostgreSQLs"
	@echo "                  (BUILDS='asan pg18' chooses; the first run compiles a server; half an hour and more)"
	@echo "make faults       break the stream by each fault of the matrix in docs/reliability.md, again and again, and check it"
	@echo "                  (RUNS=5, FAULTS='1 2', LONG=1)"
	@echo "make soak         the same at random, for an hour (SOAK_SECONDS=3600, HOSPITAL_TEST_SEED=... repeats one)"
	@echo "make load         a thousand times the pace of life until the end date: what grows, what others notice"
	@echo "                  (LOAD_DAYS=1455, BEDS=200, PAIRS=5)"
	@echo "make fuzz         files, messages, settings and arguments that nobody would think of (FUZZ_SECONDS=60 for each;"
	@echo "                  FUZZ='csv json' chooses among csv, json, hl7, message, config, name; HOSPITAL_TEST_SEED=... repeats one)"
	@echo "make clean-test   remove what make test and make bench made"
	@echo "make bench        measure against COPY and others (NUM=..., RUNS=..., ROWS='1 7', DAYS=...)"
	@echo "make bench-run    the same for 1455 hospital days alone: some minutes, 25 GB of disk"
	@echo "make bench-stream the stream against other ways from Kafka into PostgreSQL, by an Apache Kafka"
	@echo "                  (NUM_EVENTS=1000000, RUNS=..., ROWS='13 18', CONSUMERS=2; LONG=yes: ten minutes without a broker)"
	@echo "make bench-marts  what hospital_mart costs and gives (NUM=..., DAYS=..., PARTS='a b')"
	@echo "make bench-idle   wake-ups, CPU and WAL of a hospital at rest, fast shutdown, DROP DATABASE (IDLE_S=60, ROWS='24 28')"
	@echo "make bench-export a table to JSON Lines against COPY (EXPORT_MB=2000, RUNS=3)"
	@echo "make brief        make docs/project_brief.pdf from the documents (a venv in .brief/ with WeasyPrint)"
	@echo "make installcheck the regression tests against a running server of your own"

demo:
	@NUM_PEOPLE='$(NUM_PEOPLE)' KAFKA='$(KAFKA)' PAGE_PORT='$(PAGE_PORT)' bash demo/run.sh start
demo-stop:
	@bash demo/run.sh stop
clean-demo:
	@bash demo/run.sh clean
report:
	@REPORT='$(REPORT)' bash demo/run.sh report
test:
	@bash test/run.sh
test-quick:
	@bash test/run.sh quick
test-containers:
	@bash test/containers.sh
test-tools:
	@TESTS='$(TESTS)' bash test/tools.sh
test-builds:
	@BUILDS='$(BUILDS)' bash test/builds.sh
faults:
	@RUNS='$(RUNS)' FAULTS='$(FAULTS)' HOSPITAL_FAULT_LONG='$(LONG)' bash test/run.sh faults
soak:
	@SOAK_SECONDS='$(SOAK_SECONDS)' bash test/run.sh soak
load:
	@LOAD_DAYS='$(LOAD_DAYS)' BEDS='$(BEDS)' PEOPLE='$(PEOPLE)' PAIRS='$(PAIRS)' bash test/load.sh
fuzz:
	@FUZZ='$(FUZZ)' FUZZ_SECONDS='$(FUZZ_SECONDS)' bash test/run.sh fuzz
clean-test:
	@bash test/run.sh clean
bench:
	@NUM='$(NUM)' RUNS='$(RUNS)' ROWS='$(ROWS)' DAYS='$(DAYS)' bash bench/run.sh
bench-run:
	@NUM='$(NUM)' ROWS='9 10 11' DAYS=1455 bash bench/run.sh
bench-stream:
	@RUNS='$(RUNS)' ROWS='$(or $(ROWS),13 14 15 16 17 18 19 20 21 22 23)' NUM_EVENTS='$(NUM_EVENTS)' \
		CONSUMERS='$(CONSUMERS)' OUTAGE_S='$(or $(OUTAGE_S),$(if $(LONG),600,))' bash bench/run.sh
bench-marts:
	@NUM='$(NUM)' DAYS='$(DAYS)' PARTS='$(PARTS)' bash bench/marts.sh
bench-idle:
	@IDLE_S='$(IDLE_S)' RUNS='$(RUNS)' ROWS='$(or $(ROWS),24 25 26 27 28)' bash bench/run.sh
bench-export:
	@EXPORT_MB='$(EXPORT_MB)' RUNS='$(or $(RUNS),3)' ROWS='$(or $(ROWS),40 41)' bash bench/run.sh
brief:
	@bash docs/brief/make.sh
