#!/usr/bin/env bash
# Finds the browser and the native players that `make players` tests with, and prints their versions.
# As root on Debian it installs what is missing. Elsewhere their tests are skipped, but never where CI is set.
set -euo pipefail

packages=(
    chromium
    faketime
    gir1.2-gstreamer-1.0
    gstreamer1.0-libav
    gstreamer1.0-plugins-bad
    gstreamer1.0-plugins-base
    gstreamer1.0-plugins-good
    gstreamer1.0-tools
    mpv
    python3-gi
    vlc-bin
    vlc-plugin-base
    xvfb
)

is_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

version_of() {
    case $1 in
        chromium | mpv) "$1" --version ;;
        cvlc) dpkg-query --show --showformat='VLC ${Version}' vlc-bin ;; # VLC itself will not start as root.
        gst-launch-1.0) "$1" --version ;;
        faketime) dpkg-query --show --showformat='faketime ${Version}' faketime ;;
        Xvfb) dpkg-query --show --showformat='Xvfb ${Version}' xvfb ;;
    esac 2>/dev/null | head -n 1
}

if command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
    missing=()
    for package in "${packages[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    if ((${#missing[@]})); then
        echo "players: installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update --quiet=2
        apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
    fi
fi

absent=0
for program in chromium mpv cvlc gst-launch-1.0 Xvfb; do
    if command -v "$program" >/dev/null; then
        printf 'players: %-15s %s\n' "$program" "$(version_of "$program" || true)"
    else
        printf 'players: %-15s not found\n' "$program"
        absent=1
    fi
done
if ((absent)); then
    echo "players: install what is missing with: apt-get install ${packages[*]}"
    if [[ ${CI:-} == true ]]; then exit 1; fi
fi
