#!/bin/sh
# Run by npm before `start` and `test`, so that both work in a fresh clone: installs by the lock file where
# that has not been done, and makes sure that a Node which runs TypeScript is first in the PATH.
# POSIX sh, because the node of the machine may be too old for anything of ours.
set -eu
cd "$(dirname "$0")/.."

stamp=node_modules/.package-lock.json
if [ ! -f "$stamp" ] || [ -n "$(find package-lock.json -newer "$stamp")" ]; then
  echo 'headwater: installing dependencies by package-lock.json (once; takes a minute)' >&2
  log=$(mktemp "${TMPDIR:-/tmp}/headwater-install.XXXXXX")
  # Under an older npm the engines of our dependencies cause warnings only (engine-strict is off): the Node they run on comes with them.
  if ! npm ci --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
    grep -v EBADENGINE "$log" >&2 || true
    rm -f "$log"
    echo 'headwater: npm ci failed; what it said is above. Is a package registry reachable? Try: npm ci' >&2
    exit 1
  fi
  rm -f "$log"
fi

PATH="$PWD/node_modules/.bin:$PATH"
version=$(node --version 2>/dev/null || echo none)
major=${version#v}
major=${major%%.*}
case $major in
  '' | *[!0-9]*) major=0 ;;
esac
if [ "$major" -lt 24 ]; then
  echo "headwater: Node 24 or newer is needed, and the first node in the PATH is: $version." >&2
  echo 'On Linux (x64, arm64) npm brings it along, unless optional packages are left out (npm ci --include=optional); elsewhere install it from https://nodejs.org.' >&2
  exit 1
fi
