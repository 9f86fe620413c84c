# Sourced by setup.sh, demo.sh and test.sh: where things are, how to speak, what R and Python see.
# shellcheck shell=bash

set -euo pipefail

scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
root="$(cd "$scripts/../.." && pwd -P)"
venv="$root/.venv"
rlib="$root/.Rlib"
logs="$root/.setup"

# Colours only for a person at a terminal.
if [ -t 1 ]; then bold=$'\e[1m'; plain=$'\e[0m'; else bold=""; plain=""; fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }

fail() {
    printf 'waddington: %s\n' "$1" >&2
    shift
    [ "$#" -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# Runs a command quietly; where it fails, shows the end of what it printed.
#   logged NAME COMMAND...
logged() {
    local log="$logs/$1.log"
    shift
    mkdir -p "$logs"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        fail "this command failed: $*" "All that it printed is in $log"
    fi
}

# One number for the content and the names of files.
#   fingerprint FILE_OR_FOLDER...
fingerprint() {
    find -L "$@" -type f ! -name '*.pyc' ! -name '.*' -print | LC_ALL=C sort | while IFS= read -r file
    do
        printf '%s ' "$file"
        cksum <"$file"
    done | cksum
}

[ -f "$root/DESCRIPTION" ] && [ -d "$root/python/waddington" ] ||
    fail "$root is not the source tree of waddington." "Run the scripts from a clone of the repository."

# R and Python see the project's own libraries, whatever the user's settings are.
unset PYTHONHOME PYTHONPATH PYTHONSTARTUP VIRTUAL_ENV R_HOME
export PYTHONNOUSERSITE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
export RETICULATE_PYTHON="$venv/bin/python"
# Threads that wait sleep: on a busy machine, spinning ones make small networks many times slower.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
export R_LIBS="$rlib${R_LIBS:+:$R_LIBS}"
case "${LC_ALL:-${LC_CTYPE:-${LANG:-}}}" in
    *UTF-8 | *utf8) ;;
    *) export LC_ALL=C.UTF-8 ;;
esac
