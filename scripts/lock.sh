#!/usr/bin/env bash
# Pins every dependency, with hashes, in constraints.txt.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

scripts/venv.sh
.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade --extra dev \
  --generate-hashes --system-certs pyproject.toml -o constraints.txt
