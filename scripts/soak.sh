#!/usr/bin/env bash
# The tests of faults in their long form, then MINUTES (30) of visitors at full rate. Its figures are
# kept in .state/soak.txt. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # mkfs and its like, for the tests of faults

scripts/setup.sh tests
.venv/bin/pytest tests/faults --long --timeout 3600 --minutes "${MINUTES:-30}" -s --durations=0 "$@" 2>&1 | tee .state/soak.txt
