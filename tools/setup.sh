#!/usr/bin/env bash
# Makes .venv: first exactly what requirements-dev.txt names, each file checked by its hash, then this project, editable.
# The stamp is written last, so an interrupted run is repeated; make compares its age with the inputs.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "setup: $*" >&2; exit 1; }

python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3.11 python3 python3.12 python3.13; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$candidate; break; fi
  done
fi
[ -n "$python" ] || fail "needs Python 3.11 or newer. On Debian 12: apt-get install python3 python3-venv"

exec 9<tools/setup.sh
flock 9 2>/dev/null || true # two makes at once: the second finds the work done
if [ -e .venv/.stamp ] && [ .venv/.stamp -nt requirements-dev.txt ] && [ .venv/.stamp -nt pyproject.toml ] &&
   [ .venv/.stamp -nt tools/setup.sh ]; then exit 0; fi

if command -v uv >/dev/null; then
  [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
  export VIRTUAL_ENV=$PWD/.venv
  uv pip install --quiet --require-hashes -r requirements-dev.txt
  uv pip install --quiet --no-deps --no-build-isolation --editable .
else
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv (or put uv on PATH)"
  [ -x .venv/bin/pip ] || "$python" -m venv .venv
  pip() { .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"; }
  pip install --require-hashes -r requirements-dev.txt
  pip install --no-deps --no-build-isolation --editable .
fi
touch .venv/.stamp
