# each.sh: the scripts of a folder, one after the other, and in the end a line for
# each.  To be sourced by bash, in that folder.
#
# A script that ends with 77 could not have what it needs, and has said so.

# run_each SECONDS ARGUMENT NAME...: the scripts NAME.sh, with ARGUMENT unless it is
# empty, each for so long at most.  1: one failed; 77: all were skipped.
run_each() {
    local limit=$1 argument=$2 name began rc word failed=0 ran=0 results=()
    shift 2
    for name; do
        [ -e "$name.sh" ] || { echo "there is no \"$name\" in $PWD" >&2; return 1; }
    done
    for name; do
        printf '\n== %s\n' "$name"
        began=$SECONDS rc=0
        timeout -k 60 "$limit" bash "$name.sh" ${argument:+"$argument"} || rc=$?
        case $rc in
            0) word=ok ran=1 ;;
            77) word=skipped ;;
            *) word=FAILED ran=1 failed=1 ;;
        esac
        results+=("$(printf '%-8s %5d s  %s' "$word" $((SECONDS - began)) "$name")")
    done
    printf '\n'
    printf '%s\n' "${results[@]}"
    [ $ran = 1 ] || return 77
    return $failed
}
