#!/usr/bin/env bash
# Shows how this host differs from one that is tuned for low latency, why each setting matters and how much; changes what can
# be changed while it runs, and takes exactly that back.
#
#   scripts/tune-host.sh --check      table of settings: now, wanted, how much it matters, why (no root needed; the default)
#   scripts/tune-host.sh --dry-run    what --apply would change
#   scripts/tune-host.sh --apply      change it (root); all or nothing
#   scripts/tune-host.sh --revert     take back what --apply changed (root)
#   scripts/tune-host.sh --steps      names of the settings, and whether each differs
#   scripts/tune-host.sh --help
#
# --dry-run and --apply take the name of one setting, and leave all others alone (hft bench tuning does that).
#
# The hot cpus are those of isolcpus=, or HOT_CPUS=2-4 in the environment. Kernel parameters are only printed: the boot
# loader is never touched.
set -euo pipefail

# Pages of 2 MiB that are set aside for the tables of two cores.
HUGE_PAGES="${HUGE_PAGES:-128}"

# For tests: a folder that stands for /.
ROOT="${TUNE_ROOT:-}"
STATE="$ROOT/var/lib/hft/tune-host.saved"
ACTION="${1:---check}"
# One setting alone; empty = all of them.
ONLY="${2:-}"
KNOWN=""
# Lines of "path<TAB>wanted", in the order in which they are written.
CHANGES=""
# Rows of the table that differ, and those of them that matter most.
DIFFER=0
DIFFER_HIGH=0

usage() { sed -n '2,16s/^# \{0,1\}//p' "$0"; }

first_line() { # path below the root; "n/a" where it is not there, or cannot be read: some files of the kernel only look so
    local line=""
    if [ -r "$ROOT$1" ]; then { IFS= read -r line <"$ROOT$1"; } 2>/dev/null || true; fi
    printf '%s' "${line:-n/a}"
}

# Equal, or the same mask with other leading zeros: the kernel writes as many digits as it has cpus.
same() {
    local a=$1 b=$2
    if [ "$a" = "$b" ]; then return 0; fi
    case "$a$b" in *[!0-9a-f,]*) return 1 ;; esac
    while [ "${a#[0,]}" != "$a" ]; do a="${a#[0,]}"; done
    while [ "${b#[0,]}" != "$b" ]; do b="${b#[0,]}"; done
    [ "$a" = "$b" ]
}

# The chosen word of a file like "always [madvise] never"; the whole line of others.
chosen() {
    local line
    line="$(first_line "$1")"
    case "$line" in
        *\[*\]*)
            line="${line##*\[}"
            printf '%s' "${line%%\]*}"
            ;;
        *) printf '%s' "$line" ;;
    esac
}

