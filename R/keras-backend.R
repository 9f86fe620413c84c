# Arithmetic of tensors. An operation doesn't compute: it makes a tensor that
# says what is to be computed, and of what. Python computes it (keras package,
# expressions.py), with gradients, and without calling R.

#' Arithmetic of tensors
#'
#' Functions for \code{\link{layer_lambda}} and for losses and metrics of your
#' own. Beside them, tensors know R's operators, `exp()`, `log()`, `log1p()`,
#' `expm1()`, `sqrt()`, `abs()`, `tanh()`, `sum()`, `mean()`, `max()`, `min()`,
#' and `x[, j]` for columns.
#'
#' @md
#' @param x,y Tensors; one of two may be a number.
#' @param axis What to reduce: `-1` (or `2`) is the features of each sample,
#'   `1` the samples, `NULL` everything.
#' @param keepdims Whether the reduced axis stays, with length one.
#' @param shape What \code{k_shape()} returned of a tensor, or of its first
#'   axis; or a list of that and a number of features.
#' @param mean,stddev,minval,maxval Of the random numbers.
#' @param tensors A list of tensors, put side by side.
#' @param min_value,max_value Bounds.
#' @param a A number.
#'
#' @return A tensor; `backend()` a list of these functions, without `k_`, so
#'   that `K <- backend(); K$exp(x)` works.
#'
#' @details
#' Noise is drawn for each sample and each feature. A shape that has the first
#' axis of a tensor alone, as older examples of Keras write it, is taken to be
#' the whole shape of that tensor: one number for all features would make a
#' variational autoencoder train on the wrong noise.
#' @examples
#' K <- backend()
#' cor_metric <- function(y_true, y_pred) {
#'     x <- y_true - K$mean(y_true)
#'     y <- y_pred - K$mean(y_pred)
#'     K$square(K$sum(x * y) / K$sqrt(K$sum(K$square(x)) * K$sum(K$square(y))))
#' }
#' custom_metric("cor", cor_metric)
#' @name backend
NULL

#' @export
#' @rdname backend
backend <- function() {
    names <- c(
        "abs", "clip", "concatenate", "epsilon", "exp", "log", "max",
        "maximum", "mean", "min", "minimum", "pow", "prod", "random_normal",
        "random_uniform", "relu", "shape", "sigmoid", "softmax", "softplus",
        "sqrt", "square", "std", "sum", "tanh", "var"
    )
    functions <- lapply(paste0("k_", names), get, mode = "function")
    functions <- c(stats::setNames(functions, names), list(
        add = function(x, y) x + y, subtract = function(x, y) x - y,
        multiply = function(x, y) x * y, divide = function(x, y) x / y
    ))
    structure(functions, class = "waddington_backend")
}

#' @export
print.waddington_backend <- function(x, ...) {
    writeLines(c(
        "Arithmetic of tensors: ", strwrap(toString(names(x)), prefix = "  ")
    ))
    invisible(x)
}

# An operation on tensors and numbers.
.op <- function(op, inputs, shape, args = list()) {
    .newTensor("op", shape = shape, inputs = inputs, op = op, args = args)
}

.isOperand <- function(x) {
    .isTensor(x) || (is.numeric(x) && length(x) >= 1L)
}

.operands <- function(inputs, call) {
    for (x in inputs) {
        if (!.isOperand(x)) {
            .abort(
                "Tensors can be combined with tensors and numbers, not with
                 {.obj_type_friendly {x}}.",
                call = call
            )
        }
    }
    lapply(inputs, function(x) if (.isTensor(x)) x else as.numeric(x))
}

# Sizes of two operands that go together: equal, or one of them 1.
.commonShape <- function(x, y, call) {
    shapes <- lapply(list(x, y), function(v) {
        if (.isTensor(v)) v$shape else if (length(v) == 1L) "scalar" else
            length(v)
    })
    known <- Filter(function(s) !identical(s, "scalar"), shapes)
    if (!length(known)) return("scalar")
    if (length(known) == 1L) return(known[[1]])
    wide <- known[[which.max(vapply(known, function(s) max(s, 0L), 0))]]
    other <- known[[if (identical(wide, known[[1]])) 2L else 1L]]
    if (!length(other) || identical(other, 1L) || identical(other, wide)) {
        return(wide)
    }
    .abort(
        "Tensors of {(.sizes(known[[1]]))} and {(.sizes(known[[2]]))} features
         can't be combined number by number.",
        class = "shape_mismatch", call = call
    )
}

