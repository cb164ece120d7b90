#!/bin/sh
# kafka.sh: a real Apache Kafka for the tests, one KRaft node on loopback.
#
#   kafka.sh jars          fetch the jars once, print the folder they are in
#   kafka.sh start DIR     start the node of DIR (made when new), print its address
#   kafka.sh stop DIR      ask it to end, and wait
#   kafka.sh kill DIR      kill -9, and wait
#   kafka.sh tool DIR CLASS ARGS...   run one of Kafka's tools
#
# Exit status 77, with the reason on stderr: Java, Maven or the jars cannot be
# had here.  Needs nothing but these; the jars come from Maven Central.
set -eu

VERSION=3.9.2
CACHE=${HOSPITAL_TEST_CACHE:-${HOME:-/tmp}/.cache/hospital-test}
LIB=$CACHE/kafka-$VERSION

unavailable() {
	echo "$1" >&2
	exit 77
}

# Into a folder of its own first: a half-fetched one is never taken for whole.
jars() {
	command -v java >/dev/null || unavailable "no java"
	[ -d "$LIB" ] && return
	command -v mvn >/dev/null || unavailable "no mvn to fetch Kafka's jars with"
	mkdir -p "$CACHE" || unavailable "cannot write to $CACHE"
	fetch=$(mktemp -d "$CACHE/fetch.XXXXXX")
	cat >"$fetch/pom.xml" <<-EOF
		<project xmlns="http://maven.apache.org/POM/4.0.0">
		  <modelVersion>4.0.0</modelVersion>
		  <groupId>hospital</groupId><artifactId>test-kafka</artifactId><version>1</version>
		  <dependencies>
		    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
		    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$VERSION</version></dependency>
		  </dependencies>
		</project>
	EOF
	if ! (cd "$fetch" && mvn -q -B -Dmaven.repo.local="$CACHE/m2" \
		dependency:copy-dependencies -DoutputDirectory="$fetch/lib") >"$fetch/log" 2>&1; then
		tail -3 "$fetch/log" >&2
		rm -rf "$fetch"
		unavailable "Kafka's jars could not be fetched from Maven Central"
	fi
	mv -T "$fetch/lib" "$LIB" 2>/dev/null || [ -d "$LIB" ]
	rm -rf "$fetch"
}

free_ports() {
	perl -MIO::Socket::INET -e '
		my @s = map { IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") } 1 .. 2;
		print join(" ", map { $_->sockport } @s), "\n"'
}

create() {
	mkdir -p "$1"
	set -- "$1" $(free_ports)
	cat >"$1/log4j.properties" <<-EOF
		log4j.rootLogger=INFO, stdout
		log4j.appender.stdout=org.apache.log4j.ConsoleAppender
		log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
		log4j.appender.stdout.layout.ConversionPattern=%d %p %m (%c)%n
	EOF
	cat >"$1/server.properties" <<-EOF
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$3
		listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
		advertised.listeners=PLAINTEXT://127.0.0.1:$2
		controller.listener.names=CONTROLLER
		log.dirs=$1/data
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=1
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=1
		group.initial.rebalance.delay.ms=0
		auto.create.topics.enable=false
	EOF
	echo "127.0.0.1:$2" >"$1/address"
	java -Dlog4j.configuration="file:$1/log4j.properties" -cp "$LIB/*" kafka.tools.StorageTool format \
		-t aG9zcGl0YWwtdGVzdC0xMQ -c "$1/server.properties" >"$1/format.log" 2>&1
}

running() {
	[ -f "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2>/dev/null
}

start() {
	jars
	[ -f "$1/server.properties" ] || create "$1"
	: >"$1/log"
	setsid java -Xmx256m -XX:+UseSerialGC -Dlog4j.configuration="file:$1/log4j.properties" \
		-cp "$LIB/*" kafka.Kafka "$1/server.properties" >"$1/log" 2>&1 </dev/null &
	echo $! >"$1/pid"
	tries=0
	until grep -q 'Kafka Server started' "$1/log"; do
		tries=$((tries + 1))
		if ! running "$1" || [ $tries -gt 600 ]; then
			tail -5 "$1/log" >&2
			exit 1
		fi
		sleep 0.1
	done
	cat "$1/address"
}

# end DIR SIGNAL
end() {
	running "$1" || return 0
	kill -s "$2" "$(cat "$1/pid")"
	while running "$1"; do sleep 0.1; done
	rm -f "$1/pid"
}

case ${1:-} in
jars) jars && echo "$LIB" ;;
start) start "$2" ;;
stop) end "$2" TERM ;;
kill) end "$2" KILL ;;
tool)
	dir=$2
	shift 2
	exec java -Dlog4j.configuration="file:$dir/log4j.properties" -cp "$LIB/*" "$@"
	;;
*)
	sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
