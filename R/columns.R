# Which columns of the data a recipe reads, and their values.
#
# `batch`, `condition` and `covariates` each name a column of colData(x), or
# are the values themselves. A column keeps its name as the name of the
# covariate; values go by the name of the argument.

# The named columns: `roles`, such as list(batch = "donor"); `values` by name,
# such as list(donor = ...); and `covariates`, the names of further ones.
.roles <- function(x, batch, condition, covariates, call) {
    given <- list(batch = batch, condition = condition)
    given <- given[!vapply(given, is.null, NA)]
    roles <- list()
    values <- list()
    for (role in names(given)) {
        some <- .oneColumn(x, given[[role]], role, call)
        roles[[role]] <- names(some)
        values <- c(values, some)
    }
    more <- .moreColumns(x, covariates, call)
    list(
        roles = roles, covariates = names(more),
        values = c(values, more[setdiff(names(more), names(values))])
    )
}

# One column as a list of one, named by its covariate; or several by name.
.oneColumn <- function(x, column, role, call) {
    n <- ncol(x)
    if (is.character(column) && length(column) < n) {
        if (!methods::is(x, "SummarizedExperiment")) {
            .abort(c(
                paste(
                    "{.arg {role}} must have one value for each cell, because",
                    "{.arg x} is a matrix."
                ),
                x = "It is {.val {column}}.",
                i = "A SingleCellExperiment has columns that can be named."
            ), class = "wrong_length", call = call)
        }
        values <- lapply(column, function(v) .columnOf(x, v, role, call))
        return(rlang::set_names(values, column))
    }
    rlang::set_names(
        list(.checkCovariate(column, n, role, call)), role
    )
}

# `covariates`: names of columns, or a data frame or list of values.
.moreColumns <- function(x, covariates, call) {
    if (is.null(covariates)) {
        return(list())
    }
    if (is.character(covariates) && is.null(dim(covariates))) {
        if (!methods::is(x, "SummarizedExperiment")) {
            .abort(c(
                paste(
                    "{.arg covariates} must be a data frame of values, because",
                    "{.arg x} is a matrix."
                ),
                x = "It is {.val {covariates}}."
            ), class = "wrong_length", call = call)
        }
        values <- lapply(
            covariates, function(v) .columnOf(x, v, "covariates", call)
        )
        known <- rlang::names2(covariates)
        names(values) <- ifelse(nzchar(known), known, covariates)
        return(values)
    }
    values <- as.list(covariates)
    if (!rlang::is_named(values)) {
        .abort(
            "{.arg covariates} must have names.", class = "unnamed", call = call
        )
    }
    values
}

# The values of the columns that are needed, checked and sorted by kind.
# needs: list(covariates, numbers, labels), see needs() of the bridge.
.readColumns <- function(x, needs, values, call) {
    n <- ncol(x)
    labels <- as.character(unlist(needs$labels))
    read <- function(name, check) {
        given <- values[[name]]
        if (is.null(given)) {
            given <- .neededColumn(x, name, call)
        }
        check(given, n, name, call)
    }
    named <- function(names) {
        names <- as.character(unlist(names))
        rlang::set_names(names)
    }
    list(
        categorical = lapply(named(needs$covariates), function(name) {
            known <- if (name %in% labels) .checkLabels else .checkCovariate
            .asLevels(read(name, known))
        }),
        continuous = lapply(
            named(needs$numbers), function(name) read(name, .checkReal)
        ),
        size_factor = if (isTRUE(needs$size_factor)) .sizeFactors(x, call)
    )
}

# The size factors of `x`, for the recipes that want those of the user.
.sizeFactors <- function(x, call) {
    factors <- if (methods::is(x, "SingleCellExperiment")) {
        SingleCellExperiment::sizeFactors(x)
    }
    if (is.null(factors)) {
        .abort(c(
            "The recipe reads size factors, and {.arg x} has none.",
            i = "Set {.code sizeFactors(x)}, or use library = \"observed\"."
        ), class = "no_size_factors", call = call)
    }
    as.numeric(factors)
}

.neededColumn <- function(x, name, call) {
    known <- if (methods::is(x, "SummarizedExperiment"))
        colnames(SummarizedExperiment::colData(x))
    if (name %in% known) {
        return(x[[name]])
    }
    .abort(c(
        "The model reads {.field {name}}, which {.arg x} does not have.",
        i = if (length(known)) {
            "{.code colData(x)} has {.val {known}}."
        } else {
            "Give {.code covariates = data.frame({name} = ...)}."
        }
    ), class = "unknown_column", call = call)
}

# Strings; a number that is a level is written without decimals.
.asLevels <- function(values) {
    values <- as.character(values)
    values[is.na(values)] <- ""
    values
}

# Labels may be unknown for some cells, but not for all.
.checkLabels <- function(values, n, name, call) {
    if (all(is.na(values))) {
        .abort(c(
            "{.arg {name}} is not known for any cell.",
            i = paste(
                "Label some cells, or train a recipe without labels, such as",
                "{.code scvi()}."
            )
        ), class = "missing_value", call = call)
    }
    .checkCovariate(
        replace(as.character(values), is.na(values), "?"), n, name, call
    )
    values
}

.checkReal <- function(values, n, name, call) {
    values <- .checkCovariate(values, n, name, call)
    if (!is.numeric(values) || !all(is.finite(values))) {
        .abort(
            "{.arg {name}} must be finite numbers.", class = "not_numeric",
            call = call
        )
    }
    values
}
