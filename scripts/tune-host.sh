#!/usr/bin/env bash
# Shows how this host differs from one that is tuned for low latency, and why each setting matters.
#
#   scripts/tune-host.sh --check      table of settings: now, wanted, why (no root needed; the default)
#   scripts/tune-host.sh --help
set -euo pipefail

usage() {
    sed -n '2,6s/^# \{0,1\}//p' "$0"
}

first_line() {
    local line=""
    if [ -r "$1" ]; then IFS= read -r line <"$1" || true; fi
    printf '%s' "${line:-n/a}"
}

row() { # name, now, wanted, why
    local mark=" "
    if [ "$2" != "n/a" ] && [ "$2" != "$3" ]; then mark="!"; fi
    printf '%s %-24s %-24s %-16s %s\n' "$mark" "$1" "$2" "$3" "$4"
}

check() {
    printf '  %-24s %-24s %-16s %s\n' "setting" "now" "wanted" "why"
    row "cpu governor" "$(first_line /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor)" performance \
        "a slow clock after every idle moment"
    row "hyper-threads" "$(first_line /sys/devices/system/cpu/smt/active)" 0 "a sibling takes cache and issue slots"
    local isolated
    isolated="$(first_line /sys/devices/system/cpu/isolated)"
    row "isolated cpus" "$isolated" "${ISOLATED_WANTED:-$isolated}" "isolcpus=: nothing else runs beside the hot thread"
    local thp
    thp="$(first_line /sys/kernel/mm/transparent_hugepage/enabled)"
    thp="${thp##*[}"
    row "transparent huge pages" "${thp%%]*}" madvise "fewer TLB misses where asked, no stalls elsewhere"
    row "numa balancing" "$(first_line /proc/sys/kernel/numa_balancing)" 0 "pages move under the hot thread"
    row "swappiness" "$(first_line /proc/sys/vm/swappiness)" 0 "a page of the book on disk is milliseconds"
    row "rt runtime" "$(first_line /proc/sys/kernel/sched_rt_runtime_us)" -1 "SCHED_FIFO is stopped 50 ms in every second"
    row "busy poll" "$(first_line /proc/sys/net/core/busy_poll)" 50 "the socket is read without an interrupt"
    row "open files" "$(ulimit -n)" "$(ulimit -Hn)" "one per connection"
}

case "${1:---check}" in
    --check) check ;;
    --help | -h) usage ;;
    *)
        usage >&2
        exit 2
        ;;
esac
