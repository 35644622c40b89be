#!/usr/bin/env bash
# Sets up what is missing, then builds and starts the stack, and waits until it is healthy.
# Another stack beside this one: DISTROS_ENV_FILE=other.env scripts/up.sh, with other names and
# ports in that file (docker-compose.yml shows all of them).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

scripts/setup.sh
scripts/env.sh
load_settings

listen=${DISTROS_LISTEN:-127.0.0.1:8080}
admin=${DISTROS_ADMIN_LISTEN:-127.0.0.1:9989}
portainer=${DISTROS_PORTAINER_LISTEN:-127.0.0.1:9988}
network=${DISTROS_NETWORK:-distros-sandbox}
subnet=${DISTROS_SUBNET:-10.213.0.0/16}
make_state
egress=()
if [[ -n ${DISTROS_EGRESS_SUBNET:-} ]]; then
  egress=(--egress "$DISTROS_EGRESS_SUBNET")
elif docker network inspect "$network-egress" >/dev/null 2>&1; then
  fail "the network $network-egress exists, and DISTROS_EGRESS_SUBNET is not set: \`make down\` removes it."
fi
bridges=$(.venv/bin/python scripts/bridges.py "$network" "$subnet" "${DISTROS_CAPACITY:-20}" "${egress[@]}" --compose "$DISTROS_STATE/bridges.new") ||
  fail "DISTROS_SUBNET, DISTROS_EGRESS_SUBNET or DISTROS_CAPACITY cannot be used (see above)."
read -r _ DISTROS_BRIDGE_SUBNET DISTROS_TRAEFIK_ADDRESS <<<"$bridges"
export DISTROS_BRIDGE_SUBNET DISTROS_TRAEFIK_ADDRESS
[[ -r ${DISTROS_CA_BUNDLE:=/etc/ssl/certs/ca-certificates.crt} ]] || DISTROS_CA_BUNDLE=/dev/null
export DISTROS_CA_BUNDLE

if [[ -n ${catalogue:=${DISTROS_DISTRIBUTIONS_DIR:-}} ]]; then
  [[ -d $catalogue ]] || fail "DISTROS_DISTRIBUTIONS_DIR: there is no folder $catalogue here."
  unreadable=$(find "$catalogue" ! -type l ! -perm -o=r -print -quit)
  [[ -z $unreadable ]] || fail "the services cannot read $unreadable: \`chmod -R o+rX $catalogue\` lets them."
  # Before anything that runs is replaced by what could not read it.
  problems=$(.venv/bin/distros catalog check "$catalogue") || fail "the catalogue in $catalogue cannot be used:"$'\n'"$problems"
  CATALOGUE_STATE=$(find "$catalogue" -type f -exec sha256sum {} + | sort | sha256sum | head -c 16)
  export CATALOGUE_STATE
fi

with_portainer=()
if docker image inspect "$(compose --profile portainer config --images | grep ^portainer/)" >/dev/null 2>&1; then
  with_portainer=(--profile portainer)
fi

ports=()
running=$(compose ps --services --status running)
grep -qx traefik <<<"$running" || ports+=("DISTROS_LISTEN=$listen" "DISTROS_ADMIN_LISTEN=$admin")
[[ ${#with_portainer[@]} == 0 ]] || grep -qx portainer <<<"$running" || ports+=("DISTROS_PORTAINER_LISTEN=$portainer")
mapfile -t networks < <(awk '{print "--network=" $1 "=" $2}' <<<"$bridges")
python3 scripts/preflight.py "${networks[@]}" "${ports[@]/#/--listen=}"
rm -f "$DISTROS_STATE/bridges.yml"
[[ ! -e $DISTROS_STATE/bridges.new ]] || mv "$DISTROS_STATE/bridges.new" "$DISTROS_STATE/bridges.yml"

.venv/bin/python scripts/local_traefik.py "$DISTROS_STATE/traefik" --seen-at /etc/traefik \
  --web :8080 --admin :9989 --stack "$DISTROS_STACK" --network "$network" --subnet "$subnet" --bridges "$((${#networks[@]} - ${#egress[@]} / 2))" "${egress[@]}" \
  --outer-proxies "${DISTROS_OUTER_PROXIES:-}" --docker-url tcp://socket-proxy-traefik:2375 --orchestrator-url http://orchestrator:8000 >/dev/null

say "Building the stack's images …"
log=$DISTROS_STATE/compose.log
compose --profile probe build >"$log" 2>&1 || fail "the images cannot be built; the whole log is $log:"$'\n'"$(tail -n 15 "$log")"

say "Starting …"
if ! compose "${with_portainer[@]}" up --detach --no-build --remove-orphans --wait --wait-timeout 120 >"$log" 2>&1; then
  tail -n 3 "$log" >&2
  for service in $(compose ps --all --format '{{.Service}} {{.Status}}' | awk '!/\(healthy\)/ {print $1}'); do
    compose logs --no-log-prefix --tail 10 "$service" | sed "s/^/$service: /" >&2
  done
  fail "the stack is not healthy. Its logs: docker logs $DISTROS_STACK-orchestrator-1 (or -traefik-1, …)"
fi

# What the build has replaced; nothing uses it any more.
docker image prune --force --filter "label=com.docker.compose.project=$DISTROS_STACK" >/dev/null || true

say "
Distros is up.
  Site               ${DISTROS_SITE_URL:-http://distros.localhost:8080}
  Traefik dashboard  http://$admin/dashboard/
  Portainer          $( ((${#with_portainer[@]})) && echo "http://$portainer" || echo 'left out, its image is not there')

  Launch a site      .venv/bin/distros launch dokuwiki --wait
  A token for CI     .venv/bin/distros token show
  Stop everything    make down"
