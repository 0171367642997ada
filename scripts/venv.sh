#!/usr/bin/env bash
# Makes or completes a Python environment: venv.sh FOLDER REQUIREMENTS-FILE
# pip runs only when the requirements have changed since the last time. What stands in REQUIREMENTS-newer.txt asks for a
# newer Python than this one, and works with it; what that needs stands in the first file.
set -euo pipefail
folder=$1
requirements=$2
newer="${requirements%.txt}-newer.txt"
[ -f "$newer" ] || newer=/dev/null
stamp="$folder/.installed"
if ! cat "$requirements" "$newer" | cmp -s - "$stamp"; then
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    if [ "$newer" != /dev/null ]; then
        "$folder/bin/pip" install --quiet --disable-pip-version-check --ignore-requires-python --no-deps -r "$newer"
    fi
    cat "$requirements" "$newer" > "$stamp"
fi