cpu_numbers() { # "0-2,5" -> "0 1 2 5"
    local part number
    for part in ${1//,/ }; do
        case "$part" in
            *-*) for ((number = ${part%-*}; number <= ${part#*-}; number++)); do printf '%s ' "$number"; done ;;
            *[!0-9]* | "") ;;
            *) printf '%s ' "$part" ;;
        esac
    done
}

cpu_mask() { # numbers -> the hexadecimal mask of the kernel, in words of 32 bits
    local number words=() word top=0 out=""
    for number in "$@"; do
        word=$((number / 32))
        if [ "$word" -gt "$top" ]; then top=$word; fi
        words[word]=$((${words[word]:-0} | 1 << (number % 32)))
    done
    for ((word = top; word >= 0; word--)); do
        out="$out$(printf '%08x' "${words[word]:-0}")"
        if [ "$word" -gt 0 ]; then out="$out,"; fi
    done
    printf '%s' "$out"
}

row() { # name, now, wanted, how much it matters, why
    local mark=" "
    if [ "$2" != "n/a" ] && ! same "$2" "$3"; then
        mark="!"
        DIFFER=$((DIFFER + 1))
        if [ "$4" = "high" ]; then DIFFER_HIGH=$((DIFFER_HIGH + 1)); fi
    fi
    printf '%s %-26s %-18s %-18s %-6s %s\n' "$mark" "$1" "$2" "$3" "$4" "$5"
}

# True for a setting that nobody asked for.
skipped() {
    if [ "$1" = "$ONLY" ]; then KNOWN=yes; fi
    [ -n "$ONLY" ] && [ "$1" != "$ONLY" ]
}

# Walks through all settings, or the one asked for.
walk_asked() {
    walk
    if [ -n "$ONLY" ] && [ -z "$KNOWN" ]; then
        printf 'no setting "%s" here; --steps names them\n' "$ONLY" >&2
        exit 2
    fi
}

step() { # name, now, wanted
    if [ "$2" = "n/a" ]; then
        printf '%s\tnot here\n' "$1"
    elif same "$2" "$3"; then
        printf '%s\tas wanted\n' "$1"
    else
        printf '%s\tdiffers\n' "$1"
    fi
}

# A setting in a file: told by --check, and changed by --apply where it differs.
setting() { # name, path, wanted, how much, why
    local now
    if skipped "$1"; then return; fi
    now="$(chosen "$2")"
    case "$now" in
        # A cpu without hyper-threads.
        notsupported | notimplemented | forceoff) now="n/a" ;;
    esac
    if [ "$ACTION" = "--check" ]; then
        row "$1" "$now" "$3" "$4" "$5"
    elif [ "$ACTION" = "--steps" ]; then
        step "$1" "$now" "$3"
    elif [ "$now" != "n/a" ] && ! same "$now" "$3"; then
        CHANGES="$CHANGES$2	$3"$'\n'
    fi
}

# The same of many files, told in one line.
settings() { # name, wanted, how much, why, paths...
    local name=$1 wanted=$2 much=$3 why=$4 path now differ=0 total=0 example="n/a"
    shift 4
    if skipped "$name"; then return; fi
    for path in "$@"; do
        [ -e "$ROOT$path" ] || continue
        now="$(chosen "$path")"
        if [ "$now" = "n/a" ]; then continue; fi
        total=$((total + 1))
        if same "$now" "$wanted"; then
            if [ "$example" = "n/a" ]; then example="$now"; fi
            continue
        fi
        differ=$((differ + 1))
        example="$now"
        CHANGES="$CHANGES$path	$wanted"$'\n'
    done
    if [ "$ACTION" = "--check" ]; then
        if [ "$total" -gt 1 ] && [ "$differ" -gt 0 ]; then example="$example ($differ of $total)"; fi
        row "$name" "$example" "$wanted" "$much" "$why"
    elif [ "$ACTION" = "--steps" ]; then
        step "$name" "$example" "$wanted"
    fi
}

# A row that cannot be worked out before the hot cpus are chosen.
unchosen() { # name, how much, why
    if [ "$ACTION" = "--check" ]; then
        row "$1" "n/a" "HOT_CPUS=..." "$2" "$3"
    elif [ "$ACTION" = "--steps" ]; then
        step "$1" "n/a" ""
    fi
}

# What only the kernel's command line, or the caller's shell, can change.
told() { # name, now, wanted, how much, why
    if [ "$ACTION" = "--check" ]; then row "$@"; fi
}

command_line_value() { # name of a parameter of the running kernel -> its value, or "none"
    local word found="none"
    for word in $(first_line /proc/cmdline); do
        case "$word" in "$1"=*) found="${word#*=}" ;; esac
    done
    printf '%s' "$found"
}

below() { # paths below the root for a pattern
    local path
    for path in "$ROOT"$1; do
        if [ -e "$path" ]; then printf '%s\n' "${path#"$ROOT"}"; fi
    done
}

