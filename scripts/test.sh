#!/usr/bin/env bash
# Sets up what is missing and runs all tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # mkfs and its like, for the tests of faults

scripts/setup.sh tests
exec .venv/bin/pytest "$@"
