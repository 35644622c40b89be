#!/usr/bin/env bash
# All that `make up`, `make dev` and `make test` need. Each step looks first, so that a second run
# takes a moment. `setup.sh tests` adds Chromium and a registry, `setup.sh dev` what the terminal needs
# where the service does not run in its image.
set -euo pipefail
cd "$(dirname "$0")/.."

install -d -m 700 .state # others have no business in there
scripts/packages.sh "$@"
scripts/venv.sh
[[ ${1:-} != tests ]] || scripts/axe.sh
[[ -z ${1:-} ]] || scripts/xterm.sh
scripts/engine.sh
scripts/images.sh
