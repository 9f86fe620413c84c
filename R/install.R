#' Install Python and what the models need
#'
#' Makes a virtual environment with PyTorch and the other Python packages, in a
#' folder of this package's own. It is needed once per machine, and not at all
#' where a Python that has them is named by \code{WADDINGTON_PYTHON}.
#'
#' @param envdir String, the folder of the environment. The default is found
#'   again by itself; administrators can point all users at one place with the
#'   environment variable \code{WADDINGTON_HOME}.
#' @param python String, the Python to make it from, 3.10 or newer;
#'   \code{NULL} looks for one.
#' @param torch \code{"cpu"} for PyTorch without GPU code, which is smaller;
#'   \code{"default"} for what PyTorch offers this system, GPU code included;
#'   \code{"none"} to use a PyTorch that the Python has already. On Linux
#'   \code{"cpu"} needs the address of PyTorch's index of such builds, which
#'   its installation page gives: set the option
#'   \code{waddington.torch_index} to it. Without, the default is taken.
#' @param wheels String, a folder of wheels to install from without network.
#' @param upgrade Flag: make an environment that is there anew?
#' @param ask Flag: ask before downloading?
#'
#' @return The path of the Python in the environment, invisibly.
#'
#' @details
#' The environment appears all at once, when everything in it works; a failed
#' installation leaves nothing behind.
#'
#' @seealso \code{\link{waddingtonStatus}} for what is used and why.
#' @examples
#' \dontrun{
#' installWaddington()
#' installWaddington(wheels = "/software/wheels")   # without network
#' }
#' waddingtonAvailable()
#' @export
installWaddington <- function(envdir = NULL, python = NULL,
        torch = c("cpu", "default", "none"), wheels = NULL, upgrade = FALSE,
        ask = interactive()) {
    call <- sys.call()
    torch <- .checkChoice(torch, c("cpu", "default", "none"), "torch", call)
    if (is.null(envdir)) {
        envdir <- file.path(.home(), "venv")
    }
    envdir <- path.expand(.checkString(envdir, "envdir", call))
    if (file.exists(.managedPython(envdir)) && !upgrade) {
        .inform(c(
            v = "There is an environment already: {.file {envdir}}.",
            i = "Set {.code upgrade = TRUE} to make it anew."
        ))
        return(invisible(.managedPython(envdir)))
    }
    if (!is.null(wheels) && !dir.exists(wheels)) {
        .abort(
            "There is no folder {.arg wheels} = {.file {wheels}}.",
            class = "no_folder", call = call
        )
    }
    torch <- .torchBuild(torch, wheels)
    python <- .starterPython(python, call)
    if (ask && !.agreed(envdir, torch, wheels)) {
        return(invisible(NULL))
    }
    .makeEnvironment(envdir, python, torch, wheels, call)
}

# On Linux, builds without GPU code have an index of their own.
.torchBuild <- function(torch, wheels) {
    linux <- Sys.info()[["sysname"]] == "Linux"  # elsewhere all are for CPUs
    known <- !is.null(wheels) || !is.null(getOption("waddington.torch_index"))
    if (torch != "cpu" || !linux || known) {
        return(torch)
    }
    .inform(c(
        "!" = "PyTorch's default build is installed, GPU code included.",
        i = paste(
            "For the smaller one set",
            "{.code options(waddington.torch_index = )} to the address that",
            "PyTorch's installation page gives for CPUs."
        )
    ))
    "default"
}

.agreed <- function(envdir, torch, wheels) {
    size <- if (torch == "default") "up to 3 GB" else "about 300 MB"
    from <- if (is.null(wheels)) paste("download", size) else "install"
    question <- sprintf("This will %s into %s. Go on?", from, envdir)
    isTRUE(utils::askYesNo(question))
}

