# What users give is checked here, once, before anything reaches Python.
# Each check returns its value in the type that the core wants.

# A whole number of at least `least`, as an integer; NULL stays NULL.
.checkWhole <- function(value, arg, call, least = 1L) {
    if (is.null(value)) {
        return(NULL)
    }
    ok <- is.numeric(value) && length(value) == 1L && is.finite(value) &&
        value >= least && value == round(value) &&
        value <= .Machine$integer.max
    if (!ok) {
        .abort(c(
            "{.arg {arg}} must be one whole number of at least {least}.",
            x = "It is {.val {value}}."
        ), call = call)
    }
    as.integer(value)
}

# A number strictly above `above` and at most `most`; NULL stays NULL.
.checkNumber <- function(value, arg, call, above = 0, most = Inf) {
    if (is.null(value)) {
        return(NULL)
    }
    ok <- is.numeric(value) && length(value) == 1L && !is.na(value) &&
        value > above && value <= most
    if (!ok) {
        range <- if (is.finite(most)) "in ({above}, {most}]" else
            "above {above}"
        .abort(c(
            paste0("{.arg {arg}} must be one number ", range, "."),
            x = "It is {.val {value}}."
        ), call = call)
    }
    as.numeric(value)
}

.checkFlag <- function(value, arg, call) {
    if (!rlang::is_bool(value)) {
        .abort(c(
            "{.arg {arg}} must be TRUE or FALSE.", x = "It is {.val {value}}."
        ), call = call)
    }
    value
}

.checkString <- function(value, arg, call) {
    if (!rlang::is_string(value) || is.na(value) || !nzchar(value)) {
        .abort(c(
            "{.arg {arg}} must be one string.",
            x = "It is {.obj_type_friendly {value}}."
        ), call = call)
    }
    value
}

.checkChoice <- function(value, choices, arg, call) {
    if (identical(value, choices)) {
        return(choices[1L])
    }
    if (!rlang::is_string(value) || !value %in% choices) {
        .abort(c(
            "{.arg {arg}} must be one of {.or {.val {choices}}}.",
            x = "It is {.val {value}}."
        ), call = call)
    }
    value
}

# Nothing may be left in `...`: a misspelt argument must not pass in silence.
.checkDots <- function(..., .known, .call) {
    given <- ...names2(...)
    if (!length(given)) {
        return(invisible())
    }
    if (all(given == "")) {
        .abort(c(
            "There {?is/are} {length(given)} argument{?s} too many.",
            i = "Give options by name, such as {.code epochs = 20}."
        ), class = "unknown_argument", call = .call)
    }
    unknown <- setdiff(given, "")
    near <- .nearest(unknown[1L], .known)
    .abort(c(
        "Unknown argument{?s}: {.arg {unknown}}.",
        i = if (length(near)) "Did you mean {.arg {near}}?"
    ), class = "unknown_argument", call = .call)
}

# The names of what is in `...`, "" where there is none (R < 4.1.3 differs).
...names2 <- function(...) {
    rlang::names2(rlang::list2(...))
}

# The one name that is nearest to a misspelt one, if any is near.
.nearest <- function(name, known) {
    distance <- utils::adist(tolower(name), tolower(known))[1L, ]
    known[distance == min(distance, 3L) & distance < nchar(name)][1L] |>
        stats::na.omit() |>
        as.character()
}

# The value of R's own seed where none is given, so that set.seed() governs.
.checkSeed <- function(seed, call) {
    if (is.null(seed)) {
        return(as.integer(stats::runif(1L, 0, .Machine$integer.max)))
    }
    .checkWhole(seed, "seed", call, least = 0L)
}

# The assay of `x` that holds the counts.
.assayOf <- function(x, assay.type, call) {
    known <- SummarizedExperiment::assayNames(x)
    if (!rlang::is_string(assay.type) || !assay.type %in% known) {
        .abort(c(
            "{.arg assay.type} must name an assay of {.arg x}.",
            x = "It is {.val {assay.type}}.",
            i = if (length(known)) "There {?is/are} {.val {known}}." else
                "{.arg x} has no named assay."
        ), class = "unknown_assay", call = call)
    }
    SummarizedExperiment::assay(x, assay.type)
}

# A column of colData, by its name.
.columnOf <- function(x, column, arg, call) {
    known <- colnames(SummarizedExperiment::colData(x))
    if (!rlang::is_string(column) || !column %in% known) {
        near <- if (rlang::is_string(column)) .nearest(column, known)
        .abort(c(
            "{.arg {arg}} must name a column of {.code colData(x)}.",
            x = "It is {.val {column}}.",
            i = if (length(near)) "Did you mean {.val {near}}?",
            i = if (length(known)) "There {?is/are} {.val {known}}." else
                "{.code colData(x)} has no columns."
        ), class = "unknown_column", call = call)
    }
    .oneValueEach(x[[column]], call)
}

