#!/bin/sh
# Make a virtual environment, and install what Python needs for that: venv.sh PYTHON FOLDER
set -eu
python=$1 folder=$2
here=$(dirname "$0")

usable() {
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Of Python's packages and the servers', those that dpkg does not have.
absent() {
    for package in python3 python3-venv $(cat "$here/debian-packages"); do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) printf ' %s' "$package" ;;
        esac
    done
}

install_python() {
    if ! command -v apt-get >/dev/null; then
        echo "devstack-tui: Python 3.11 or newer with venv and pip is missing, and there is no apt here." >&2
        echo "  → install it with your package manager, and the servers too, by Debian's names:" >&2
        echo "    $(tr '\n' ' ' <"$here/debian-packages")" >&2
        exit 2
    fi
    if [ "$(id -u)" = 0 ]; then
        sudo=
    elif command -v sudo >/dev/null; then
        sudo=sudo
    else
        # All that this machine lacks, servers included: nobody wants to ask an administrator twice.
        echo "devstack-tui: packages are missing, and we are neither root nor is sudo here" >&2
        echo "  → su -c 'apt-get update && apt-get install -y$(absent)'" >&2
        exit 2
    fi
    $sudo apt-get update -q >&2
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q python3 python3-venv >&2
}

if ! usable; then
    install_python
    usable || {
        echo "devstack-tui: $python is older than 3.11: run make with PYTHON=python3.12, say" >&2
        exit 2
    }
fi
[ -x "$folder/bin/pip" ] || "$python" -m venv "$folder"
