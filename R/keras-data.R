# What fit(), evaluate() and predict() are given, as named data for the core.

#' Classes as columns
#'
#' Turns class numbers into a matrix with a 1 in the column of the class.
#'
#' @md
#' @param y Class numbers from 0, as Keras has them; or a factor.
#' @param num_classes Number of columns; `NULL` is as many as there are classes.
#' @return A matrix of 0 and 1, one row per element of `y`; for a factor with
#'   its levels as column names.
#' @examples
#' to_categorical(c(0, 2, 1), 3)
#' to_categorical(factor(c("B", "T", "B")))
#' @export
to_categorical <- function(y, num_classes = NULL) {
    call <- quote(to_categorical())
    levels <- NULL
    if (is.factor(y)) {
        levels <- levels(y)
        y <- as.integer(y) - 1L
    }
    good <- is.numeric(y) && !anyNA(y) && all(y >= 0) && all(y == round(y))
    if (!good) {
        .abort(
            "{.arg y} must be whole numbers from 0, or a factor, without
             {.val {NA}}.",
            call = call
        )
    }
    n <- num_classes %||% max(length(levels), y + 1)
    n <- .asCount(n, "num_classes", call)
    if (any(y >= n)) {
        .abort(
            "{.arg y} has class {max(y)}, beyond the {n} classes from 0 to
             {n - 1}.",
            call = call
        )
    }
    out <- matrix(0, length(y), n)
    out[cbind(seq_along(y), as.integer(y) + 1L)] <- 1
    if (length(levels) == n) colnames(out) <- levels
    out
}

# One input or target: list(value, cells_in), with samples in rows or columns.
.asData <- function(x, arg, assay.type, call) {
    if (is.list(x) && !is.null(x$cells_in)) return(x)
    if (methods::is(x, "SummarizedExperiment")) {
        return(.dataOf(.assayFor(x, assay.type, call), "columns"))
    }
    if (methods::is(x, "DelayedMatrix")) x <- .asSparse(x, call)
    if (methods::is(x, "sparseMatrix")) {
        return(.dataOf(.asSparse(x, call), "rows"))
    }
    if (methods::is(x, "Matrix")) x <- as.matrix(x)
    if (is.data.frame(x)) x <- as.matrix(x)
    if (is.factor(x)) x <- as.integer(x) - 1L
    if (!is.numeric(x) && !is.logical(x)) {
        .abort(c(
            "{.arg {arg}} must be numbers, not {.obj_type_friendly {x}}.",
            i = "A matrix with samples in rows, a sparse matrix, or a
                 SingleCellExperiment."
        ), call = call)
    }
    x <- x * 1
    if (length(dim(x)) > 2L) x <- .flattened(x)
    .dataOf(if (length(dim(x)) == 2L) x else matrix(x, ncol = 1L), "rows")
}

.dataOf <- function(value, cells_in) {
    if (cells_in == "columns" && !methods::is(value, "dgCMatrix")) {
        if (is.matrix(value)) {
            value <- t(value)
            cells_in <- "rows"
        } else {
            value <- .asSparse(value)
        }
    }
    list(value = value, cells_in = cells_in)
}

# Samples of an array as rows, the last axis running fastest, as in Keras.
.flattened <- function(x) {
    n <- dim(x)[1]
    matrix(aperm(x, rev(seq_along(dim(x)))), nrow = n, byrow = TRUE)
}

# Log expression if there is some, otherwise counts.
.assayFor <- function(x, assay.type, call) {
    known <- SummarizedExperiment::assayNames(x)
    wanted <- assay.type %||%
        (if ("logcounts" %in% known) "logcounts" else "counts")
    .assayOf(x, wanted, call)
}

.nSamples <- function(data) {
    if (data$cells_in == "rows") nrow(data$value) else ncol(data$value)
}

.nFeatures <- function(data) {
    if (data$cells_in == "rows") ncol(data$value) else nrow(data$value)
}

.takeSamples <- function(data, index) {
    data$value <- if (data$cells_in == "rows") {
        data$value[index, , drop = FALSE]
    } else {
        data$value[, index, drop = FALSE]
    }
    data
}

.sampleNames <- function(data) {
    if (data$cells_in == "rows") rownames(data$value) else colnames(data$value)
}

.isSparse <- function(data) methods::is(data$value, "dgCMatrix")

