#!/usr/bin/env bash
# Makes the environment: a virtual environment with the service, the evaluator and the tools of
# the tests, at the versions pinned in constraints.txt. Run by make; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
venv="${VENV:-.venv}"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Touchstone needs Python 3.11 or newer; $("$python" --version) was found." >&2
    echo "Name another one: make PYTHON=/path/to/python3.12 ..." >&2
    exit 1
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"

# Asked for, every file but torch's is compared with its SHA-256 before it is unpacked. What comes as source alone is
# built by the setuptools of the lock: a build that fetched its tools would run what nobody has compared.
build=()
if [ "${TOUCHSTONE_REQUIRE_HASHES:-0}" = 1 ]; then
    locked=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes
        --only-binary :all:)
    build=(--no-build-isolation)
    awk '/^setuptools==/,!/\\$/' deploy/lock.txt > "$venv/setuptools.txt"
    "${locked[@]}" -r "$venv/setuptools.txt"
    "${locked[@]}" "${build[@]}" --no-binary bibtexparser,nvidia-ml-py3,python-hostlist -r deploy/lock.txt
fi

# torch first and alone: the pinned version is the one the constraints name, and what depends
# on torch then has no reason to fetch another build of it.
torch="$(grep '^torch==' deploy/constraints.txt)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$torch" -c deploy/constraints.txt
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c deploy/constraints.txt \
    "${build[@]}" -e '.[web,evaluator,dev]'
