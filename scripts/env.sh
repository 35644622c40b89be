#!/usr/bin/env bash
# Makes .env from .env.example, and every secret in it that has no value yet.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

umask 077
[[ -e $DISTROS_ENV_FILE ]] || cp --no-preserve=mode .env.example "$DISTROS_ENV_FILE"
for name in DISTROS_SECRET_KEY DISTROS_ADMIN_TOKEN; do
  grep -q "^$name=." "$DISTROS_ENV_FILE" && continue
  sed -i "/^$name=$/d" "$DISTROS_ENV_FILE"
  printf '%s=%s\n' "$name" "$(openssl rand -hex 32)" >>"$DISTROS_ENV_FILE"
done
