#!/usr/bin/env bash
# Compiles pyproject.toml into requirements.txt (run time) and requirements-dev.txt (everything), complete and hashed.
# Without where it was fetched from: the hashes say what is meant, the installer's own settings say where to get it.
# UPGRADE=--upgrade raises everything to the newest that pyproject.toml admits.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --no-annotate --no-header ${UPGRADE:-} pyproject.toml "$@"
}
compile --output-file requirements.txt
compile --group dev --constraint requirements.txt --output-file requirements-dev.txt
