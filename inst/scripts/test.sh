#!/usr/bin/env bash
# Every test: lint, architecture, Python, R with R CMD check, BiocCheck. Sets up what is missing.
#
#     bash inst/scripts/test.sh
#
# Every step runs, whatever came of the others. The last line counts the tests of all; the exit
# status is not zero if any failed.

# shellcheck source=inst/scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

bash "$scripts/setup.sh" test
cd "$root"
python="$venv/bin/python"
export OMP_NUM_THREADS=1
work="$(mktemp -d "${TMPDIR:-/tmp}/waddington-test.XXXXXX")"
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

rscript() { Rscript --no-save --no-restore --no-site-file --no-init-file "$@"; }

# Runs one step and notes its result.
#   step NAME FUNCTION
# The function may leave counts of single tests in $work/FUNCTION.counts ("PASSED FAILED"); without
# them the step itself counts as one test.
step() {
    local name="$1" from="$SECONDS" counts="$work/$2.counts" good=1 bad=0 status
    say "$name"
    # Not behind || or if: there, bash would go on after a command of the step that failed.
    set +e
    (set -e; "$2") </dev/null
    status=$?
    set -e
    if [ -s "$counts" ]; then
        read -r good bad <"$counts"
        [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    elif [ "$status" -ne 0 ]; then
        good=0 bad=1
    fi
    printf '%-32s %6d passed %4d failed %5d s\n' \
        "$name" "$good" "$bad" $((SECONDS - from)) >>"$work/results"
}

lint_python() {
    "$python" -m ruff check --output-format concise python tests inst/scripts
    "$python" -m ruff format --check python tests inst/scripts
    "$python" -m mypy
}

lint_r() {
    rscript -e 'lints <- lintr::lint_package()' \
        -e 'if (length(lints)) { print(lints); quit(status = 1) }'
}

# Writes man/ and NAMESPACE anew in a copy; what is in the repository must be the same.
fresh_man() {
    local copy="$work/roxygen" have written
    have="$(rscript -e 'cat(as.character(packageVersion("roxygen2")))')"
    written="$(sed -n 's/^RoxygenNote: *//p' DESCRIPTION)"
    if [ "$have" != "$written" ]; then
        echo "Not compared: they were written by roxygen2 $written, this is $have."
        return 0
    fi
    mkdir "$copy"
    cp -R DESCRIPTION NAMESPACE R man "$copy"
    (cd "$copy" && rscript -e 'roxygen2::roxygenise()') >"$work/roxygen.log" 2>&1 ||
        { cat "$work/roxygen.log"; return 1; }
    diff -r NAMESPACE "$copy/NAMESPACE" && diff -r man "$copy/man" ||
        { echo "Stale: run roxygen2::roxygenise()."; return 1; }
}

# Reads the two counts from pytest's own report, so that nothing depends on its closing line.
test_python() {
    local status=0
    "$python" -m pytest -o junit_family=xunit2 --junit-xml="$work/pytest.xml" || status=$?
    "$python" - "$work/pytest.xml" >"$work/test_python.counts" <<'PYTHON' || true
import sys
from xml.etree import ElementTree

suite = ElementTree.parse(sys.argv[1]).getroot().find("testsuite")
ran, failures, errors, skipped = (
    int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")
)
print(max(ran - failures - errors - skipped, 0), failures + errors)
PYTHON
    return "$status"
}

# The tarball that build_r made; the steps after it can do nothing without.
tarball() {
    local file
    file="$(find "$work" -maxdepth 1 -name 'waddington_*.tar.gz')"
    [ -n "$file" ] || { echo "There is no tarball: R CMD build failed." >&2; return 1; }
    printf '%s' "$file"
}

build_r() {
    cd "$work"
    R CMD build "$root"
    local bytes
    bytes="$(wc -c <"$(tarball)")"
    echo "The tarball has $bytes bytes; Bioconductor takes 5 MB at most."
    [ "$bytes" -lt 5000000 ]
}

# R CMD check runs testthat, whose closing line has the counts. A warning of the check is a failure.
check_r() {
    local status=0 out file
    file="$(tarball)"
    cd "$work"
    # The vignettes are built anew, which runs their code; to run it once is enough.
    _R_CHECK_FORCE_SUGGESTS_=false _R_CHECK_VIGNETTES_SKIP_RUN_MAYBE_=true \
        R CMD check --no-manual "$file" || status=$?
    for out in waddington.Rcheck/tests/testthat.Rout*; do
        [ -f "$out" ] || continue
        tail -n 25 "$out"
        sed -n 's/^\[ FAIL \([0-9]*\) .* PASS \([0-9]*\) \]$/\2 \1/p' "$out" | tail -n 1 \
            >"$work/check_r.counts"
    done
    ! grep -q '^Status:.*\(ERROR\|WARNING\)' waddington.Rcheck/00check.log || status=1
    return "$status"
}

# The switches leave out what asks the network.
bioc_check() {
    local file
    file="$(tarball)"
    cd "$work"
    rscript -e 'result <- BiocCheck::BiocCheck(
        commandArgs(TRUE), `no-check-bioc-help` = TRUE,
        `no-check-version-num` = TRUE, `no-check-CRAN` = TRUE,
        `no-check-deprecated` = TRUE)
        quit(status = length(result$error) > 0)' "$file"
}

# total passed|failed: the sum over all steps.
total() {
    awk -v word="$1" '{ for (i = 2; i <= NF; i++) if ($i == word) n += $(i - 1) }
        END { print n + 0 }' "$work/results"
}

# One core each: what R's steps say is shown when they are done.
check_package() {
    step "R: R CMD build" build_r
    step "R: R CMD check with testthat" check_r
    step "R: BiocCheck" bioc_check
}

say "R CMD build, R CMD check and BiocCheck run beside the other steps; they are shown at the end"
check_package >"$work/package.log" 2>&1 &
step "Lint: ruff and mypy" lint_python
step "Lint: lintr" lint_r
step "R: man pages are fresh" fresh_man
step "Python: pytest" test_python
say "Waiting for R CMD check"
wait
cat "$work/package.log"

say "All steps, $((SECONDS / 60)) min $((SECONDS % 60)) s"
cat "$work/results"
passed="$(total passed)" failed="$(total failed)"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
