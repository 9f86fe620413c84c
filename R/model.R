# From Python's model to R's and back, and what a model says of itself.

# The R model of a Python model's description, see describe() of the bridge.
.asModel <- function(told) {
    handle <- new.env(parent = emptyenv())
    handle$model <- told$handle
    methods::new(
        "WaddingtonModel",
        weights = told$weights, recipe = told$recipe,
        genes = as.character(unlist(told$genes)),
        levels = lapply(told$levels, function(v) as.character(unlist(v))),
        history = .historyFrame(told$history),
        record = jsonlite::fromJSON(told$record),
        version = told$version, handle = handle
    )
}

# Columns of numbers as a data frame; what was not measured is NA.
.historyFrame <- function(columns) {
    columns <- lapply(columns, function(v) {
        v <- unlist(v)
        if (is.numeric(v)) replace(v, is.nan(v), NA) else v
    })
    data.frame(columns, check.names = FALSE)
}

# The model in Python; after readRDS() it has to be built again.
.handle <- function(model, call = NULL) {
    handle <- model@handle$model
    gone <- is.null(handle) || reticulate::py_is_null_xptr(handle)
    if (gone) {
        handle <- .callBridge("open_model", model@weights, call = call)
        model@handle$model <- handle
    }
    handle
}

# The recipe as nested lists.
.tree <- function(model) {
    jsonlite::fromJSON(model@recipe, simplifyVector = FALSE)
}

.nLatent <- function(model) {
    as.integer(.tree(model)$latent$n)
}

#' @rdname WaddingtonModel-class
#' @param x,object A WaddingtonModel.
#' @export
setMethod("dim", "WaddingtonModel", function(x) {
    c(length(x@genes), .nLatent(x))
})

#' @rdname WaddingtonModel-class
#' @export
setMethod("dimnames", "WaddingtonModel", function(x) {
    list(x@genes, paste0("VAE", seq_len(.nLatent(x))))
})

#' @rdname WaddingtonModel-class
#' @export
setMethod("show", "WaddingtonModel", function(object) {
    cat(.portrait(object), sep = "\n")
})

# The eight lines of show().
.portrait <- function(model) {
    record <- model@record
    c(
        paste("WaddingtonModel:", .title(model)),
        .line("genes", .count(length(model@genes))),
        .line("cells", .cellsLine(record)),
        .line("latent", .latentLine(model)),
        .line("covariates", .covariatesLine(model)),
        .line("training", .trainingLine(record)),
        .line("held out", .scoreLine(record)),
        .line("seed", .seedLine(record, model@version))
    )
}

.line <- function(name, text) {
    sprintf("%11s  %s", name, text)
}

.count <- function(n) {
    format(n, big.mark = ",", scientific = FALSE, trim = TRUE)
}

# The name of the recipe.
.title <- function(model) {
    .tree(model)$name
}

.cellsLine <- function(record) {
    if (is.null(record$n_cells)) {
        return("not recorded")
    }
    held <- record$n_held_out
    paste0(
        .count(record$n_cells), " trained on",
        if (length(held) && held > 0L) paste0(", ", .count(held), " held out"),
        if (length(record$assay)) paste0("; assay ", record$assay)
    )
}

.latentLine <- function(model) {
    n <- .nLatent(model)
    active <- model@record$active_units
    text <- paste(n, if (n == 1L) "dimension" else "dimensions")
    if (is.null(active)) text else paste0(text, ", ", active, " in use")
}

.covariatesLine <- function(model) {
    levels <- model@levels
    numbers <- .numbersOf(model)
    if (!length(levels) && !length(numbers)) {
        return("none")
    }
    each <- vapply(levels, function(v) {
        shown <- if (length(v) > 3L) c(utils::head(v, 2L), "...") else v
        paste0(" (", length(v), ": ", toString(shown), ")")
    }, "")
    toString(c(
        if (length(levels)) paste0(names(levels), each),
        if (length(numbers)) paste(numbers, "(numbers)")
    ))
}

# The covariates of a model that are numbers.
.numbersOf <- function(model) {
    told <- Filter(
        function(one) identical(one$part, "Continuous"), .tree(model)$conditions
    )
    vapply(told, function(one) one$covariate, "")
}

.trainingLine <- function(record) {
    epochs <- record$epochs
    text <- paste(epochs, if (identical(epochs, 1L)) "epoch" else "epochs")
    seconds <- record$seconds
    if (!is.null(seconds)) {
        text <- paste0(text, " in ", .duration(seconds))
    }
    paste0(text, "; ", record$why)
}

.duration <- function(seconds) {
    if (seconds < 90) {
        return(paste(signif(seconds, 2L), "s"))
    }
    sprintf("%d min %02d s", seconds %/% 60, round(seconds %% 60))
}

# The held-out score beside that of the trivial model, and which is better.
.scoreLine <- function(record) {
    nll <- record$held_out_nll
    trivial <- record$trivial_nll
    if (is.null(nll)) {
        return("not scored")
    }
    text <- sprintf("%s nats per cell", .score(nll))
    if (is.null(trivial)) {
        return(text)
    }
    better <- if (nll < trivial) "" else ": NO BETTER"
    sprintf("%s, trivial model %s%s", text, .score(trivial), better)
}

.score <- function(x) {
    formatC(x, digits = 1L, format = "f", big.mark = ",")
}

.seedLine <- function(record, version) {
    sprintf(
        "%s; %s thread%s, %s, waddington %s", record$seed, record$threads,
        if (identical(record$threads, 1L)) "" else "s", record$device, version
    )
}

#' Training history
#'
#' The scores of a model during training, epoch by epoch.
#'
#' @param x A \linkS4class{WaddingtonModel}.
#' @param ... Not used.
#'
#' @return A data frame with one row per epoch: \code{epoch}, the objective
#'   and its terms on training cells, and the same on held-out cells in
#'   columns that begin with \code{held_out}; in nats per cell.
#'
#' @examplesIf waddingtonAvailable()
#' model <- trainVAE(mockCells(), epochs = 3)
#' trainingHistory(model)
#' @export
setGeneric(
    "trainingHistory", function(x, ...) standardGeneric("trainingHistory")
)

#' @rdname trainingHistory
#' @export
setMethod("trainingHistory", "WaddingtonModel", function(x, ...) x@history)

#' Models of earlier versions
#'
#' Brings a model that was saved with an earlier version of the package into
#' today's form.
#'
#' @param object A \linkS4class{WaddingtonModel}.
#' @param ... Not used.
#' @param verbose Flag: say what is done?
#'
#' @return A valid WaddingtonModel of this version. Everything but the weights
#'   is read again from the model file inside it, so that needs Python.
#'
#' @examplesIf waddingtonAvailable()
#' model <- trainVAE(mockCells(), epochs = 2)
#' identical(dim(updateObject(model)), dim(model))
#' @importFrom BiocGenerics updateObject
#' @export
setMethod("updateObject", "WaddingtonModel", function(
        object, ..., verbose = FALSE) {
    now <- as.character(utils::packageVersion("waddington"))
    if (verbose) {
        .inform("Model of version {object@version}; this is {now}.")
    }
    .modelFromBytes(object@weights, quote(updateObject()))
})

# A model from the bytes of a model file.
.modelFromBytes <- function(bytes, call) {
    handle <- .callBridge("open_model", bytes, call = call)
    .asModel(.callBridge("describe", handle, call = call))
}
