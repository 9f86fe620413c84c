#' Which Python is used, and does it work?
#'
#' \code{waddingtonStatus} tells which Python would run or runs the models,
#' why that one, and what it has: the first thing to put into a bug report.
#' \code{waddingtonAvailable} says whether models can be trained here.
#'
#' @return \code{waddingtonStatus}: a list of class \code{waddington_status},
#'   which prints; its elements are strings. \code{waddingtonAvailable}:
#'   \code{TRUE} or \code{FALSE}.
#'
#' @details
#' The order is: the environment variables \code{RETICULATE_PYTHON} or
#' \code{WADDINGTON_PYTHON}; the environment made by
#' \code{\link{installWaddington}}; with reticulate 1.41 or newer, what
#' reticulate provides; otherwise a Python with PyTorch that reticulate finds.
#' If Python runs already, that one is used. Neither function starts it.
#'
#' @examples
#' waddingtonStatus()
#' waddingtonAvailable()
#' @export
waddingtonStatus <- function() {
    chosen <- .choosePython()
    probe <- if (!is.null(chosen$python)) .probePython(chosen$python)
    running <- reticulate::py_available(initialize = FALSE)
    status <- list(
        python = if (is.null(chosen$python)) "none" else chosen$python,
        why = chosen$why,
        version = if (is.null(probe)) "" else probe$version,
        started = if (running) "yes" else "no, it starts when it is needed",
        core = .corePath(),
        packages = unlist(probe$modules),
        managed = .managedStamp(),
        kernels = if (length(probe$modules)) .kernelsOf(chosen$python) else "",
        faults = .statusFaults(chosen, probe)
    )
    status$versions <- c(
        waddington = as.character(utils::packageVersion("waddington")),
        reticulate = as.character(utils::packageVersion("reticulate")),
        R = as.character(getRversion())
    )
    structure(status, class = "waddington_status")
}

# Faults as plain text.
.statusFaults <- function(chosen, probe) {
    if (is.null(chosen$python)) {
        return(if (.canProvide()) character(0L) else
            "No Python with torch was found: run installWaddington().")
    }
    python <- chosen$python
    faults <- .faultsOf(probe, python)
    vapply(faults, function(text) {
        cli::ansi_strip(cli::format_inline(text))
    }, "", USE.NAMES = FALSE)
}

# Which path the arithmetic takes in a Python, and why: asked in a child
# process, which compiles the kernels if they are not there yet.
.kernelsOf <- function(python) {
    file <- tempfile(fileext = ".py")
    on.exit(unlink(file))
    writeLines(c(
        "import sys", sprintf("sys.path.insert(0, %s)", deparse(.corePath())),
        "from waddington.kernels import products, status", "s = status()",
        "print('C' if s['active'] else 'torch', '(%s);' % s['why'],",
        "      'large products by', products.status())"
    ), file)
    out <- .runPython(python, file)
    if (attr(out, "status") == 0L) utils::tail(as.character(out), 1L) else ""
}

.managedStamp <- function() {
    stamp <- file.path(.home(), "venv", "waddington-version")
    if (!file.exists(stamp)) {
        return("none; installWaddington() makes one")
    }
    paste0(dirname(stamp), ", made by version ", readLines(stamp, 1L))
}

#' @export
#' @noRd
print.waddington_status <- function(x, ...) {
    line <- function(name, text) cat(sprintf("%12s  %s\n", name, text))
    packages <- x$packages[nzchar(x$packages)]
    line("waddington", paste0(
        x$versions[["waddington"]], ", R ", x$versions[["R"]],
        ", reticulate ", x$versions[["reticulate"]]
    ))
    line("Python", paste(x$version, x$python))
    line("chosen by", x$why)
    line("started", x$started)
    line("packages", toString(paste(names(packages), packages)))
    line("core", x$core)
    line("kernels", x$kernels)
    line("environment", x$managed)
    line("ready", if (length(x$faults)) "NO" else "yes")
    for (fault in x$faults) {
        line("", fault)
    }
    invisible(x)
}

#' @rdname waddingtonStatus
#' @export
waddingtonAvailable <- function() {
    if (!is.null(.state$bridge)) {
        return(TRUE)
    }
    chosen <- .choosePython()
    if (is.null(chosen$python)) {
        return(FALSE)
    }
    !length(.faultsOf(.probePython(chosen$python), chosen$python))
}
