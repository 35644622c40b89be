# Sourced by the other scripts: where we are, how we speak, the settings of this stack.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*"; }
fail() {
  printf 'distros: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null; }
sudo=(sudo -n)
((EUID)) || sudo=()
as_root() { "${sudo[@]}" "$@"; }
can_be_root() { as_root true 2>/dev/null; }
engine_answers() { timeout 10 docker version >/dev/null 2>&1; }

# The settings in .env, which Compose and `make up` share: the environment goes before the file. Needs
# .venv, so it is for each script to say when; without it the names below are unbound.
load_settings() {
  local lines
  lines=$(.venv/bin/python scripts/env_lines.py "$DISTROS_ENV_FILE") || exit
  eval "$lines"
  export DISTROS_STACK=${DISTROS_STACK:-distros}
  export DISTROS_STATE=${DISTROS_STATE:-$PWD/.state/$DISTROS_STACK}
}

# One that is there already keeps its mode and what else is in it: others may use it.
make_state() {
  [[ -d $DISTROS_STATE ]] || install -d -m 700 "$DISTROS_STATE"
}

# What `make up` has put there, each by its name (those below traefik/ are this checkout's), and then the
# folders that are empty.
remove_state() {
  local each made=(bridges.yml bridges.new compose.log traefik/certificate.{pem,key} traefik/traefik.yml traefik/dynamic/*.yml)
  for each in "${made[@]}"; do rm -f "$DISTROS_STATE/$each"; done
  for each in "$DISTROS_STATE"{/traefik/dynamic,/traefik,}; do
    [[ ! -d $each ]] || rmdir --ignore-fail-on-non-empty "$each" || true # as where something is mounted
  done
}

compose() {
  local bridges=$DISTROS_STATE/bridges.yml files=()
  [[ ! -e $bridges ]] || files+=(--file "$bridges")
  [[ -z ${DISTROS_DISTRIBUTIONS_DIR:-} ]] || files+=(--file deploy/catalogue.yml)
  [[ ${#files[@]} == 0 ]] || set -- --file docker-compose.yml "${files[@]}" --project-directory . "$@"
  if docker compose version >/dev/null 2>&1; then
    COMPOSE_BAKE=false docker compose "$@"
  else
    # The package's own entry point swallows the exit status, so we call the program beside it.
    COMPOSE_BAKE=false "$(.venv/bin/python -c 'import compose; print(*compose.__path__)')"/docker-compose "$@"
  fi
}

# Instances are not Compose's: they go by their labels, with their volumes.
remove_instances() {
  local mine=(--filter label=distros.managed=true --filter "label=distros.stack=$DISTROS_STACK")
  docker ps --all --quiet "${mine[@]}" | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
  docker volume ls --quiet "${mine[@]}" | xargs --no-run-if-empty docker volume rm --force >/dev/null
}

# Those of several bridges, whatever bridges.yml says of them by now.
remove_networks() {
  local mine=(--filter label=distros.managed=true --filter "label=distros.stack=$DISTROS_STACK")
  docker network ls --quiet "${mine[@]}" | xargs --no-run-if-empty docker network rm >/dev/null
}

# What instances may reach, on this machine: see docs/network.md. Without its image nothing was applied.
remove_firewall() {
  docker image inspect distros-firewall >/dev/null 2>&1 || return 0
  compose --progress quiet run --rm --no-deps --no-TTY firewall remove
}

DISTROS_ENV_FILE=${DISTROS_ENV_FILE:-.env} # not exported: for others, .env need not be there
