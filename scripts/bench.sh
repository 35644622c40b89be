#!/usr/bin/env bash
# Sets up what is missing and runs the benchmarks. RUNS=20: of each kind. BENCH="claim expiry":
# only these. RUNS=5 with `--live 0` takes a few minutes, the whole about 20.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
read -ra names <<<"${BENCH:-}"
exec .venv/bin/python -m benchmarks "${names[@]}" --runs "${RUNS:-20}" "$@"
