# What happens when the package is loaded: almost nothing. Python does not
# start and nothing is downloaded until a verb needs it.

.state <- new.env(parent = emptyenv())

.onLoad <- function(libname, pkgname) {
    .requirePython()
    invisible()
}

# Newer versions of reticulate provide packages by themselves if they are told
# which. They are told only where nobody chose a Python.
.requirePython <- function() {
    named <- Sys.getenv(c("RETICULATE_PYTHON", "WADDINGTON_PYTHON"))
    chosen <- any(nzchar(named)) || file.exists(.managedPython())
    declare <- get0(
        "py_require", asNamespace("reticulate"), mode = "function"
    )
    if (!is.null(declare) && !chosen) {
        declare(.pythonPackages(), python_version = ">=3.10")
    }
}
