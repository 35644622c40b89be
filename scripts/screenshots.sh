#!/usr/bin/env bash
# Pictures of every page, for docs/screenshots/ or the folder that is named; see screenshots.py.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/packages.sh browser
scripts/venv.sh
scripts/xterm.sh
exec .venv/bin/python -m scripts.screenshots "$@"