.binary <- function(op, x, y) {
    call <- call(op, quote(x), quote(y))
    values <- .operands(list(x, y), call)
    .op(op, values, .commonShape(values[[1]], values[[2]], call))
}

.unary <- function(op, x, args = list()) {
    values <- .operands(list(x), call(op, quote(x)))
    .op(op, values, if (.isTensor(x)) x$shape else "scalar", args)
}

#' @export
Ops.waddington_tensor <- function(e1, e2) {
    if (missing(e2)) {
        return(switch(.Generic, "-" = .binary("*", -1, e1), "+" = e1))
    }
    known <- c("+", "-", "*", "/", "^", ">", ">=", "<", "<=", "==", "!=")
    if (!.Generic %in% known) {
        generic <- .Generic
        .abort("Tensors have no operator {.code {generic}}.")
    }
    .binary(.Generic, e1, e2)
}

#' @export
Math.waddington_tensor <- function(x, ...) {
    known <- c("abs", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sign",
        "lgamma", "floor", "round")
    if (!.Generic %in% known) {
        generic <- .Generic
        .abort("Tensors have no function {.fn {generic}}.")
    }
    if (.Generic == "log" && ...length()) {
        return(.unary("log", x) / log(...elt(1)))
    }
    .unary(.Generic, x)
}

#' @export
Summary.waddington_tensor <- function(..., na.rm = FALSE) {
    if (...length() != 1L || !.Generic %in% c("sum", "prod", "max", "min")) {
        generic <- .Generic
        .abort("Tensors have no {.fn {generic}} of several.")
    }
    .reduce(.Generic, ...elt(1), NULL, FALSE)
}

#' @export
mean.waddington_tensor <- function(x, ...) .reduce("mean", x, NULL, FALSE)

#' @export
`[.waddington_tensor` <- function(x, i, j, ..., drop = FALSE) {
    call <- quote(x[, j])
    if (!missing(i) || missing(j)) {
        .abort("Of a tensor, take columns: {.code x[, 1:3]}.", call = call)
    }
    all <- seq_len(x$shape[1])
    if (!all(j %in% c(all, -all))) {
        .abort(
            "The tensor has {x$shape} feature{?s}; there is no
             {.val {setdiff(j, c(all, -all))}}.",
            class = "shape_mismatch", call = call
        )
    }
    columns <- all[j]
    .op("columns", list(x), length(columns), list(columns = columns - 1L))
}

#' @export
dim.waddington_tensor <- function(x) {
    if (identical(x$shape, "scalar")) NULL else c(NA_integer_, x$shape)
}

#' @export
length.waddington_tensor <- function(x) 1L

.reduce <- function(op, x, axis, keepdims) {
    call <- call(paste0("k_", op), quote(x))
    .operands(list(x), call)
    if (!is.null(axis) && !axis %in% c(-1, 1, 2)) {
        .abort(
            "{.arg axis} must be -1 (or 2) for features, 1 for samples, or
             {.code NULL}, not {.val {axis}}.",
            call = call
        )
    }
    features <- is.null(axis) || axis != 1
    shape <- if (is.null(axis)) {
        if (keepdims) 1L else "scalar"
    } else if (!features) {
        x$shape
    } else if (keepdims) {
        1L
    } else {
        integer()
    }
    over <- if (is.null(axis)) "all" else if (features) "features" else "cells"
    .op(op, list(x), shape, list(over = over, keep = keepdims))
}

#' @export
#' @rdname backend
k_sum <- function(x, axis = NULL, keepdims = FALSE) {
    .reduce("sum", x, axis, keepdims)
}

#' @export
#' @rdname backend
k_mean <- function(x, axis = NULL, keepdims = FALSE) {
    .reduce("mean", x, axis, keepdims)
}

#' @export
#' @rdname backend
k_prod <- function(x, axis = NULL, keepdims = FALSE) {
    .reduce("prod", x, axis, keepdims)
}

#' @export
#' @rdname backend
k_max <- function(x, axis = NULL, keepdims = FALSE) {
    .reduce("max", x, axis, keepdims)
}

#' @export
#' @rdname backend
k_min <- function(x, axis = NULL, keepdims = FALSE) {
    .reduce("min", x, axis, keepdims)
}

#' @export
#' @rdname backend
k_var <- function(x, axis = NULL, keepdims = FALSE) {
    .reduce("var", x, axis, keepdims)
}

#' @export
#' @rdname backend
k_std <- function(x, axis = NULL, keepdims = FALSE) {
    k_sqrt(k_var(x, axis, keepdims))
}

#' @export
#' @rdname backend
k_exp <- function(x) .unary("exp", x)

