#!/usr/bin/env bash
# need.sh PROGRAM PACKAGE: makes sure that PROGRAM is on the PATH, installing Debian's PACKAGE
# where this user may, and otherwise saying the exact command.
set -u
program="$1" package="$2"
command -v "$program" >/dev/null 2>&1 && exit 0

install="apt-get install --yes --no-install-recommends $package"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing $package ..."
    log="$(mktemp)"
    if { $install || { apt-get update && $install; }; } >"$log" 2>&1; then rm -f "$log"; exit 0; fi
    tail -n 5 "$log" >&2
    rm -f "$log"
fi
echo "The program '$program' is missing. Install it with: sudo $install" >&2
exit 1