# Inputs by name: a matrix for one input, a list, named or not, for several.
.asInputs <- function(x, model, assay.type, call) {
    inputs <- .inputsOf(model)
    names <- vapply(inputs, .describe, "")
    given <- if (is.list(x) && !is.data.frame(x)) x else list(x)
    if (!is.null(names(given)) && all(names(given) %in% names)) {
        given <- given[names]
    }
    if (length(given) != length(inputs) ||
        any(vapply(given, is.null, NA))) {
        .abort(c(
            "Model {.val {model$name}} has {length(inputs)} input{?s}:
             {.val {names}}.",
            x = "{.arg x} has {length(given)}."
        ), call = call)
    }
    data <- lapply(given, .asData, "x", assay.type, call)
    for (i in seq_along(data)) {
        .checkData(data[[i]], "x", inputs[[i]]$shape, names[i], call)
    }
    stats::setNames(data, names)
}

.asTargets <- function(y, model, losses, n, assay.type, call) {
    outputs <- .outputsOf(model)
    several <- is.list(y) && !is.data.frame(y)
    given <- if (several) unname(y) else list(y)
    if (length(given) != length(outputs)) {
        .abort(
            "Model {.val {model$name}} has {length(outputs)} output{?s} and
             {.arg y} has {length(given)}.",
            call = call
        )
    }
    data <- Map(function(value, output, loss) {
        .asTarget(value, output, loss, assay.type, call)
    }, given, outputs, losses)
    for (one in data) .checkSamples(.nSamples(one), n, "y", call)
    stats::setNames(data, vapply(seq_along(data), .targetName, ""))
}

.asTarget <- function(y, output, loss, assay.type, call) {
    if (is.null(y)) {
        .abort(c(
            "{.arg y} is missing.",
            i = "An autoencoder's is {.arg x}: {.code fit(model, x, x)}."
        ), call = call)
    }
    codes <- identical(loss$kind, "sparse_categorical_crossentropy")
    if (is.character(y)) y <- factor(y)
    if (is.factor(y) && !codes && prod(output$shape) > 1) {
        y <- to_categorical(y)
    }
    data <- .asData(y, "y", assay.type, call)
    wide <- if (codes) 1L else output$shape
    .checkData(data, "y", wide, .describe(output), call)
    data
}

.checkData <- function(data, arg, shape, name, call) {
    if (.nFeatures(data) != prod(shape)) {
        role <- if (arg == "x") "Input" else "Output"
        .abort(c(
            "{role} {.val {name}} has {(.sizes(shape))} features,
             and {.arg {arg}} has {(.nFeatures(data))} column{?s}.",
            i = if (arg == "y" && .nFeatures(data) == 1L) {
                "Classes become columns by {.fn to_categorical}."
            }
        ), class = "shape_mismatch", call = call)
    }
    values <- if (.isSparse(data)) data$value@x else data$value
    bad <- sum(!is.finite(values))
    if (bad) {
        .abort(
            "{.arg {arg}} has {bad} value{?s} that {?is/are} missing or not
             finite.",
            class = "missing_value", call = call
        )
    }
}

.checkSamples <- function(n, wanted, arg, call) {
    if (n != wanted) {
        .abort(
            "{.arg {arg}} has {n} sample{?s}, and {.arg x} has {wanted}.",
            class = "wrong_length", call = call
        )
    }
}

# For Python: arrays as they are, sparse matrices as their slots.
.toPython <- function(data) {
    lapply(data, function(one) {
        if (!.isSparse(one)) {
            value <- unname(one$value)
            storage.mode(value) <- "double"
            return(list(x = reticulate::np_array(value, dtype = "float32")))
        }
        m <- one$value
        size <- if (one$cells_in == "rows") dim(m) else rev(dim(m))
        list(
            x = reticulate::np_array(m@x), i = reticulate::np_array(m@i),
            p = reticulate::np_array(m@p), shape = as.list(size),
            cells_in = one$cells_in
        )
    })
}

# A vector of weights, one per sample; class weights become such.
.asSampleWeight <- function(weight, class_weight, targets, n, call) {
    if (!is.null(class_weight)) {
        weight <- (weight %||% 1) * .byClass(class_weight, targets, call)
    }
    if (is.null(weight)) return(NULL)
    .checkSamples(length(weight), n, "sample_weight", call)
    if (!is.numeric(weight) || anyNA(weight) || any(weight < 0)) {
        .abort("{.arg sample_weight} must be numbers of 0 or more.",
            call = call)
    }
    list("(sample weight)" = .dataOf(matrix(as.numeric(weight)), "rows"))
}

.byClass <- function(class_weight, targets, call) {
    y <- as.matrix(targets[[1]]$value)
    class <- if (ncol(y) > 1L) max.col(y) - 1L else y[, 1]
    weights <- unlist(class_weight)
    if (is.null(names(weights))) {
        names(weights) <- seq_along(weights) - 1L
    }
    missing <- setdiff(unique(class), names(weights))
    if (length(missing)) {
        .abort("{.arg class_weight} has no weight for class{?es}
            {.val {missing}}.", call = call)
    }
    unname(weights[as.character(class)])
}
