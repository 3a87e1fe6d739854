#!/usr/bin/env bash
# Finds the browser, the native players, and the nginx and Varnish that `make players` tests with, and prints their versions.
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
    nginx
    python3-gi
    varnish
    vlc-bin
    vlc-plugin-base
    xvfb
)

is_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Tests run nginx and Varnish themselves: the services that Debian makes of them are not to start, now or later.
install_without_services() {
    local policy=/usr/sbin/policy-rc.d own=0 status=0 services=()
    if [[ ! -e $policy ]]; then
        own=1
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    apt-get install --quiet=2 --yes --no-install-recommends "$@" >/dev/null || status=$?
    if ((own)); then rm "$policy"; fi
    if [[ " $* " == *" nginx "* ]]; then services+=(nginx); fi
    if [[ " $* " == *" varnish "* ]]; then services+=(varnish varnishncsa); fi
    if ((${#services[@]})) && command -v systemctl >/dev/null; then
        systemctl disable --quiet "${services[@]}" || true
    fi
    return "$status"
}

version_of() {
    case $1 in
        chromium | mpv) "$1" --version ;;
        cvlc) dpkg-query --show --showformat='VLC ${Version}' vlc-bin ;; # VLC itself will not start as root.
        gst-launch-1.0) "$1" --version ;;
        faketime) dpkg-query --show --showformat='faketime ${Version}' faketime ;;
        nginx) "$1" -v 2>&1 ;;
        varnishd) "$1" -V 2>&1 ;;
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
        install_without_services "${missing[@]}"
    fi
fi

absent=0
export PATH=$PATH:/usr/sbin # where Debian has nginx and varnishd
for program in chromium mpv cvlc gst-launch-1.0 Xvfb nginx varnishd; do
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