walk() {
    local isolated hot house all cpu path queue wanted governors=() idle=() irqs=() rps=() xps=() limit hard pages
    isolated="$(first_line /sys/devices/system/cpu/isolated)"
    all="$(cpu_numbers "$(first_line /sys/devices/system/cpu/online)")"
    hot="$(cpu_numbers "${HOT_CPUS:-$isolated}")"
    house=""
    for cpu in $all; do
        case " $hot " in *" $cpu "*) ;; *) house="$house$cpu " ;; esac
    done
    if [ -z "$house" ]; then house="$all"; fi

    while IFS= read -r path; do governors+=("$path"); done < <(below "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
    settings "cpu governor" performance high "a slow clock after every idle moment" "${governors[@]}"
    for cpu in $hot; do
        while IFS= read -r path; do
            # State 0 is polling; 1 is the lightest sleep.
            case "$path" in */state0/* | */state1/*) ;; *) idle+=("$path") ;; esac
        done < <(below "/sys/devices/system/cpu/cpu$cpu/cpuidle/state*/disable")
    done
    settings "deep sleep of hot cpus" 1 high "waking from C6 takes 100 us and more" "${idle[@]}"
    setting "turbo (intel)" /sys/devices/system/cpu/intel_pstate/no_turbo 0 medium "the highest clock the cooling allows"
    setting "turbo (others)" /sys/devices/system/cpu/cpufreq/boost 1 medium "the highest clock the cooling allows"
    setting "hyper-threads" /sys/devices/system/cpu/smt/control off medium "a sibling takes cache and issue slots"
    if [ -n "$hot" ]; then
        # shellcheck disable=SC2086 # a list of numbers
        setting "irqs of new devices" /proc/irq/default_smp_affinity "$(cpu_mask $house)" high "an interrupt on a hot cpu is 2 to 20 us"
        while IFS= read -r path; do irqs+=("$path"); done < <(below "/proc/irq/[0-9]*/smp_affinity_list")
        irqs_off "$hot" "$house" "${irqs[@]}"
        # shellcheck disable=SC2086
        settings "unbound kernel work" "$(cpu_mask $house)" medium "workqueues run where nobody waits" \
            /sys/devices/virtual/workqueue/cpumask
        # Of network cards: what stays on this host is best taken in where it was sent.
        while IFS= read -r path; do
            path="${path%/device}"
            while IFS= read -r queue; do rps+=("$queue"); done < <(below "$path/queues/rx-*/rps_cpus")
            while IFS= read -r queue; do xps+=("$queue"); done < <(below "$path/queues/tx-*/xps_cpus")
        done < <(below "/sys/class/net/*/device")
        # shellcheck disable=SC2086
        settings "receive steering (RPS)" "$(cpu_mask $house)" medium "packets are taken in on housekeeping cpus" "${rps[@]}"
        # shellcheck disable=SC2086
        settings "send steering (XPS)" "$(cpu_mask $house)" low "completions are handled on housekeeping cpus" "${xps[@]}"
    else
        unchosen "irqs of new devices" high "an interrupt on a hot cpu is 2 to 20 us"
        unchosen "interrupts on hot cpus" high "an interrupt on a hot cpu is 2 to 20 us"
        unchosen "unbound kernel work" medium "workqueues run where nobody waits"
        unchosen "receive steering (RPS)" medium "packets are taken in on housekeeping cpus"
        unchosen "send steering (XPS)" low "completions are handled on housekeeping cpus"
    fi
    setting "timer migration" /proc/sys/kernel/timer_migration 0 low "timers stay where they were set"
    setting "watchdog of the kernel" /proc/sys/kernel/watchdog 0 low "it interrupts every cpu each second"
    setting "transparent huge pages" /sys/kernel/mm/transparent_hugepage/enabled madvise medium "fewer TLB misses where asked, no stalls elsewhere"
    pages="$(first_line /proc/sys/vm/nr_hugepages)"
    # More than wanted is as good: somebody else uses them.
    if [ "$pages" = "n/a" ] || [ "$pages" -lt "$HUGE_PAGES" ]; then pages="$HUGE_PAGES"; fi
    setting "huge pages set aside" /proc/sys/vm/nr_hugepages "$pages" medium "tables on explicit pages of 2 MiB (hft doctor says how many)"
    setting "huge page defragmenting" /sys/kernel/mm/transparent_hugepage/defrag madvise medium "allocation does not wait for it elsewhere"
    setting "same-page merging" /sys/kernel/mm/ksm/run 0 medium "merged pages fault when written"
    setting "numa balancing" /proc/sys/kernel/numa_balancing 0 medium "pages move under the hot thread"
    setting "swappiness" /proc/sys/vm/swappiness 0 high "a page of the book on disk is milliseconds"
    setting "memory statistics, s" /proc/sys/vm/stat_interval 120 low "each cpu is interrupted for them"
    setting "rt runtime, us" /proc/sys/kernel/sched_rt_runtime_us -1 high "SCHED_FIFO is stopped 50 ms in every second"
    setting "busy poll, us" /proc/sys/net/core/busy_poll 50 medium "the socket is read without an interrupt"
    setting "busy read, us" /proc/sys/net/core/busy_read 50 medium "the same for single sockets"
    setting "accept queue" /proc/sys/net/core/somaxconn 4096 low "many bots connect at once after a restart"
    setting "receive buffer, bytes" /proc/sys/net/core/rmem_max 16777216 low "bursts wait in the socket, not at the sender"
    setting "send buffer, bytes" /proc/sys/net/core/wmem_max 16777216 low "a slow reader costs a copy less"
    setting "open files of the system" /proc/sys/fs/nr_open 1048576 low "one per connection"

    limit="$(ulimit -n)"
    hard="$(ulimit -Hn)"
    told "open files (ulimit -n)" "$limit" "$hard" low "one per connection; set it in the unit or the shell"
    told "locked memory (ulimit -l)" "$(ulimit -l)" unlimited medium "host.lock_memory needs it; set it in the unit or the shell"
    if [ "$isolated" = "n/a" ] && [ -e "$ROOT/sys/devices/system/cpu/isolated" ]; then isolated="none"; fi
    wanted="${HOT_CPUS:-}"
    if [ -z "$wanted" ] && [ "$isolated" != "none" ] && [ "$isolated" != "n/a" ]; then wanted="$isolated"; fi
    told "isolated cpus" "$isolated" "${wanted:-the hot cpus}" high "isolcpus=: nothing else runs beside the hot thread"
    told "cpus without tick" "$(command_line_value nohz_full)" "${wanted:-the hot cpus}" medium "nohz_full=: no timer interrupt while one thread runs"
    told "cpus without rcu work" "$(command_line_value rcu_nocbs)" "${wanted:-the hot cpus}" medium "rcu_nocbs=: callbacks of the kernel run elsewhere"
    told "clock source" "$(first_line /sys/devices/system/clocksource/clocksource0/current_clocksource)" tsc high "another one is a system call per reading"
}

