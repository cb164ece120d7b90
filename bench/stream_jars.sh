#!/bin/sh
# stream_jars.sh: the Java programs that the stream is measured against, from
# Maven Central, fetched once into the folder in which test/kafka/kafka.sh keeps
# Kafka's jars.
#
#   stream_jars.sh connect    Kafka Connect: the folder of its jars
#   stream_jars.sh debezium   Debezium's JDBC sink: the plugin's folder
#   stream_jars.sh capture    Debezium's connector for PostgreSQL: the plugin's folder
#   stream_jars.sh flink      Flink with its Kafka and JDBC connectors
#
# Prints the folder.  Exit status 77, with the reason on stderr: no Java, no
# Maven, or the jars cannot be had here.
set -eu

CACHE=${HOSPITAL_TEST_CACHE:-${HOME:-/tmp}/.cache/hospital-test}
CONNECT=4.3.1
DEBEZIUM=3.6.0.Final
CAPTURE=3.7.0.Final
FLINK=1.20.3
PGJDBC=42.7.7

unavailable() {
	echo "$1" >&2
	exit 77
}

# fetch FOLDER MAVEN-ARGUMENTS...: in the folder FETCH, to become FOLDER when
# all is there, so that a half-fetched one is never taken for whole.
fetch() {
	folder=$1
	shift
	if ! (cd "$FETCH" && mvn -q -B -Dmaven.repo.local="$CACHE/m2" "$@") >"$FETCH/log" 2>&1; then
		tail -3 "$FETCH/log" >&2
		rm -rf "$FETCH"
		unavailable "$(basename "$folder") could not be fetched from Maven Central"
	fi
}

# plugin NAME VERSION: an archive of Debezium's, unpacked.
plugin() {
	folder=$CACHE/debezium-$1-$2
	if [ ! -d "$folder" ]; then
		prepare
		mkdir "$FETCH/lib"
		fetch "$folder" dependency:copy -DoutputDirectory="$FETCH" \
			-Dartifact=io.debezium:debezium-connector-$1:$2:tar.gz:plugin
		tar -C "$FETCH/lib" -xzf "$FETCH"/debezium-connector-$1-*.tar.gz
		keep "$folder"
	fi
	echo "$folder"
}

keep() {
	mv -T "$FETCH/lib" "$1" 2>/dev/null || [ -d "$1" ]
	rm -rf "$FETCH"
}

prepare() {
	command -v java >/dev/null || unavailable "no java"
	command -v mvn >/dev/null || unavailable "no mvn to fetch jars with"
	mkdir -p "$CACHE" || unavailable "cannot write to $CACHE"
	FETCH=$(mktemp -d "$CACHE/fetch.XXXXXX")
}

# dependencies FOLDER GROUP:ARTIFACT:VERSION...
dependencies() {
	folder=$1
	shift
	[ ! -d "$folder" ] || return 0
	prepare
	{
		echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
		echo '<groupId>hospital</groupId><artifactId>bench</artifactId><version>1</version><dependencies>'
		for d in "$@"; do
			echo "$d" | sed 's|\(.*\):\(.*\):\(.*\)|<dependency><groupId>\1</groupId><artifactId>\2</artifactId><version>\3</version></dependency>|'
		done
		echo '</dependencies></project>'
	} >"$FETCH/pom.xml"
	fetch "$folder" dependency:copy-dependencies -DoutputDirectory="$FETCH/lib"
	keep "$folder"
}

case ${1:-} in
connect)
	dependencies "$CACHE/connect-$CONNECT" org.apache.kafka:kafka_2.13:$CONNECT \
		org.apache.kafka:kafka-tools:$CONNECT org.apache.logging.log4j:log4j-slf4j-impl:2.25.4
	echo "$CACHE/connect-$CONNECT"
	;;
debezium) plugin jdbc $DEBEZIUM ;;
capture) plugin postgres $CAPTURE ;;
flink)
	dependencies "$CACHE/flink-$FLINK" org.apache.flink:flink-clients:$FLINK \
		org.apache.flink:flink-table-api-java-bridge:$FLINK org.apache.flink:flink-table-planner-loader:$FLINK \
		org.apache.flink:flink-table-runtime:$FLINK org.apache.flink:flink-json:$FLINK \
		org.apache.flink:flink-connector-base:$FLINK org.apache.flink:flink-connector-kafka:3.4.0-1.20 \
		org.apache.flink:flink-connector-jdbc:3.3.0-1.20 org.postgresql:postgresql:$PGJDBC
	echo "$CACHE/flink-$FLINK"
	;;
*)
	sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
