#!/usr/bin/env bash
# Sets up what is missing and runs all tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh tests
exec .venv/bin/pytest "$@"
