#!/bin/sh
# kafka.sh: a real Apache Kafka for the tests, one node on loopback.
#
#   kafka.sh jars [KIND]       fetch the jars once, print the folder they are in
#   kafka.sh start DIR [KIND]  start the node of DIR (made when new), print its address
#   kafka.sh stop DIR          ask it to end, and wait
#   kafka.sh kill DIR          kill -9, and wait
#   kafka.sh tool DIR CLASS ARGS...   run one of Kafka's tools
#
# Kinds: plain, the default, and secure (see secure.sh), both 3.9.2 with KRaft;
# zookeeper (3.9.2); next (4.3.1).
#
# Exit status 77, with the reason on stderr: Java, Maven or the jars cannot be
# had here.  Needs nothing but these (openssl for secure); the jars come from
# Maven Central.
set -eu

CACHE=${HOSPITAL_TEST_CACHE:-${HOME:-/tmp}/.cache/hospital-test}
HERE=$(dirname "$0")

unavailable() {
	echo "$1" >&2
	exit 77
}

# What a kind of node is made of.
choose() {
	KIND=$1
	VERSION=3.9.2
	LOG4J=
	case $KIND in
	plain | zookeeper) ;;
	secure) command -v openssl >/dev/null || unavailable "no openssl" ;;
	next)
		VERSION=4.3.1
		LOG4J="<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>"
		;;
	*)
		echo "no such kind of node: $KIND" >&2
		exit 2
		;;
	esac
	LIB=$CACHE/kafka-$VERSION
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
		    $LOG4J
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

# run_java DIR ARGS...; 3.9 logs by log4j, 4 by log4j 2, each to stdout.
run_java() {
	dir=$1
	shift
	exec java -Xmx256m -XX:+UseSerialGC -Dlog4j.configuration="file:$dir/log4j.properties" \
		-Dlog4j2.configurationFile="$dir/log4j2.properties" \
		-Djava.security.auth.login.config="$dir/jaas.conf" -cp "$LIB/*" "$@"
}

free_ports() {
	perl -MIO::Socket::INET -e '
		my @s = map { IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") } 1 .. shift;
		print join(" ", map { $_->sockport } @s), "\n"' "$1"
}

write_logging() {
	cat >"$1/log4j.properties" <<-EOF
		log4j.rootLogger=INFO, stdout
		log4j.appender.stdout=org.apache.log4j.ConsoleAppender
		log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
		log4j.appender.stdout.layout.ConversionPattern=%d %p %m (%c)%n
	EOF
	cat >"$1/log4j2.properties" <<-EOF
		rootLogger=INFO, stdout
		appender.stdout.type=Console
		appender.stdout.name=stdout
		appender.stdout.layout.type=PatternLayout
		appender.stdout.layout.pattern=%d %p %m (%c)%n
	EOF
}

# Who decides: DIR CONTROLLER_PORT
write_quorum() {
	if [ "$KIND" = zookeeper ]; then
		printf '%s\n' "dataDir=$1/zookeeper" "clientPort=$2" "clientPortAddress=127.0.0.1" \
			"admin.enableServer=false" >"$1/zoo.cfg"
		echo "broker.id=1"
		echo "zookeeper.connect=127.0.0.1:$2"
		return
	fi
	cat <<-EOF
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$2
		controller.listener.names=CONTROLLER
	EOF
}

# Where clients come in: DIR CONTROLLER_PORT BROKER_PORT...
write_listeners() {
	controller=",CONTROLLER://127.0.0.1:$2"
	[ "$KIND" = zookeeper ] && controller=
	if [ "$KIND" = secure ]; then
		"$HERE/secure.sh" "$@"
		return
	fi
	echo "PLAINTEXT 127.0.0.1:$3" >"$1/addresses"
	echo "listeners=PLAINTEXT://127.0.0.1:$3$controller"
	echo "advertised.listeners=PLAINTEXT://127.0.0.1:$3"
}

create() {
	mkdir -p "$1"
	echo "$KIND" >"$1/kind"
	: >"$1/jaas.conf"
	write_logging "$1"
	ports=$(free_ports 8)
	cat >"$1/new.properties" <<-EOF
		$(write_quorum "$1" $ports)
		$(write_listeners "$1" $ports)
		log.dirs=$1/data
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=1
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=1
		group.initial.rebalance.delay.ms=0
		auto.create.topics.enable=false
	EOF
	if [ "$KIND" != zookeeper ]; then
		(run_java "$1" kafka.tools.StorageTool format -t aG9zcGl0YWwtdGVzdC0xMQ \
			-c "$1/new.properties" $(cat "$1/users" 2>/dev/null)) >"$1/format.log" 2>&1 ||
			{ tail -5 "$1/format.log" >&2; exit 1; }
	fi
	mv "$1/new.properties" "$1/server.properties"
}

running() {
	[ -f "$1.pid" ] && kill -0 "$(cat "$1.pid")" 2>/dev/null
}

# spawn DIR NAME READY ARGS...: until its log says READY
spawn() {
	process=$1/$2
	ready=$3
	dir=$1
	shift 3
	setsid "$0" tool "$dir" "$@" >"$process.log" 2>&1 </dev/null &
	echo $! >"$process.pid"
	tries=0
	until grep -q "$ready" "$process.log"; do
		tries=$((tries + 1))
		if ! running "$process" || [ $tries -gt 600 ]; then
			tail -5 "$process.log" >&2
			exit 1
		fi
		sleep 0.1
	done
}

start() {
	choose "${2:-$(cat "$1/kind" 2>/dev/null || echo plain)}"
	jars
	[ -f "$1/server.properties" ] || create "$1"
	if [ "$KIND" = zookeeper ] && ! running "$1/zookeeper"; then
		spawn "$1" zookeeper 'binding to port' org.apache.zookeeper.server.quorum.QuorumPeerMain "$1/zoo.cfg"
	fi
	spawn "$1" broker 'Kafka Server started\|KafkaServer id=1\] started' kafka.Kafka "$1/server.properties"
	sed -n 's/^PLAINTEXT //p' "$1/addresses"
}

# end PROCESS SIGNAL
# The last broker of several may wait five minutes for the controllers that were
# ended before it, with its connections open and no answer on them.
end() {
	local waited=0
	running "$1" || return 0
	kill -s "$2" "$(cat "$1.pid")"
	while running "$1"; do
		[ $((waited += 1)) != 300 ] || kill -s KILL "$(cat "$1.pid")" 2>/dev/null
		sleep 0.1
	done
	rm -f "$1.pid"
}

end_node() {
	end "$1/broker" "$2"
	end "$1/zookeeper" "$2"
}

case ${1:-} in
jars)
	choose "${2:-plain}"
	jars
	echo "$LIB"
	;;
start) start "$2" "${3:-}" ;;
stop) end_node "$2" TERM ;;
kill) end_node "$2" KILL ;;
tool)
	dir=$2
	shift 2
	choose "$(cat "$dir/kind")"
	run_java "$dir" "$@"
	;;
*)
	sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
