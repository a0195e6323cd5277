#!/bin/sh
# The linker that cargo calls: the system's C compiler. On a bare Debian machine there is none yet, and cargo needs one before it can build
# the program that installs everything else; so it is installed here, once.
set -eu
if ! command -v cc >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        log=$(mktemp)
        # What a linker prints is shown only when it fails: the terminal, if there is one, is told by itself.
        tell() { { echo "setup: $1" >/dev/tty; } 2>/dev/null || true; }
        tell "installing a C compiler (apt-get install gcc libc6-dev) ..."
        if ! { apt-get -qq -o DPkg::Lock::Timeout=300 update &&
            DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
                install --no-install-recommends gcc libc6-dev; } >"$log" 2>&1; then
            cat "$log" >&2
            exit 1
        fi
        rm -f "$log"
        tell "installed."
    else
        echo "no C compiler (cc): install gcc and the C library's headers, on Debian by: apt-get install gcc libc6-dev" >&2
        exit 1
    fi
fi
exec cc "$@"
