#!/usr/bin/env bash
# Makes .venv with exactly what constraints.txt pins, every file's hash checked.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

stamp=.venv/complete
[[ $stamp -nt constraints.txt && $stamp -nt pyproject.toml ]] && exit 0

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "Python 3.11 or newer is needed; python3 is $(python3 --version 2>&1)."
say "Installing Python packages into .venv …"
[[ -x .venv/bin/pip ]] || python3 -m venv .venv
# uv first, because it checks hashes of what it builds with, too.
awk '/^uv==/{p=1} p; p&&!/\\$/{exit}' constraints.txt |
  .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement /dev/stdin
.venv/bin/uv pip install --quiet --compile-bytecode --system-certs --python .venv \
  --build-constraints constraints.txt --constraints constraints.txt --editable '.[dev]'
touch "$stamp"
