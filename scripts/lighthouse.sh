#!/usr/bin/env bash
# Lighthouse's marks for the page at an address; see tests/browser/marks.py. Without an address it
# only brings Lighthouse into .state/lighthouse: the version, with its hashes, that
# tests/browser/lighthouse/package-lock.json names, which is the last that runs on node 20.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.state/lighthouse
lock=tests/browser/lighthouse/package-lock.json
if [[ ! $folder/complete -nt $lock ]]; then
  install -d "$folder"
  cp tests/browser/lighthouse/package.json "$lock" "$folder/"
  (cd "$folder" && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund)
  touch "$folder/complete"
fi
(($# == 0)) || exec .venv/bin/python -m tests.browser.marks "$@"