# Interrupts that may fire on a hot cpu. Some cannot be moved: the kernel says so when it is asked, so each is tried first.
irqs_off() { # hot, housekeeping, paths...
    local hot=$1 house=$2 path cpu allowed wanted="" differ=0
    shift 2
    if skipped "interrupts on hot cpus"; then return; fi
    wanted="${house% }"
    wanted="${wanted// /,}"
    for path in "$@"; do
        allowed=" $(cpu_numbers "$(first_line "$path")")"
        for cpu in $hot; do
            case "$allowed" in
                *" $cpu "*)
                    differ=$((differ + 1))
                    CHANGES="$CHANGES?$path	$wanted"$'\n'
                    break
                    ;;
            esac
        done
    done
    if [ "$ACTION" = "--check" ]; then
        row "interrupts on hot cpus" "$differ" 0 high "an interrupt on a hot cpu is 2 to 20 us"
    elif [ "$ACTION" = "--steps" ]; then
        step "interrupts on hot cpus" "$differ" 0
    fi
}

house_of() { # list of hot cpus -> list of all others
    local cpu hot house=""
    hot=" $(cpu_numbers "$1")"
    for cpu in $(cpu_numbers "$(first_line /sys/devices/system/cpu/online)"); do
        case "$hot" in *" $cpu "*) ;; *) house="$house,$cpu" ;; esac
    done
    house="${house#,}"
    printf '%s' "${house:-0}"
}

command_line() {
    local hot="${HOT_CPUS:-}"
    if [ -z "$hot" ]; then hot="$(first_line /sys/devices/system/cpu/isolated)"; fi
    if [ -z "$hot" ] || [ "$hot" = "n/a" ]; then
        printf '\nFor the kernel command line, choose cpus first: HOT_CPUS=2-4 %s --check (see hft topology)\n' "$0"
        return
    fi
    printf '\nKernel command line that this host would want (set it in the boot loader yourself):\n'
    printf '  isolcpus=managed_irq,domain,%s nohz_full=%s rcu_nocbs=%s rcu_nocb_poll irqaffinity=%s' "$hot" "$hot" "$hot" "$(house_of "$hot")"
    printf ' skew_tick=1 tsc=reliable nosoftlockup nmi_watchdog=0 transparent_hugepage=madvise\n'
}

