#!/usr/bin/env bash
# Pins the environment anew: deploy/constraints.txt with the versions that are installed in .venv,
# and deploy/lock.txt with the hashes of every file of these versions, as the index in use tells them.
# torch stands in the constraints alone: the index decides between builds for CPU and CUDA. So does matcalc, which
# make bench alone uses and which comes as source. What builds this package is locked, too.
set -euo pipefail
cd "$(dirname "$0")/.."
new="$(mktemp -d)"
trap 'rm -rf "$new"' EXIT

{
    echo "# Versions that are tested together; written by 'make constraints'."
    echo "# torch is named without a local build tag: the index in use decides between CPU and CUDA."
    .venv/bin/python -m pip list --format=freeze --exclude-editable |
        grep -viE '^(pip|setuptools|wheel)==' | sed -E 's/^(torch==[0-9.]+)\+.*/\1/' | LC_ALL=C sort -f
} > "$new/constraints.txt"

grep -E '^[A-Za-z0-9_.-]+==' "$new/constraints.txt" | grep -vE '^(torch|matcalc)==' > "$new/pinned.txt"
grep -oE 'setuptools==[0-9.]+' pyproject.toml >> "$new/pinned.txt"
.venv/bin/python -m uv pip compile "$new/pinned.txt" --quiet --no-deps --universal --python-version 3.11 \
    --generate-hashes --no-header --no-annotate --output-file "$new/hashes.txt"
{
    echo "# The files of deploy/constraints.txt by their SHA-256; written by 'make constraints'."
    cat "$new/hashes.txt"
} > "$new/lock.txt"
mv "$new/constraints.txt" deploy/constraints.txt
mv "$new/lock.txt" deploy/lock.txt