#' @export
#' @rdname backend
k_log <- function(x) .unary("log", x)

#' @export
#' @rdname backend
k_square <- function(x) .unary("square", x)

#' @export
#' @rdname backend
k_sqrt <- function(x) .unary("sqrt", x)

#' @export
#' @rdname backend
k_abs <- function(x) .unary("abs", x)

#' @export
#' @rdname backend
k_pow <- function(x, a) .binary("^", x, a)

#' @export
#' @rdname backend
k_relu <- function(x) .unary("relu", x)

#' @export
#' @rdname backend
k_sigmoid <- function(x) .unary("sigmoid", x)

#' @export
#' @rdname backend
k_softplus <- function(x) .unary("softplus", x)

#' @export
#' @rdname backend
k_softmax <- function(x) .unary("softmax", x)

#' @export
#' @rdname backend
k_tanh <- function(x) .unary("tanh", x)

#' @export
#' @rdname backend
k_maximum <- function(x, y) .binary("maximum", x, y)

#' @export
#' @rdname backend
k_minimum <- function(x, y) .binary("minimum", x, y)

#' @export
#' @rdname backend
k_clip <- function(x, min_value, max_value) {
    k_minimum(k_maximum(x, min_value), max_value)
}

#' @export
#' @rdname backend
k_concatenate <- function(tensors) {
    .asTensors(tensors, "tensors", quote(k_concatenate()))
    sizes <- vapply(tensors, function(x) x$shape[1], 0L)
    .op("concatenate", tensors, sum(sizes))
}

#' @export
#' @rdname backend
k_epsilon <- function() 1e-7

#' @export
#' @rdname backend
k_shape <- function(x) {
    .asTensors(x, "x", quote(k_shape()))
    structure(list(tensor = x), class = "waddington_shape")
}

# k_shape(x)[[1]] is the number of samples, known later; [[2]] a number.
#' @export
`[[.waddington_shape` <- function(x, i) {
    tensor <- unclass(x)$tensor
    if (i == 2) return(tensor$shape[1])
    structure(list(list(tensor = tensor)), class = "waddington_axis")
}

#' @export
`[.waddington_shape` <- function(x, i) x[[i]]

#' @export
c.waddington_axis <- function(...) {
    structure(
        do.call(c, lapply(list(...), unclass)), class = "waddington_axis"
    )
}

#' @export
#' @rdname backend
k_random_normal <- function(shape, mean = 0, stddev = 1) {
    .random("random_normal", shape, list(a = mean, b = stddev))
}

#' @export
#' @rdname backend
k_random_uniform <- function(shape, minval = 0, maxval = 1) {
    .random("random_uniform", shape, list(a = minval, b = maxval))
}

.random <- function(op, shape, args) {
    call <- call(paste0("k_", op))
    if (inherits(shape, "waddington_shape")) {
        like <- unclass(shape)$tensor
        width <- like$shape
    } else {
        axes <- if (is.list(shape)) unclass(shape) else list(shape)
        like <- axes[[1]]$tensor %||% unclass(axes[[1]])[[1]]$tensor
        if (is.null(like)) {
            .abort(
                "{.arg shape} must start with the samples of a tensor, as
                 {.code k_shape(x)} has them.",
                call = call
            )
        }
        width <- if (length(axes) > 1L) as.integer(axes[[2]]) else like$shape
    }
    args <- lapply(args, .asNumber, "mean", call)
    .op(op, list(like), width, c(args, list(columns = width)))
}

# Writing down what a function does -----------------------------------------

# A layer_lambda()'s function, called with its inputs once.
.traceLambda <- function(layer, inputs, group = NULL) {
    f <- layer$args$f
    given <- if (length(inputs) == 1L) inputs[[1]] else inputs
    out <- withCallingHandlers(
        f(given),
        error = function(e) {
            if (!inherits(e, "waddington_error")) .lambdaFailed(layer, e)
        }
    )
    if (!.isTensor(out)) {
        .abort(
            "The function of layer {.val {layer$name}} must return a tensor,
             not {.obj_type_friendly {out}}.",
            call = quote(layer_lambda())
        )
    }
    .newTensor(
        "layer",
        shape = if (identical(out$shape, "scalar")) 1L else out$shape,
        inputs = list(out), layer = layer, group = group
    )
}

.lambdaFailed <- function(layer, error) {
    .abort(c(
        "The function of layer {.val {layer$name}} failed.",
        i = "It must be made of R's arithmetic and the functions of
             {.help [backend](waddington::backend)}."
    ), call = quote(layer_lambda()), parent = error)
}
