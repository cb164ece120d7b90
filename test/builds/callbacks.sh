# callbacks.sh: what of ours librdkafka's threads may run: one function, and what
# that uses, which touches nothing that could change.  To be sourced, where what
# gcc has compiled is in $WORK/build; threads.sh says why.

# How the library names what it is given to call, in its own threads or in ours.
CALLS='_cb$|_cb_|interceptor|background|partitioner'
MAY_REGISTER="rd_kafka_conf_set_ssl_cert_verify_cb"
CALLBACK=explain_certificate
MAY_USE="kafka_certificate_verdict strlcpy"

registers_one_callback() {
    local found
    found=$(nm -D --undefined-only "$WORK/build/hospital_kafka.so" | awk '{ sub("@.*", "", $2); print $2 }' | grep '^rd_kafka' |
        grep -E "$CALLS" | sort | xargs)
    say "   callbacks that are registered: $found"
    [ "$found" = "$MAY_REGISTER" ]
}

# uses_of FUNCTION OBJECT: what its code refers to: functions, and sections of data.
uses_of() {
    objdump -dr --no-show-raw-insn "$2" | awk -v "begin=<$1>:" '
        /^[0-9a-f]+ </ { inside = $2 == begin }
        inside && $2 ~ /^R_/ { sub(/[-+]0x.*/, "", $3); print $3 }' | sort -u
}

# Functions from the list, and of data what is read-only, once relocated.
callback_touches_nothing() {
    local name uses
    uses=$(uses_of $CALLBACK "$WORK/build/src/kafka.o"; uses_of kafka_certificate_verdict "$WORK/build/src/kafka_trouble.o")
    say "   $CALLBACK uses: $(xargs <<<"$uses")"
    grep -q -x kafka_certificate_verdict <<<"$uses" || { say "   $CALLBACK is not found in kafka.o"; return 1; }
    for name in $uses; do
        [[ " $MAY_USE " = *" $name "* || $name = .LC* || $name = .rodata* || $name = .data.rel.ro* ]] || { say "   it must not use $name"; return 1; }
    done
}
