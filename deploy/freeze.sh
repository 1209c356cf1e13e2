#!/usr/bin/env bash
# Prints the versions of everything installed in .venv as a constraints file.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "# Versions that are tested together; written by 'make constraints'."
echo "# torch is named without a local build tag: the index in use decides between CPU and CUDA."
.venv/bin/python -m pip list --format=freeze --exclude-editable |
    grep -viE '^(pip|setuptools|wheel)==' | sed -E 's/^(torch==[0-9.]+)\+.*/\1/' | LC_ALL=C sort -f
