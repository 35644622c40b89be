#!/usr/bin/env bash
# Brings xterm.js, which draws the terminal in the browser, into frontend/static/xterm: the version,
# with its hash, that frontend/package-lock.json names. The image of the orchestrator does the same.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=frontend/static/xterm
lock=frontend/package-lock.json
[[ ! $folder/xterm.mjs -nt $lock ]] || exit 0
brought=$(mktemp -d)
trap 'rm -rf "$brought"' EXIT
cp frontend/package.json "$lock" "$brought/"
(cd "$brought" && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund)
install -d "$folder"
cd "$brought/node_modules/@xterm"
install -m 644 xterm/LICENSE xterm/css/xterm.css addon-fit/lib/addon-fit.mjs xterm/lib/xterm.mjs "$OLDPWD/$folder/"
