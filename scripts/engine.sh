#!/usr/bin/env bash
# Starts the Docker Engine unless it answers: through systemd, or by itself in the background.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

engine_answers && exit 0
[[ -z ${DOCKER_HOST:-} ]] || fail "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST."
[[ ! -S /var/run/docker.sock || -w /var/run/docker.sock ]] ||
  fail "you may not use the Docker Engine: join the group docker (usermod -aG docker $USER), or be root."
can_be_root || fail "the Docker Engine is not running, and only root can start it."

say "Starting the Docker Engine …"
if [[ -d /run/systemd/system ]]; then
  as_root systemctl start docker || fail "see what is wrong with: journalctl -u docker"
else
  mkdir -p .state
  (
    # It outlives this script, so it must hold none of our files open: CI waits for them to close.
    for file in /proc/self/fd/*; do
      ((${file##*/} <= 2)) || eval "exec ${file##*/}>&-"
    done
    exec "${sudo[@]}" setsid dockerd --pidfile "$PWD/.state/dockerd.pid"
  ) </dev/null >.state/dockerd.log 2>&1 &
  started=$!
fi

deadline=$((SECONDS + 60))
until engine_answers; do
  if ((SECONDS > deadline)) || { [[ -v started ]] && ! kill -0 "$started" 2>/dev/null; }; then
    fail "the Docker Engine does not start:"$'\n'"$(tail -n 5 .state/dockerd.log 2>/dev/null)"
  fi
  sleep 0.5
done
