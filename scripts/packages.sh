#!/usr/bin/env bash
# Installs the system packages that are missing, where that is possible: Debian or Ubuntu, as root.
# `packages.sh python` stops at what the virtual environment needs, `packages.sh browser` adds Chromium
# and npm to that; `packages.sh dev` adds npm to all the rest, `packages.sh tests` Chromium and an image
# registry as well.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

missing=()
need() { have "$1" || missing+=("${@:2}"); }

python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
need openssl openssl
[[ -e /etc/ssl/certs/ca-certificates.crt || ! -e /etc/debian_version ]] || missing+=(ca-certificates)
if [[ ${1:-} != python && ${1:-} != browser ]]; then
  need docker docker.io
  engine_answers || need dockerd docker.io iptables
  docker image inspect debian:trixie-slim >/dev/null 2>&1 || need debootstrap debootstrap debian-archive-keyring
fi
if [[ ${1:-} == tests || ${1:-} == browser ]]; then
  need chromium chromium
fi
if [[ ${1:-} == tests || ${1:-} == browser || ${1:-} == dev ]]; then
  need npm npm
fi
if [[ ${1:-} == tests ]]; then
  # For the tests of faults, which run an engine of their own.
  need ip iproute2
  need mkfs.ext4 e2fsprogs
  # Without these the tests of pulling and of TLS are skipped: elsewhere nobody is asked for them.
  if have apt-get && can_be_root; then
    need docker-registry docker-registry
    need haproxy haproxy
  fi
fi

((${#missing[@]})) || exit 0
if ! have apt-get || ! can_be_root; then
  fail "install these first (only root on Debian or Ubuntu has it done here): ${missing[*]}"
fi

say "Installing ${missing[*]} …"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  local apt=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update && "${apt[@]}" install --yes --no-install-recommends "$@"
} >"$log" 2>&1 </dev/null
# The tests start registries of their own; the package's would be one on port 5000 for everybody.
# Nor is a proxy wanted that runs for everybody.
for service in docker-registry haproxy; do
  if [[ " ${missing[*]} " == *" $service "* && -d /run/systemd/system ]]; then
    as_root systemctl mask --quiet "$service.service"
  fi
done
install "${missing[@]}" || fail "apt-get could not install ${missing[*]}:"$'\n'"$(tail -n 5 "$log")"
# Newer releases keep the client in a package of its own.
[[ ${1:-} == python || ${1:-} == browser ]] || have docker || install docker-cli || fail "the docker client is missing"
