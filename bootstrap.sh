#!/bin/sh
# Makes .venv: the host, the board and the development parts, from the lock, and in it the environments of the converter
# and of tflite-runtime. A second run finds the stamp and does nothing.
set -eu
cd "$(dirname "$0")"

fail() {
    echo "bootstrap: $1" >&2
    exit 8
}

# Prints the first interpreter of the arguments that really runs (a shim on PATH may refuse to) and is new enough.
find_python() {
    minor=$1
    shift
    for candidate in "$@"; do
        path=$(command -v "$candidate" 2>/dev/null) || continue
        if "$path" -c "import sys, venv, ensurepip; sys.exit(not (3, $minor) <= sys.version_info[:2])" 2>/dev/null; then
            echo "$path"
            return
        fi
    done
}

stamp=$(cat locks/development.txt locks/models.txt toolkit/environment/*.txt pyproject.toml setup.py bootstrap.sh \
    c_ext/*.py c_ext/include/*/*.h c_ext/src/* c_ext/host/* | cksum)
if [ -x .venv/bin/python ] && [ "$(cat .venv/stamp 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

home=${HOME:-/}
set -- python3.12 python3.13 python3.14 "$home"/.pyenv/versions/3.1[2-9]*/bin/python3 \
    "${UV_PYTHON_INSTALL_DIR:-$home/.local/share/uv/python}"/*/bin/python3 python3 python \
    python3.11 "$home"/.pyenv/versions/3.11*/bin/python3
[ -z "${FERRULE_PYTHON:-}" ] || set -- "$FERRULE_PYTHON"
python=$(find_python 12 "$@") # 3.12 serves the converter too
python=${python:-$(find_python 11 "$@")}
[ -n "$python" ] || fail "no Python >= 3.11 with venv runs here${FERRULE_PYTHON:+ as FERRULE_PYTHON=$FERRULE_PYTHON}; \
install one (3.12 or newer is best) and run make again"
compiler=${CC:-cc}
command -v "${compiler%% *}" >/dev/null || fail "no C compiler; install one (on Debian: apt-get install gcc libc6-dev) and run make again"

echo "bootstrap: .venv with $("$python" --version)" >&2
rm -f .venv/stamp
.venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --require-hashes -r locks/development.txt
.venv/bin/python -m pip install --quiet --require-hashes --no-deps -r locks/models.txt
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
.venv/bin/ferrule environment install converter
.venv/bin/ferrule environment install tflite ||
    echo "bootstrap: only what concerns 32-bit boards, and its tests, need tflite-runtime" >&2
echo "$stamp" >.venv/stamp
