#!/usr/bin/env bash
# Compiles pyproject.toml into requirements.txt (run time), requirements-dev.txt (everything) and requirements-build.txt
# (what makes the wheel), complete and hashed.
# Without where it was fetched from: the hashes say what is meant, the installer's own settings say where to get it.
# UPGRADE=--upgrade raises everything to the newest that pyproject.toml admits.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --no-annotate --no-header ${UPGRADE:-} "$@"
}
compile pyproject.toml --output-file requirements.txt
compile pyproject.toml --group dev --constraint requirements.txt --output-file requirements-dev.txt
compile --group build --constraint requirements-dev.txt --output-file requirements-build.txt
