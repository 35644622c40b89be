#!/usr/bin/env bash
# Stops the stack, then removes all that was made in this checkout except .env.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

scripts/down.sh
rm -rf .venv .state frontend/static/xterm .pytest_cache .mypy_cache .ruff_cache .hypothesis
