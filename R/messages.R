# Everything the package says goes through here: errors, warnings and messages
# are cli conditions, so that suppressMessages() and tryCatch() work on them.

# An error about something the user gave. `call` is what the user typed.
.abort <- function(message, class = NULL, call = NULL, ...,
        .envir = parent.frame()) {
    classes <- c(class, "waddington_InputError", "waddington_error")
    cli::cli_abort(
        message, class = unique(classes), call = call, ..., .envir = .envir
    )
}

.warn <- function(message, class = NULL, ..., .envir = parent.frame()) {
    cli::cli_warn(
        message, class = c(class, "waddington_warning"), ..., .envir = .envir
    )
}

# A warning that is given for each of several is heard once.
.warnOnce <- function(code) {
    heard <- character()
    withCallingHandlers(code, warning = function(w) {
        if (conditionMessage(w) %in% heard) {
            invokeRestart("muffleWarning")
        }
        heard <<- c(heard, conditionMessage(w))
    })
}

.inform <- function(message, .envir = parent.frame()) {
    cli::cli_inform(message, class = "waddington_message", .envir = .envir)
}

# verbose = NULL speaks where somebody listens: not in a report, nor in tests.
.isVerbose <- function(verbose) {
    if (!is.null(verbose)) {
        return(isTRUE(verbose))
    }
    !isTRUE(getOption("knitr.in.progress")) &&
        !identical(Sys.getenv("TESTTHAT"), "true")
}

# What the core calls the functions that R calls otherwise.
.verbsOfR <- c(
    latent = "getLatent", path_between = "interpolateCells",
    traverse = "traverseLatent", sample = "sampleCells",
    clusters = "getClusters", label = "predictLabels",
    transform = "transformCells", correct_batch = "correctBatch",
    map_query = "mapQuery", transfer_labels = "transferLabels",
    check_model = "checkModel", find_doublets = "findDoublets",
    zero_inflation = "zeroInflation",
    differential_expression = "differentialExpression",
    differential_abundance = "differentialAbundance",
    predict_perturbation = "predictPerturbation",
    evaluate_perturbation = "evaluatePerturbation",
    perturbation_map = "perturbationMap"
)

# What the core says in its own words, said in R's: `layer` is `assay.type`.
.inWordsOfR <- function(text) {
    words <- c(
        layer = "assay.type", data = "x", adata = "x", categorical = "batch",
        as_if = "as_if", source = "from", target = "to"
    )
    for (word in names(words)) {
        text <- gsub(
            paste0("`", word, "`"), paste0("`", words[[word]], "`"), text,
            fixed = TRUE
        )
    }
    for (verb in names(.verbsOfR)) {
        text <- gsub(
            paste0("\\b", verb, "\\("), paste0(.verbsOfR[[verb]], "("), text
        )
    }
    text
}

# The error of a Python exception: class waddington_<PythonClass>.
.abortPython <- function(error, call) {
    classes <- c(paste0("waddington_", error$class), "waddington_error")
    known <- error$class %in%
        c("InputError", "TrainingError", "ModelFileError", "OSError")
    text <- .inWordsOfR(error$message)
    message <- "{text}"
    if (!known) {
        message <- c(
            "The Python core failed: {error$class}: {error$message}",
            i = "This is our bug, or a broken installation.",
            i = paste(
                "See {.code waddington::waddingtonStatus()}; the traceback is",
                "in {.code rlang::last_error()$traceback}."
            )
        )
    }
    cli::cli_abort(
        message, class = classes, call = call, argument = error$argument,
        traceback = error$traceback
    )
}

`%||%` <- function(a, b) if (is.null(a)) b else a
