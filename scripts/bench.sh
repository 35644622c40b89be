#!/usr/bin/env bash
# Sets up what is missing and runs the benchmarks. RUNS=20: starts of each kind.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
exec .venv/bin/python -m benchmarks.cold_start --runs "${RUNS:-20}" "$@"