# One value per cell: no NA, no wrong length.
.checkCovariate <- function(values, n, name, call) {
    values <- .oneValueEach(values, call)
    if (length(values) != n) {
        .abort(c(
            "{.arg {name}} must have one value for each of {n} cell{?s}.",
            x = "It has {length(values)}."
        ), class = "wrong_length", call = call)
    }
    absent <- which(is.na(values) | (is.character(values) & values %in% ""))
    if (length(absent)) {
        first <- utils::head(absent)
        .abort(c(
            "{.arg {name}} is not known for {length(absent)} of {n} cells.",
            x = "The first of them: {first}.",
            i = "Leave those cells out: {.code x[, !is.na(x${name})]}."
        ), class = "missing_value", call = call)
    }
    values
}

# A counts matrix must be a matrix of numbers with cells and named genes.
.checkCounts <- function(x, call) {
    if (length(dim(x)) != 2L) {
        .abort(c(
            paste(
                "{.arg x} must be a SingleCellExperiment, a",
                "SummarizedExperiment or a matrix with genes in rows."
            ),
            x = "It is {.obj_type_friendly {x}}."
        ), class = "not_a_matrix", call = call)
    }
    if (!all(dim(x))) {
        .abort(c(
            "{.arg x} must have genes and cells.",
            x = "It has {nrow(x)} gene{?s} and {ncol(x)} cell{?s}."
        ), class = "empty", call = call)
    }
    .checkGenes(rownames(x), call)
    invisible(x)
}

.checkGenes <- function(genes, call) {
    if (is.null(genes)) {
        .abort(c(
            "{.arg x} must have row names: the names of its genes.",
            i = "A model finds its genes in new data by name."
        ), class = "unnamed_genes", call = call)
    }
    if (anyDuplicated(genes)) {
        twice <- unique(genes[duplicated(genes)])
        .abort(c(
            "The gene names of {.arg x} must be unique.",
            x = "{length(twice)} occur{?s/} more than once: {.val {twice}}.",
            i = paste(
                "Try {.code rownames(x) <- make.unique(rownames(x))}, or use",
                "Ensembl identifiers."
            )
        ), class = "duplicated_genes", call = call)
    }
    if (anyNA(genes) || any(!nzchar(genes))) {
        n <- sum(is.na(genes) | !nzchar(genes))
        .abort(
            "{n} gene{?s} of {.arg x} {?has/have} no name.",
            class = "unnamed_genes", call = call
        )
    }
}

# The genes of a model must all be in new data.
.checkHasGenes <- function(x, model, call) {
    absent <- setdiff(model@genes, rownames(x))
    if (length(absent)) {
        more <- .more(absent)
        .abort(c(
            paste(
                "{.arg x} lacks {length(absent)} of the",
                "{length(model@genes)} genes of {.arg model}."
            ),
            x = "Absent: {.val {utils::head(absent, 5L)}}{more}.",
            i = paste(
                "It has {.val {utils::head(rownames(x), 3L)}}; use the same",
                "names as in training. Genes that the model does not know",
                "are left out by themselves."
            ),
            i = if (length(absent) < length(model@genes)) {
                "{.fn mapQuery} places cells that lack some genes."
            }
        ), class = "missing_genes", call = call)
    }
}

# " and 12 more", where more than `most` are not listed.
.more <- function(items, most = 5L) {
    n <- length(items) - most
    if (n > 0L) paste(" and", n, "more") else ""
}

# A level must be one that the model was trained on.
.checkLevel <- function(value, name, model, arg, call, remedy = NULL) {
    known <- model@levels[[name]]
    value <- if (is.factor(value)) as.character(value) else value
    unseen <- setdiff(as.character(value), known)
    if (length(unseen)) {
        .abort(c(
            paste(
                "{.arg {arg}} has {length(unseen)} level{?s} that {.arg model}",
                "was not trained on: {.val {unseen}}."
            ),
            i = "It knows {.val {known}}.", remedy
        ), class = "unseen_level", call = call)
    }
    as.character(value)
}

.checkModel <- function(model, call) {
    if (missing(model)) {
        .abort(c(
            "{.arg model} is missing.",
            i = "Train one: {.code model <- trainVAE(x)}."
        ), call = call)
    }
    if (!methods::is(model, "WaddingtonModel")) {
        .abort(c(
            "{.arg model} must be a model from {.code trainVAE()}.",
            x = "It is {.obj_type_friendly {model}}."
        ), class = "not_a_model", call = call)
    }
    invisible(model)
}
