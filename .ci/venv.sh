#!/bin/sh
# Make a virtual environment, and bring what Python needs for that: venv.sh PYTHON FOLDER
set -eu
python=$1 folder=$2

usable() {
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        echo "devstack-tui: neither root nor sudo here; as root: $*" >&2
        exit 2
    fi
}

if ! usable; then
    if ! command -v apt-get >/dev/null; then
        echo "devstack-tui: needs Python 3.11 or newer with venv and pip: install them first" >&2
        exit 2
    fi
    as_root apt-get update -q >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q python3 python3-venv >&2
    usable || {
        echo "devstack-tui: $python is older than 3.11: run make with PYTHON=python3.12, say" >&2
        exit 2
    }
fi
[ -x "$folder/bin/pip" ] || "$python" -m venv "$folder"
