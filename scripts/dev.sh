#!/usr/bin/env bash
# The orchestrator on this machine, reloading at each change, with a Traefik, names, ports and
# subnets of its own: it runs beside `make up`. Ctrl-C ends both and removes their instances.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

scripts/setup.sh dev
scripts/env.sh
load_settings

export DISTROS_STACK=distros-dev
export DISTROS_STATE=$PWD/.state/$DISTROS_STACK
export DISTROS_NETWORK=distros-dev DISTROS_SUBNET=10.215.0.0/16 DISTROS_EGRESS_SUBNET=10.214.0.0/16
export DISTROS_SITE_URL=http://distros.localhost:8081 DISTROS_INSTANCES_URL=http://sandbox.localhost:8081
export DISTROS_HOST=127.0.0.1 DISTROS_PORT=8001 DISTROS_PROXY_URL=http://127.0.0.1:8081
export DISTROS_PROXY_ADMIN_URL=http://127.0.0.1:9981
export DISTROS_DOCKER_URL=unix://${DISTROS_DOCKER_SOCKET:-/var/run/docker.sock}
export DISTROS_DATABASE_URL=sqlite+aiosqlite:///$DISTROS_STATE/distros.db
web=127.0.0.1:8081
admin=127.0.0.1:9981

python3 scripts/preflight.py --network "$DISTROS_NETWORK=$DISTROS_SUBNET" --network "$DISTROS_NETWORK-egress=$DISTROS_EGRESS_SUBNET" \
  --listen "web=$web" --listen "admin=$admin" --listen "DISTROS_PORT=$DISTROS_HOST:$DISTROS_PORT"
configuration=$(.venv/bin/python scripts/local_traefik.py "$DISTROS_STATE/traefik" --web "$web" --admin "$admin" \
  --stack "$DISTROS_STACK" --network "$DISTROS_NETWORK" --subnet "$DISTROS_SUBNET" --egress "$DISTROS_EGRESS_SUBNET" \
  --docker-url "$DISTROS_DOCKER_URL" --orchestrator-url "http://$DISTROS_HOST:$DISTROS_PORT")

# The same rules as `make up` has, for these instances; Traefik is on this machine here.
firewall=("${sudo[@]}" env PATH="$PATH" STACK="$DISTROS_STACK" SUBNET="$DISTROS_SUBNET" EGRESS="$DISTROS_EGRESS_SUBNET" deploy/firewall/firewall)

processes=()
finish() {
  kill "${processes[@]}" 2>/dev/null || true
  wait
  remove_instances
  "${firewall[@]}" remove || true
  docker network rm "$DISTROS_NETWORK" "$DISTROS_NETWORK-egress" >/dev/null 2>&1 || true
}
trap finish EXIT
trap 'exit 0' INT # the usual end
trap 'exit 143' TERM

if can_be_root; then
  "${firewall[@]}" watch &
  processes+=($!)
else
  say "Only root can apply the firewall: instances reach what this machine reaches."
fi
.venv/bin/traefik --configfile="$configuration" >"$DISTROS_STATE/traefik.log" 2>&1 &
processes+=($!)
.venv/bin/distros serve --reload &
processes+=($!)
say "Site $DISTROS_SITE_URL, Traefik dashboard http://$admin/dashboard/, its log $DISTROS_STATE/traefik.log"
wait -n