write_value() { # path, value
    printf '%s\n' "$2" >"$ROOT$1"
}

# Takes back what a saved list says, newest first. Answers whether all of it could be.
restore() { # file
    local path value failed=0
    while IFS=$'\t' read -r path value; do
        [ -n "$path" ] || continue
        if ! write_value "$path" "$value" 2>/dev/null; then
            printf 'cannot write %s back to %s\n' "$value" "$path" >&2
            failed=1
        fi
    done < <(tac "$1")
    return "$failed"
}

apply() {
    local path wanted now saved optional
    if [ -e "$STATE" ]; then
        printf 'already applied (%s exists): --revert first\n' "$STATE" >&2
        exit 1
    fi
    if [ -z "$CHANGES" ]; then
        printf 'nothing to change\n'
        return
    fi
    # All that must be written can be, before anything is.
    while IFS=$'\t' read -r path wanted; do
        [ -n "$path" ] || continue
        if [ ! -w "$ROOT${path#\?}" ] && [ "${path#\?}" = "$path" ]; then
            printf 'cannot write %s (are you root?); nothing was changed\n' "$path" >&2
            exit 1
        fi
    done <<<"$CHANGES"
    if ! mkdir -p "${STATE%/*}"; then
        printf 'cannot keep what was there in %s; nothing was changed\n' "${STATE%/*}" >&2
        exit 1
    fi
    saved="$STATE.part"
    : >"$saved"
    # Whatever ends this early takes back what was done.
    trap 'restore "$saved" || true; rm -f "$saved"' EXIT
    while IFS=$'\t' read -r path wanted; do
        [ -n "$path" ] || continue
        optional=""
        if [ "${path#\?}" != "$path" ]; then
            optional=yes
            path="${path#\?}"
        fi
        now="$(chosen "$path")"
        printf '%s\t%s\n' "$path" "$now" >>"$saved"
        if write_value "$path" "$wanted" 2>/dev/null; then
            printf 'set %s from %s to %s\n' "$path" "$now" "$wanted"
        elif [ -n "$optional" ]; then
            sed -i '$d' "$saved"
            printf 'left %s: this interrupt cannot be moved\n' "$path"
        else
            printf 'cannot write %s to %s: taking back what was changed\n' "$wanted" "$path" >&2
            exit 1
        fi
    done <<<"$CHANGES"
    mv "$saved" "$STATE"
    trap - EXIT
    printf 'done; %s --revert takes it back\n' "$0"
}

revert() {
    if [ ! -e "$STATE" ]; then
        printf 'nothing was applied\n'
        return
    fi
    if restore "$STATE"; then
        rm -f "$STATE"
        printf 'everything is as it was\n'
    else
        printf 'some settings could not be taken back; %s is kept\n' "$STATE" >&2
        exit 1
    fi
}

case "$ACTION" in
    --check)
        printf '  %-26s %-18s %-18s %-6s %s\n' "setting" "now" "wanted" "worth" "why"
        walk
        printf '\n%s settings differ (!), %s of them matter much; n/a: this machine has no such thing, or hides it from a guest\n' "$DIFFER" "$DIFFER_HIGH"
        command_line
        ;;
    --dry-run)
        walk_asked
        if [ -z "$CHANGES" ]; then
            printf 'nothing to change\n'
        else
            while IFS=$'\t' read -r path wanted; do
                if [ -n "$path" ]; then
                    path="${path#\?}"
                    printf 'would set %s from %s to %s\n' "$path" "$(chosen "$path")" "$wanted"
                fi
            done <<<"$CHANGES"
        fi
        ;;
    --apply)
        walk_asked
        apply
        ;;
    --steps) walk ;;
    --revert) revert ;;
    --help | -h) usage ;;
    *)
        usage >&2
        exit 2
        ;;
esac
