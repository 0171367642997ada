#!/usr/bin/env bash
# Installs what is missing from Debian's packages, for the purposes named: build, test, demo, bench.
# Asks apt only when something is missing, so that an equipped machine needs neither network nor root.
set -euo pipefail

packages=(libsqlite3-dev libpq-dev libssl-dev libgdal-dev zlib1g-dev libzstd-dev pkg-config libjs-leaflet)
for purpose in "$@"; do
    case "$purpose" in
        build) ;;
        demo) packages+=(python3-venv curl) ;;
        test)
            packages+=(
                gcc libc6-dev python3-venv curl openssl postgresql chromium chromium-driver util-linux softhsm2
                clamav-daemon gpgv gnupg)
            # Clients of LDAP, and what python-ldap is compiled with.
            packages+=(ldap-utils apache2-bin libldap2-dev libsasl2-dev python3-dev)
            # Applications that people log in to.
            packages+=(oidc-agent-cli libapache2-mod-auth-openidc)
            # Clients of WebDAV.
            packages+=(litmus cadaver davfs2 libglib2.0-bin gvfs gvfs-backends dbus nextcloud-desktop-cmd)
            ;;
        bench)
            packages+=(
                python3-venv curl wrk nginx-light apache2-bin slapd ceph-common ceph-mon ceph-mgr ceph-osd radosgw
                postgresql postgresql-15-postgis-3)
            ;;
        *) echo "needs.sh: unknown purpose '$purpose'" >&2; exit 64 ;;
    esac
done

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

echo "Installing: ${missing[*]}"
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
# One group after the other: a single large transaction has failed on machines with held-back packages.
"${as_root[@]}" apt-get -q update
for package in "${missing[@]}"; do
    "${as_root[@]}" apt-get -q install -y --no-install-recommends "$package"
done
