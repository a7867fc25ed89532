#!/usr/bin/env bash
# Opens a page of hft bench in a real browser without a screen, offline, and fails when it shows nothing or complains.
#
#   scripts/render-page.sh report/report.html
set -euo pipefail

page="$(readlink -f "${1:?the page to open}")"
bytes="$(stat -c %s "$page")"
if [ "$bytes" -ge 500000 ]; then
    printf '%s has %s bytes: expected less than 500000\n' "$page" "$bytes" >&2
    exit 1
fi
browser=""
find_browser() {
    for name in chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null; then browser="$name"; fi
    done
}
find_browser
if [ -z "$browser" ]; then
    { apt-get update -qq && apt-get install -y -qq chromium; } >/dev/null
    find_browser
fi
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
options=(--headless --disable-gpu --hide-scrollbars "--window-size=1000,2600" "--user-data-dir=$folder/profile")
options+=(--host-resolver-rules="MAP * ~NOTFOUND" --virtual-time-budget=2000)
# A browser of root refuses its own sandbox.
if [ "$(id -u)" = 0 ]; then options+=(--no-sandbox); fi
timeout 120 "$browser" "${options[@]}" --dump-dom "file://$page" >"$folder/dom" 2>"$folder/log"
for wanted in "<polyline" "Rate against percentile" "Yardsticks" "Not included"; do
    if ! grep -q "$wanted" "$folder/dom"; then
        printf 'the browser shows no %s\n' "$wanted" >&2
        cat "$folder/log" >&2
        exit 1
    fi
done
timeout 120 "$browser" "${options[@]}" --screenshot="$folder/page.png" "file://$page" >/dev/null 2>&1
drawn="$(stat -c %s "$folder/page.png")"
if [ "$drawn" -lt 20000 ]; then
    printf 'the picture of the page has only %s bytes: it is empty\n' "$drawn" >&2
    exit 1
fi
if [ -n "${2:-}" ]; then cp "$folder/page.png" "$2"; fi
printf '%s: %s bytes, rendered\n' "$page" "$bytes"
