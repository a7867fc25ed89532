#!/usr/bin/env bash
# Clients that were not written here, unmodified, against the real venue: nasdaq-protocols (Python) on the order port and the drop
# copy, websockets (Python) and ws (Node) on the feed and on /ouch; and hdrhistogram (Python) on the logs of a bench. Installs what they need below target/foreign; as root also
# python3-venv and nodejs when they are missing.
#
#   scripts/foreign-clients.sh                 builds hft and runs all of them
#   HFT=path/to/hft scripts/foreign-clients.sh uses this one
set -euo pipefail
cd "$(dirname "$0")/.."

home=${FOREIGN_HOME:-${CARGO_TARGET_DIR:-target}/foreign}
hft=${HFT:-}
if [ -z "$hft" ]; then
    cargo build --release --bin hft
    hft=${CARGO_TARGET_DIR:-target}/release/hft
fi
mkdir -p "$home"
home=$(cd "$home" && pwd)

install() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$* missing: install it, or run this as root on Debian" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if [ ! -x "$home/venv/bin/python" ] && ! python3 -m venv "$home/venv" 2>/dev/null; then
    rm -rf "$home/venv"
    install python3 python3-venv
    python3 -m venv "$home/venv"
fi
command -v node >/dev/null && command -v npm >/dev/null || install nodejs npm
"$home/venv/bin/pip" install --quiet --disable-pip-version-check nasdaq-protocols==1.3.0 websockets==15.0.1 hdrhistogram==0.10.8
[ -d "$home/node_modules/ws" ] || npm install --silent --no-fund --no-audit --prefix "$home" ws@8.18.3

offset=$((1000 + $$ % 20000))
data=$(mktemp -d)
cleanup() {
    [ -z "${venue:-}" ] || { kill "$venue" 2>/dev/null && wait "$venue" || true; }
    rm -rf "$data"
}
trap cleanup EXIT
"$hft" serve --data-dir "$data/venue" --port-offset "$offset" >"$data/out" 2>&1 &
venue=$!
for _ in $(seq 300); do
    grep -q '^ready$' "$data/out" && break
    kill -0 "$venue" 2>/dev/null || break
    sleep 0.1
done
grep -q '^ready$' "$data/out" || { cat "$data/out" >&2; echo "the venue did not start" >&2; exit 1; }

order=$((9001 + offset)) feed=$((9002 + offset)) drop=$((9003 + offset))
timeout 120 "$home/venv/bin/python" scripts/foreign/orders.py "$order" "$drop"
timeout 120 "$home/venv/bin/python" scripts/foreign/feed.py "$feed"
NODE_PATH="$home/node_modules" timeout 120 node scripts/foreign/feed.js "$feed"
kill "$venue"
wait "$venue"
venue=
"$hft" bench wire --rates 1000,3000 --seconds 1 --repeats 2 --orders 100 --rounds 1 --port-offset "$offset" --out "$data/report" >/dev/null
"$home/venv/bin/python" scripts/foreign/hlog.py "$data/report"
echo "foreign clients: all well"
