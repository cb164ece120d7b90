#!/bin/sh
# secure.sh: certificates, users and listeners of kafka.sh's secure node.
#
#   secure.sh DIR CONTROLLER_PORT PORT...   prints lines of server.properties
#
# One node with every door through which a hospital may come:
#
#   PLAINTEXT  for the tools; whoever comes in here may do anything
#   SASL       passwords                   SASL_SSL  the same, encrypted
#   MTLS       certificates of both sides
#   OTHER_CA, EXPIRED, MISNAMED            SASL_SSL with a certificate that is
#                                          another authority's, too old, for another host
#
# Users are hospital and visitor, with the password in DIR/password, by
# SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN.  Nobody may do anything before it is
# granted.  Written: DIR/addresses (of each door), DIR/tls (see certificates),
# DIR/users (for formatting), DIR/jaas.conf.
set -eu

# Everything but the properties goes to a log.
certificates() {
	here=DNS:localhost,IP:127.0.0.1
	authority ca
	authority other-ca
	signed ca broker $here
	signed other-ca stranger $here
	signed ca expired $here -1
	signed ca misnamed DNS:elsewhere.example
	signed ca hospital DNS:hospital.example
	signed ca late DNS:hospital.example -1
	signed other-ca forged DNS:hospital.example
}

authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem"
}

# signed AUTHORITY NAME HOSTS [DAYS]: NAME.key, NAME.pem, and both for the broker
signed() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -keyout "$2.key" -out "$2.csr"
	echo "subjectAltName=$3" >"$2.ext"
	openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial \
		-days "${4:-30}" -extfile "$2.ext" -out "$2.pem"
	cat "$2.key" "$2.pem" >"$2.keystore.pem"
}

users() {
	password=$(openssl rand -hex 12)
	scram=org.apache.kafka.common.security.scram.ScramLoginModule
	plain=org.apache.kafka.common.security.plain.PlainLoginModule

	echo "$password" >"$1/password"
	for user in hospital visitor; do
		for mechanism in SCRAM-SHA-512 SCRAM-SHA-256; do
			echo "--add-scram $mechanism=[name=$user,password=$password]"
		done
	done >"$1/users"
	cat >"$1/jaas.conf" <<-EOF
		KafkaServer {
		  $scram required;
		  $plain required user_hospital="$password" user_visitor="$password";
		};
	EOF
}

dir=$1
controller=127.0.0.1:$2
shift 2
mkdir -p "$dir/tls"
(cd "$dir/tls" && certificates) >"$dir/tls/log" 2>&1
users "$dir"

listeners=
protocols=CONTROLLER:PLAINTEXT
for door in PLAINTEXT:PLAINTEXT SASL:SASL_PLAINTEXT SASL_SSL:SASL_SSL MTLS:SSL \
	OTHER_CA:SASL_SSL EXPIRED:SASL_SSL MISNAMED:SASL_SSL; do
	echo "${door%:*} 127.0.0.1:$1"
	listeners=$listeners${listeners:+,}${door%:*}://127.0.0.1:$1
	protocols=$protocols,$door
	shift
done >"$dir/addresses"

cat <<EOP
listeners=$listeners,CONTROLLER://$controller
advertised.listeners=$listeners
listener.security.protocol.map=$protocols
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
ssl.truststore.type=PEM
ssl.truststore.location=$dir/tls/ca.pem
ssl.keystore.type=PEM
ssl.keystore.location=$dir/tls/broker.keystore.pem
listener.name.mtls.ssl.client.auth=required
listener.name.other_ca.ssl.keystore.location=$dir/tls/stranger.keystore.pem
listener.name.expired.ssl.keystore.location=$dir/tls/expired.keystore.pem
listener.name.misnamed.ssl.keystore.location=$dir/tls/misnamed.keystore.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
EOP
