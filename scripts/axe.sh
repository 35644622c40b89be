#!/usr/bin/env bash
# Brings axe, which looks for barriers in the pages, into .state/axe: the version, with its hash, that
# tests/browser/package-lock.json names.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.state/axe
lock=tests/browser/package-lock.json
[[ ! $folder/complete -nt $lock ]] || exit 0
install -d "$folder"
cp tests/browser/package.json "$lock" "$folder/"
(cd "$folder" && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund)
touch "$folder/complete"
