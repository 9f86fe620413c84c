# New data for a trained model: which assay, which genes, which columns.

# A query: the cells in Python, and what R needs to dress the answer.
# With `filed`, counts in a file stay there.
.query <- function(x, model, assay.type, covariates, call,
        extra = list(), filed = FALSE) {
    .checkModel(model, call)
    x <- .asSCE(x)
    counts <- .countsOf(x, .assayOfModel(assay.type, model), NULL, call)
    .checkHasGenes(counts, model, call)
    handle <- .handle(model, call)
    needs <- .callBridge("needs_of", handle, call = call)
    values <- .moreColumns(x, covariates, call)
    columns <- .readColumns(x, needs, values, call)
    .checkLevels(columns$categorical, model, call)
    columns$categorical[names(extra)] <- extra
    cells <- .toCells(counts, columns, call, filed)
    .callBridge("check_query", handle, cells, call = call)
    list(
        handle = handle, cells = cells,
        names = colnames(counts), n = ncol(counts)
    )
}

.checkLevels <- function(columns, model, call) {
    for (name in intersect(names(columns), names(model@levels))) {
        .checkLevel(unique(columns[[name]]), name, model, name, call, c(
            i = paste(
                "{.fn mapQuery} teaches a model with an encoder new levels;",
                "else leave those cells out."
            )
        ))
    }
}

# The assay that the model was trained on, unless another is asked for.
.assayOfModel <- function(assay.type, model) {
    if (!is.null(assay.type)) {
        return(assay.type)
    }
    trained <- model@record$assay
    if (is.null(trained)) "counts" else trained
}

.roleNames <- c("batch", "condition")

# The covariate that `batch` or `condition` stands for in a model.
.covariateOf <- function(model, role, call, remedy = NULL) {
    known <- names(model@levels)
    named <- model@record$roles[[role]]
    if (length(named) == 1L) {
        return(named)
    }
    if (role %in% known) {
        return(role)
    }
    others <- unlist(model@record$roles[setdiff(.roleNames, role)])
    free <- setdiff(known, others)
    if (length(known) == 1L && length(free) == 1L && !length(named)) {
        return(known)
    }
    .abort(c(
        "{.arg model} does not say which covariate is the {role}.",
        i = if (!is.null(remedy)) {
            remedy
        } else if (length(known)) {
            paste(
                "Name it, as in {.code as_if = list({known[1L]} = ...)};",
                "it knows {.val {known}}."
            )
        } else {
            "It was trained without covariates."
        }
    ), class = "unknown_covariate", call = call)
}

# Counterfactual levels by covariate, as the core wants them; one of each, or
# `several`.
.asIf <- function(model, batch, condition, as_if, call, several = FALSE) {
    as_if <- as.list(as_if)
    if (length(as_if) && !rlang::is_named(as_if)) {
        .abort(
            c(
                "{.arg as_if} must be a named list.",
                i = "Such as {.code list(donor = \"101\")}."
            ),
            call = call
        )
    }
    given <- list(batch = batch, condition = condition)
    for (role in names(given)[!vapply(given, is.null, NA)]) {
        as_if[[.covariateOf(model, role, call)]] <- given[[role]]
    }
    unknown <- setdiff(names(as_if), names(model@levels))
    if (length(unknown)) {
        .abort(c(
            "{.arg model} has no covariate {.val {unknown}}.",
            i = if (length(model@levels)) {
                "It knows {.val {names(model@levels)}}."
            } else {
                "It was trained without covariates."
            }
        ), class = "unknown_covariate", call = call)
    }
    check <- if (several) .someLevels else .oneLevel
    Map(function(level, name) check(level, name, model, call),
        as_if, names(as_if))
}

.someLevels <- function(level, name, model, call) {
    if (!length(level) || anyNA(level)) {
        .abort(
            "Levels of {.field {name}} are wanted, none or NA is given.",
            class = "wrong_length", call = call
        )
    }
    as.list(.checkLevel(unique(level), name, model, name, call))
}

.oneLevel <- function(level, name, model, call) {
    if (length(level) != 1L || is.na(level)) {
        .abort(
            "One level of {.field {name}} is wanted, not {length(level)}.",
            class = "wrong_length", call = call
        )
    }
    .checkLevel(level, name, model, name, call)
}
