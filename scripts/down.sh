#!/usr/bin/env bash
# Stops the stack and leaves nothing of it but images, which make the next start fast, and .env.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

if ! have docker || ! engine_answers; then
  say "The Docker Engine is not running: there is nothing to stop."
  exit 0
fi
scripts/venv.sh # Compose may be in there
load_settings

compose stop --timeout 15 orchestrator >/dev/null 2>&1 || true # or it would start new ones
remove_instances
compose stop --timeout 5 firewall >/dev/null 2>&1 || true # or it would apply them again
remove_firewall
compose --progress quiet --profile '*' down --volumes --remove-orphans --timeout 15
remove_networks
remove_state
say "The stack $DISTROS_STACK is gone: containers, networks, volumes, data. Images are kept as a cache."

# An engine that our set-up started goes too, when nobody uses it any more; a test's stack leaves it.
[[ $DISTROS_ENV_FILE == .env ]] || exit 0
pid=$(cat .state/dockerd.pid 2>/dev/null) || exit 0
if as_root kill -0 "$pid" 2>/dev/null && [[ -z $(docker ps --quiet) ]]; then
  as_root kill "$pid"
  timeout 30 tail --pid="$pid" -f /dev/null
  say "The Docker Engine that was started for it is stopped, too."
fi
