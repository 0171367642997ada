#!/usr/bin/env bash
# Makes or completes a Python environment: venv.sh FOLDER REQUIREMENTS-FILE
# pip runs only when the requirements have changed since the last time.
set -euo pipefail
folder=$1
requirements=$2
stamp="$folder/.installed"
if ! cmp -s "$requirements" "$stamp"; then
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$stamp"
fi
