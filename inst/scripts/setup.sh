#!/usr/bin/env bash
# Sets up all that the demonstration or the tests need, and nothing that is there already.
#
#     bash inst/scripts/setup.sh [demo|test]
#
# R and R packages come from Debian where apt and root are at hand, else from BiocManager into
# .Rlib; the Python packages, in tested versions, go into .venv; this package goes into .Rlib.
# WADDINGTON_PYTHON=/path/to/python3 chooses the Python that .venv is made from.

# shellcheck source=inst/scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

purpose="${1:-demo}"
case "$purpose" in
    demo) extra="uwot patchwork" ;;
    test) extra="$(sed -n '/^Suggests:/,/^[^ ]/s/^ \{4\}\([A-Za-z0-9.]*\).*/\1/p' "$root/DESCRIPTION" |
        tr '\n' ' ') BiocCheck lintr roxygen2" ;;
    *) fail "setup.sh sets up for 'demo' or 'test', not for '$purpose'." ;;
esac

has() { command -v "$1" >/dev/null 2>&1; }
can_apt() { has apt-get && [ -f /etc/debian_version ] && [ "$(id -u)" -eq 0 ]; }

fresh_lists=no
apt_update() {
    [ "$fresh_lists" = yes ] || logged apt-update apt-get -q -o DPkg::Lock::Timeout=300 update
    fresh_lists=yes
}

apt_install() {
    apt_update
    export DEBIAN_FRONTEND=noninteractive
    logged apt-install apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Options::=--force-confold install "$@"
}

# R and its packages ------------------------------------------------------------------------------

ensure_r() {
    if ! has R; then
        can_apt || fail "R is missing." "Install R 4.2 or newer, then run this again." \
            "On Debian or Ubuntu: sudo apt-get install r-base-core"
        say "Installing R from Debian"
        apt_install r-base-core
    fi
    Rscript --vanilla -e 'quit(status = getRversion() < "4.2")' ||
        fail "R is too old: waddington needs R 4.2 or newer, found $(R --version | head -n 1)."
}

# The packages of Imports that R itself does not bring, and those for the purpose.
wanted_packages() {
    sed -n '/^Imports:/,/^[^ ]/s/^ \{4\}\([A-Za-z0-9.]*\).*/\1/p' "$root/DESCRIPTION"
    printf '%s\n' $extra
}

missing_packages() {
    wanted_packages | Rscript --vanilla -e '
        wanted <- readLines("stdin")
        found <- vapply(wanted, function(p) nzchar(system.file(package = p)), NA)
        cat(wanted[!found])'
}

debian_names() {
    local package name
    for package in "$@"; do
        name="$(printf '%s' "$package" | tr '[:upper:]' '[:lower:]')"
        if apt-cache show "r-bioc-$name" >/dev/null 2>&1; then
            printf 'r-bioc-%s\n' "$name"
        elif apt-cache show "r-cran-$name" >/dev/null 2>&1; then
            printf 'r-cran-%s\n' "$name"
        fi
    done
}

# May fail, offline for one: what is missing then is said by ensure_r_packages.
from_biocmanager() {
    mkdir -p "$rlib" "$logs"
    Rscript --vanilla -e '
        if (identical(unname(getOption("repos")["CRAN"]), "@CRAN@"))
            chooseCRANmirror(graphics = FALSE, ind = 1)
        lib <- .libPaths()[1]
        if (!requireNamespace("BiocManager", quietly = TRUE))
            install.packages("BiocManager", lib = lib)
        BiocManager::install(commandArgs(TRUE), lib = lib, ask = FALSE, update = FALSE)' \
        "$@" >"$logs/biocmanager.log" 2>&1 </dev/null || true
}

ensure_r_packages() {
    local missing
    missing="$(missing_packages)"
    if [ -n "$missing" ] && can_apt; then
        say "Installing R packages from Debian (minutes, once): $missing"
        apt_update
        apt_install $(debian_names $missing)
        missing="$(missing_packages)"
    fi
    if [ -n "$missing" ]; then
        say "Installing R packages with BiocManager into .Rlib (this may take long, once): $missing"
        from_biocmanager $missing
        missing="$(missing_packages)"
    fi
    if [ -n "$missing" ]; then
        local hint=""
        ! has apt-cache || hint="Here: sudo apt-get install $(debian_names $missing | tr '\n' ' ')"
        fail "these R packages are missing and could not be installed: $missing" \
            "What was tried is in $logs. Install them by hand, then run this again." "$hint"
    fi
}

# rmarkdown needs pandoc, which is no R package; only the vignettes need either.
ensure_pandoc() {
    if [ "$purpose" = test ] && ! has pandoc; then
        can_apt || fail "pandoc is missing, which the vignettes need." \
            "On Debian or Ubuntu: sudo apt-get install pandoc; on macOS: brew install pandoc"
        say "Installing pandoc from Debian"
        apt_install pandoc
    fi
}

# The kernels in C are compiled at their first use; where there is no compiler, torch does their
# work and the tests leave them out.
ensure_compiler() {
    if [ "$purpose" = test ] && ! has cc && can_apt; then
        say "Installing a C compiler from Debian"
        apt_install gcc libc6-dev
    fi
}

# Python ------------------------------------------------------------------------------------------

# The newest Python that the installed reticulate can drive.
newest_python() {
    Rscript --vanilla -e 'version <- packageVersion("reticulate")
        cat(if (version < "1.38") 11 else if (version < "1.40") 12 else 13)'
}

