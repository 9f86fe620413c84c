# How the core is started and called. Everything that R asks of Python goes
# through .callBridge(); python/waddington/bridge is the other end.

# The value that a function of the bridge answers with. Its warnings become R's,
# its exceptions errors of class waddington_<PythonClass> from `call`.
.callBridge <- function(name, ..., call = NULL) {
    answer <- .askBridge(name, ..., call = call)
    for (text in as.character(unlist(answer$warnings))) {
        text <- .inWordsOfR(text)
        .warn("{text}", class = "waddington_UserWarning")
    }
    if (!is.null(answer$error)) {
        if (identical(answer$error$class, "KeyboardInterrupt")) {
            .signalInterrupt()
        }
        .abortPython(answer$error, call)
    }
    answer$value
}

.askBridge <- function(name, ..., call) {
    bridge <- .bridge(call)
    reticulate::py_to_r(bridge[[name]](...))
}

# Ctrl-C that Python caught goes on as R's own.
.signalInterrupt <- function() {
    condition <- structure(
        class = c("interrupt", "condition"), list(message = "", call = NULL)
    )
    signalCondition(condition)
    rlang::interrupt()
}

# The bridge module, started at its first use.
.bridge <- function(call = NULL) {
    if (is.null(.state$bridge)) {
        .state$bridge <- .startPython(call)
    }
    .state$bridge
}

.startPython <- function(call) {
    running <- reticulate::py_available(initialize = FALSE)
    chosen <- .choosePython()
    if (is.null(chosen$python) && !.canProvide()) {
        .abort(c(
            "No Python with torch was found.",
            i = "Run {.run waddington::installWaddington()} once, or",
            i = "set {.envvar WADDINGTON_PYTHON} to a Python that has it."
        ), class = "no_python", call = call)
    }
    if (!is.null(chosen$python)) {
        .checkPython(chosen, running, call)
    }
    if (!running && !is.null(chosen$python)) {
        reticulate::use_python(chosen$python, required = TRUE)
    }
    .importBridge(call)
}

.checkPython <- function(chosen, running, call) {
    probe <- .probePython(chosen$python)
    faults <- .faultsOf(probe, chosen$python)
    if (!length(faults)) {
        return(invisible())
    }
    python <- chosen$python
    .abort(c(
        "{.file {python}} ({chosen$why}) can't run the models.",
        faults,
        if (running) c(i = paste(
            "Another package may have started it: restart R and load",
            "waddington first."
        ))
    ), class = "no_python", call = call)
}

.importBridge <- function(call) {
    path <- .corePath()
    if (!dir.exists(file.path(path, "waddington"))) {
        .abort(c(
            "The Python files of the package are missing from {.file {path}}.",
            i = paste(
                "A symbolic link was lost when it was installed; install it",
                "from a built package."
            )
        ), class = "no_python", call = call)
    }
    bridge <- tryCatch(
        {
            .loadTorch()
            reticulate::import_from_path(
                "waddington.bridge", path, convert = FALSE
            )
        },
        error = function(e) {
            .abort(c(
                "The Python core could not be loaded.",
                i = "See {.run waddington::waddingtonStatus()}."
            ), class = "no_python", call = call, parent = e)
        }
    )
    .checkVersion(reticulate::py_to_r(bridge$version()), call)
    bridge
}

# R's BLAS is among the global symbols of the process, and torch would call it
# in the place of its own: with R's reference BLAS, matrix products took 30
# times as long. Bound deeply, torch looks among its own symbols first. A
# preloaded allocator would then be split from its own `free`, so it is left.
.loadTorch <- function() {
    reticulate::py_run_string(local = TRUE, code = paste(
        "import os, sys",
        "deep = getattr(os, 'RTLD_DEEPBIND', 0)",
        "fresh = 'torch' not in sys.modules and not os.getenv('LD_PRELOAD')",
        "if deep and fresh:",
        "    flags = sys.getdlopenflags()",
        "    sys.setdlopenflags(flags | deep)",
        "    try:",
        "        import torch",
        "    finally:",
        "        sys.setdlopenflags(flags)",
        sep = "\n"
    ))
}

# R and Python come from one tree; a module that was loaded from elsewhere
# may be another version.
.checkVersion <- function(python, call) {
    own <- as.character(utils::packageVersion("waddington"))
    if (!identical(python, own)) {
        .abort(c(
            "The R package is version {own}, its Python core {python}.",
            i = paste(
                "Another {.pkg waddington} was loaded into Python first;",
                "restart R, or uninstall it there."
            )
        ), class = "no_python", call = call)
    }
}