# A Python that can make environments and that this reticulate can run.
.starterPython <- function(python, call) {
    found <- c(
        python, Sys.getenv("WADDINGTON_PYTHON"), "/usr/bin/python3",
        Sys.which(paste0("python3.", 13:10)), Sys.which("python3"),
        Sys.which("python")
    )
    found <- unique(found[nzchar(found) & file.exists(found)])
    if (!is.null(python)) {
        found <- utils::head(found[found == path.expand(python)], 1L)
    }
    for (candidate in found) {
        if (.canStart(candidate)) {
            return(candidate)
        }
    }
    .abort(c(
        "No Python was found that can make an environment.",
        x = if (length(found)) "Tried {.file {found}}.",
        i = paste(
            "It must be 3.10 or newer, known to reticulate",
            "{utils::packageVersion('reticulate')}, and have the modules venv",
            "and ssl (on Debian: apt install python3-venv)."
        ),
        i = "Name one with {.arg python}."
    ), class = "no_python", call = call)
}

.canStart <- function(python) {
    code <- tempfile(fileext = ".py")
    on.exit(unlink(code))
    writeLines(c(
        "import sys, ssl, venv, ensurepip",
        "print('.'.join(map(str, sys.version_info[:3])))"
    ), code)
    out <- .runPython(python, code)
    attr(out, "status") == 0L && !length(.versionFault(
        utils::tail(out, 1L), utils::packageVersion("reticulate")
    ))
}

# Built beside its place and moved there when it works. Scripts inside know
# their path, so only `python -m` is used of a moved environment.
.makeEnvironment <- function(envdir, python, torch, wheels, call) {
    dir.create(dirname(envdir), recursive = TRUE, showWarnings = FALSE)
    beside <- tempfile("venv-", dirname(envdir))
    on.exit(unlink(beside, recursive = TRUE))
    site <- if (torch == "none") "--system-site-packages"
    .step(python, c("-m", "venv", site, beside), "make an environment", call)
    for (args in .pipCalls(torch, wheels)) {
        .step(
            .managedPython(beside), c("-m", "pip", "install", args),
            "install packages", call
        )
    }
    probe <- .probePython(.managedPython(beside))
    faults <- .faultsOf(probe, .managedPython(beside))
    if (length(faults)) {
        python <- .managedPython(beside)
        .abort(
            c("The environment does not work.", faults),
            class = "not_installed", call = call
        )
    }
    .stamp(beside)
    .kernelsOf(.managedPython(beside))  # compiles them ahead
    unlink(envdir, recursive = TRUE)
    file.rename(beside, envdir)
    .inform(c(v = "Installed into {.file {envdir}}."))
    invisible(.managedPython(envdir))
}

# The arguments of each call of pip.
.pipCalls <- function(torch, wheels) {
    offline <- if (!is.null(wheels)) {
        c("--no-index", "--find-links", path.expand(wheels))
    }
    packages <- .pythonPackages()
    if (utils::packageVersion("reticulate") < "1.38") {
        packages <- sub("^numpy.*", "numpy>=1.23,<2", packages)
    }
    isTorch <- startsWith(packages, "torch")
    index <- getOption("waddington.torch_index")
    first <- if (torch == "cpu" && is.null(wheels) && !is.null(index)) {
        c("--index-url", index)
    }
    calls <- list(c(offline, packages[!isTorch]))
    if (torch != "none") {
        calls <- c(list(c(offline, first, packages[isTorch])), calls)
    }
    calls
}

.step <- function(python, args, what, call) {
    out <- .runPython(python, args)
    if (attr(out, "status") != 0L) {
        said <- utils::tail(as.character(out), 3L)
        .abort(c(
            "Python could not {what}.", x = "{said}",
            i = "Called: {.code {paste(c(python, args), collapse = ' ')}}"
        ), class = "not_installed", call = call)
    }
}

# Which version of the package made the environment.
.stamp <- function(envdir) {
    writeLines(
        as.character(utils::packageVersion("waddington")),
        file.path(envdir, "waddington-version")
    )
}