# Says what is wrong with a Python, or nothing. R's own libraries must not leak into the child.
faults_of() {
    LD_LIBRARY_PATH="" "$1" - "$2" 2>&1 <<'PYTHON' || printf 'does not run'
import importlib.util, os, sys, sysconfig
newest = (3, int(sys.argv[1]))
folders = [sysconfig.get_config_var("LIBDIR"), "/usr/lib/" + (sysconfig.get_config_var("MULTIARCH") or "")]
library = sysconfig.get_config_var("INSTSONAME") or ""
if not (3, 10) <= sys.version_info[:2] <= newest:
    print("is %d.%d, not 3.10 to 3.%d" % (*sys.version_info[:2], newest[1]))
elif any(importlib.util.find_spec(name) is None for name in ("ssl", "venv", "ensurepip")):
    print("lacks ssl, venv or ensurepip (on Debian: python3-venv)")
elif sys.platform == "linux" and not any(
    os.path.exists(os.path.join(folder, name))
    for folder in folders for name in (library, "libpython3.%d.so.1.0" % sys.version_info[1])
    if name.endswith((".so", ".so.1.0"))
):
    print("has no shared library, which R needs (on Debian: libpython3.%d)" % sys.version_info[1])
PYTHON
}

# The first Python of the machine without a fault, preferring the system's; else why none will do.
choose_python() {
    local candidate fault newest="$1" report=""
    for candidate in "${WADDINGTON_PYTHON:-}" /usr/bin/python3 python3.11 python3.10 python3.12 \
        python3.13 python3; do
        [ -n "$candidate" ] && has "$candidate" || continue
        fault="$(faults_of "$candidate" "$newest")"
        if [ -z "$fault" ]; then
            command -v "$candidate"
            return 0
        fi
        report="$report$candidate $fault; "
    done
    printf '%s' "${report:-no python3 was found}"
    return 1
}

make_venv() {
    local newest python
    newest="$(newest_python)"
    if ! python="$(choose_python "$newest")" && can_apt; then
        say "Installing Python's venv and shared library from Debian"
        apt_install python3 python3-venv
        apt_install "libpython$(/usr/bin/python3 -c 'import sys; print("3.%d" % sys.version_info[1])')"
        python="$(choose_python "$newest")" || true
    fi
    [ -x "$python" ] || fail "no fitting Python was found: $python" \
        "Install Python 3.10 to 3.$newest, or name one: WADDINGTON_PYTHON=/path/to/python3"
    say "Making the Python environment .venv from $python"
    logged venv "$python" -m venv --clear "$venv"
}

# The tested versions are those of Python 3.11; another Python gets the newest ones it can have.
install_python_packages() {
    local pip=("$venv/bin/python" -m pip install --quiet --prefer-binary) lists=(requirements.txt)
    [ "$purpose" = demo ] || lists+=(requirements-dev.txt)
    say "Installing Python packages into .venv (about a minute, once): ${lists[*]}"
    if [ "$("$venv/bin/python" -c 'import sys; print(sys.version_info[1])')" -eq 11 ]; then
        logged pip-torch "${pip[@]}" -c "$scripts/constraints.txt" torch==2.13.0
        logged pip "${pip[@]}" -c "$scripts/constraints.txt" "${lists[@]/#/-r$scripts/}"
    else
        local names=() list
        for list in "${lists[@]}"; do
            names+=($(sed 's/[ #=].*//' "$scripts/$list"))
        done
        [ "$(newest_python)" -gt 11 ] || names+=("numpy<2")
        logged pip-torch "${pip[@]}" torch
        logged pip "${pip[@]}" "${names[@]}"
    fi
}

ensure_python() {
    local stamp="$venv/.waddington" lists python="$venv/bin/python"
    lists="$(cd "$scripts" && fingerprint requirements.txt requirements-dev.txt constraints.txt)"
    if "$python" -c 'import pip' >/dev/null 2>&1; then
        # What serves the tests serves the demonstration too.
        grep -qxF -e "$purpose $lists" -e "test $lists" "$stamp" 2>/dev/null && return 0
        [ -z "$(faults_of "$python" "$(newest_python)")" ] || make_venv
    else
        make_venv
    fi
    install_python_packages
    printf '%s\n' "$purpose $lists" >"$stamp"
}

# This package ------------------------------------------------------------------------------------

ensure_waddington() {
    local stamp="$rlib/.waddington" wanted
    wanted="$(cd "$root" && fingerprint DESCRIPTION NAMESPACE R man inst)"
    if [ "$wanted" != "$(cat "$stamp" 2>/dev/null)" ] || [ ! -d "$rlib/waddington" ]; then
        say "Installing the R package into .Rlib"
        mkdir -p "$rlib"
        rm -rf "$rlib"/00LOCK-* # left by an installation that was cut short
        logged install R CMD INSTALL --library="$rlib" "$root"
        printf '%s\n' "$wanted" >"$stamp"
    fi
}

# Compiles the kernels in C, so that the first training does not have to.
ensure_kernels() {
    PYTHONPATH="$root/python" logged kernels "$venv/bin/python" -c \
        'from waddington.kernels import status; print(status())'
}

ensure_r
ensure_r_packages
ensure_pandoc
ensure_compiler
ensure_python
ensure_waddington
ensure_kernels
say "Ready: $(R --version | head -n 1 | cut -d' ' -f1-3), $("$venv/bin/python" --version)"
