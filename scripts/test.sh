#!/usr/bin/env bash
# Sets up .venv and passes every check: ruff, mypy strict, import-linter, docs that must be current, the tests.
# Needs Python >= 3.10 with venv. Chromium is installed where apt-get is at hand; without it the browser tests say that they were skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if [ ! -x .venv/bin/python ]; then "$python" -m venv .venv; fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,rtx]'
if ! command -v chromium >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null 2>&1 || echo "chromium could not be installed: browser tests will be skipped"
fi
.venv/bin/ruff check trtlens tests benchmarks docs reports
.venv/bin/mypy
.venv/bin/lint-imports
.venv/bin/python -m pytest -n auto --dist loadfile "$@"
