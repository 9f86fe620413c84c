# Which Python is used, and what it has. Order: RETICULATE_PYTHON or
# WADDINGTON_PYTHON; the environment made by installWaddington(); what
# reticulate (1.41 or newer) provides; a Python with torch that it finds.

# What the core needs; those of DESCRIPTION's SystemRequirements.
.pythonPackages <- function() {
    c(
        "torch>=2.1", "numpy>=1.23", "scipy>=1.10", "anndata>=0.9",
        "h5py>=3.7", "pandas>=1.5", "safetensors>=0.4", "scikit-learn>=1.2"
    )
}

.pythonModules <- function() {
    c(
        "torch", "numpy", "scipy", "anndata", "h5py", "pandas",
        "safetensors", "sklearn"
    )
}

# Where installWaddington() puts things; administrators may point all users
# at one place.
.home <- function() {
    home <- Sys.getenv("WADDINGTON_HOME")
    if (nzchar(home)) home else tools::R_user_dir("waddington", "data")
}

.managedPython <- function(envdir = file.path(.home(), "venv")) {
    if (.Platform$OS.type == "windows") {
        file.path(envdir, "Scripts", "python.exe")
    } else {
        file.path(envdir, "bin", "python")
    }
}

# Where the Python files of the package are.
.corePath <- function() {
    system.file("python", package = "waddington")
}

# The Python that would be used, and why: list(python, why), python NULL if it
# is reticulate that will provide one, or none is known.
.choosePython <- function() {
    if (reticulate::py_available(initialize = FALSE)) {
        return(list(
            python = reticulate::py_config()$python, why = "already running"
        ))
    }
    for (name in c("RETICULATE_PYTHON", "WADDINGTON_PYTHON")) {
        if (nzchar(Sys.getenv(name))) {
            return(list(
                python = path.expand(Sys.getenv(name)),
                why = paste("environment variable", name)
            ))
        }
    }
    if (file.exists(.managedPython())) {
        return(list(python = .managedPython(), why = "installWaddington()"))
    }
    if (.canProvide()) {
        return(list(python = NULL, why = "reticulate provides one"))
    }
    list(python = .findPython(), why = "found by reticulate")
}

.canProvide <- function() {
    exists("py_require", asNamespace("reticulate"), mode = "function")
}

# A Python with torch among those that reticulate knows, or NULL.
.findPython <- function() {
    found <- tryCatch(
        reticulate::py_discover_config("torch"), error = function(e) NULL
    )
    if (length(found$required_module_path)) found$python
}

# What a Python has, asked in a child process before it is started for good:
# list(version, modules = named versions, "" where absent), or NULL.
.probePython <- function(python) {
    code <- paste(
        "import sys, json, importlib.util as u, importlib.metadata as m",
        "def v(name, dist):",
        "    try: return m.version(dist) if u.find_spec(name) else ''",
        "    except Exception: return '?'",
        sprintf("names = '%s'.split(', ')", toString(.pythonModules())),
        "dist = {'sklearn': 'scikit-learn'}",
        "mods = {n: v(n, dist.get(n, n)) for n in names}",
        "ver = '.'.join(map(str, sys.version_info[:3]))",
        "print(json.dumps({'version': ver, 'modules': mods}))",
        sep = "\n"
    )
    file <- tempfile(fileext = ".py")
    on.exit(unlink(file))
    writeLines(code, file)
    out <- .runPython(python, file)
    if (attr(out, "status") != 0L) {
        return(NULL)
    }
    jsonlite::fromJSON(utils::tail(out, 1L))
}

# A child Python. R's LD_LIBRARY_PATH would give it another Python's library.
.runPython <- function(python, args, echo = FALSE) {
    out <- suppressWarnings(tryCatch(
        system2(
            python, shQuote(args), stdout = if (echo) "" else TRUE,
            stderr = if (echo) "" else TRUE, env = "LD_LIBRARY_PATH="
        ),
        error = function(e) structure(conditionMessage(e), status = 127L)
    ))
    if (echo) {
        return(structure("", status = as.integer(out)))
    }
    structure(
        out, status = if (is.null(attr(out, "status"))) 0L else
            attr(out, "status")
    )
}

# Faults of a Python, as messages with their remedies; none is character(0).
# They are complete, but for cli's marks.
.faultsOf <- function(probe, python) {
    if (is.null(probe)) {
        return(c(
            x = paste(python, "does not run."),
            i = "Set {.envvar WADDINGTON_PYTHON} to a Python that does."
        ))
    }
    c(
        .versionFault(probe$version, utils::packageVersion("reticulate")),
        .numpyFault(
            probe$modules[["numpy"]], utils::packageVersion("reticulate")
        ),
        .moduleFault(probe$modules)
    )
}

.versionFault <- function(version, reticulate) {
    if (package_version(version) < "3.10") {
        return(c(
            x = paste0("Python ", version, " is too old; 3.10 is the oldest."),
            i = "Run {.run waddington::installWaddington()}."
        ))
    }
    newest <- if (reticulate < "1.35") "3.11" else
        if (reticulate < "1.40") "3.12" else Inf
    minor <- sub("^(\\d+\\.\\d+).*", "\\1", version)
    if (is.character(newest) && package_version(minor) > newest) {
        return(c(
            x = paste0(
                "Python ", version, " is too new for reticulate ", reticulate,
                ", which knows up to ", newest, "."
            ),
            i = paste(
                "Update reticulate, or set {.envvar WADDINGTON_PYTHON} to an",
                "older Python."
            )
        ))
    }
    character(0L)
}

.numpyFault <- function(numpy, reticulate) {
    if (nzchar(numpy) && numpy != "?" && package_version(numpy) >= "2" &&
        reticulate < "1.38") {
        return(c(
            x = paste0(
                "numpy ", numpy, " needs reticulate 1.38 or newer; here is ",
                reticulate, "."
            ),
            i = paste(
                "Update reticulate, or run {.code pip install \"numpy<2\"}",
                "with that Python."
            )
        ))
    }
    character(0L)
}

.moduleFault <- function(modules) {
    absent <- names(modules)[!vapply(modules, nzchar, NA)]
    if (!length(absent)) {
        return(character(0L))
    }
    packages <- sub("sklearn", "scikit-learn", absent, fixed = TRUE)
    c(
        x = paste0("It lacks: ", toString(absent), "."),
        i = paste(
            "Run {.run waddington::installWaddington()},",
            "or install them there:",
            paste0("{.code pip install ", paste(packages, collapse = " "), "}.")
        )
    )
}
