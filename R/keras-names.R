# Names of activations, initialisers and regularisers, checked where typed.

.activations <- c(
    "elu", "exponential", "gelu", "leaky_relu", "linear", "relu", "selu",
    "sigmoid", "softmax", "softplus", "softsign", "swish", "tanh"
)

.initializers <- c(
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform",
    "lecun_normal", "lecun_uniform", "ones", "orthogonal", "random_normal",
    "random_uniform", "truncated_normal", "zeros"
)

# `value` if it is among `choices`; otherwise an error that offers the nearest.
.oneOf <- function(value, choices, arg, call) {
    if (is.character(value) && length(value) == 1L && !is.na(value)) {
        plain <- gsub("[ -]", "_", tolower(value))
        if (value %in% choices) return(value)
        if (plain %in% choices) return(plain)
        far <- utils::adist(plain, choices)[1L, ]
        near <- choices[far == min(far) & far <= max(2, nchar(plain) / 3)]
        hint <- if (length(near)) {
            c(i = "Did you mean {.or {.val {near}}}?")
        } else {
            c(i = "There are {.val {choices}}.")
        }
        .abort(
            c("There is no {.arg {arg}} called {.val {value}}.", hint),
            call = call
        )
    }
    .abort(c(
        "{.arg {arg}} must be a name, not {.obj_type_friendly {value}}.",
        i = "There are {.val {choices}}."
    ), call = call)
}

.asActivation <- function(activation, call) {
    if (is.null(activation)) return("linear")
    if (identical(activation, "silu")) return("swish")
    .oneOf(activation, .activations, "activation", call)
}

#' Where weights start
#'
#' Initialisers for `kernel_initializer` and `bias_initializer` of
#' \code{\link{layer_dense}}. Each has a name too, without `initializer_`.
#'
#' @md
#' @param mean,stddev Mean and standard deviation of normal numbers.
#' @param minval,maxval Bounds of uniform ones.
#' @param value The number that every weight starts at.
#' @param gain A factor.
#'
#' @return A list of class `waddington_initializer`.
#'
#' @details `glorot_uniform`, Keras' own default, draws from within
#' \eqn{\pm\sqrt{6 / (inputs + outputs)}}; `he_*` and `lecun_*` have variances
#' 2 / inputs and 1 / inputs. Numbers come from torch, with a seed that
#' `fit()` draws from R's generator: `set.seed()` governs them.
#'
#' @references
#' Glorot X, Bengio Y (2010). Understanding the difficulty of training deep
#' feedforward neural networks. \emph{AISTATS} 9, 249-256.
#'
#' He K et al. (2015). Delving deep into rectifiers. \emph{ICCV}, 1026-1034.
#' @examples
#' layer_dense(units = 8, kernel_initializer = "he_normal")
#' layer_dense(units = 8, kernel_initializer = initializer_random_normal())
#' @name initializers
NULL

.initializer <- function(name, ...) {
    structure(list(name = name, ...), class = "waddington_initializer")
}

#' @export
#' @rdname initializers
initializer_glorot_uniform <- function() .initializer("glorot_uniform")

#' @export
#' @rdname initializers
initializer_glorot_normal <- function() .initializer("glorot_normal")

#' @export
#' @rdname initializers
initializer_he_uniform <- function() .initializer("he_uniform")

#' @export
#' @rdname initializers
initializer_he_normal <- function() .initializer("he_normal")

#' @export
#' @rdname initializers
initializer_lecun_uniform <- function() .initializer("lecun_uniform")

#' @export
#' @rdname initializers
initializer_lecun_normal <- function() .initializer("lecun_normal")

#' @export
#' @rdname initializers
initializer_orthogonal <- function(gain = 1) {
    .initializer("orthogonal", a = gain)
}

#' @export
#' @rdname initializers
initializer_random_normal <- function(mean = 0, stddev = 0.05) {
    .initializer("random_normal", a = mean, b = stddev)
}

#' @export
#' @rdname initializers
initializer_truncated_normal <- function(mean = 0, stddev = 0.05) {
    .initializer("truncated_normal", a = mean, b = stddev)
}

#' @export
#' @rdname initializers
initializer_random_uniform <- function(minval = -0.05, maxval = 0.05) {
    .initializer("random_uniform", a = minval, b = maxval)
}

#' @export
#' @rdname initializers
initializer_zeros <- function() .initializer("zeros")

#' @export
#' @rdname initializers
initializer_ones <- function() .initializer("ones")

#' @export
#' @rdname initializers
initializer_constant <- function(value = 0) .initializer("constant", a = value)

.asInitializer <- function(value, arg, call) {
    if (inherits(value, "waddington_initializer")) return(value)
    name <- .oneOf(value, .initializers, arg, call)
    get(paste0("initializer_", name), mode = "function")()
}

#' Penalties on weights
#'
#' Regularisers for `kernel_regularizer`, `bias_regularizer` and
#' `activity_regularizer` of \code{\link{layer_dense}}: what they say is added
#' to the loss.
#'
#' @md
#' @param l The factor of the sum of absolute values (l1) or of squares (l2).
#' @param l1,l2 Both factors.
#' @return A list of class `waddington_regularizer`.
#' @details The names `"l1"`, `"l2"` and `"l1_l2"` stand for these functions
#'   with their defaults. A penalty on activities is summed over the layer's
#'   units and averaged over samples.
#' @examples
#' layer_dense(units = 8, kernel_regularizer = regularizer_l2(1e-4))
#' @export
regularizer_l1 <- function(l = 0.01) regularizer_l1_l2(l1 = l, l2 = 0)

#' @export
#' @rdname regularizer_l1
regularizer_l2 <- function(l = 0.01) regularizer_l1_l2(l1 = 0, l2 = l)

#' @export
#' @rdname regularizer_l1
regularizer_l1_l2 <- function(l1 = 0.01, l2 = 0.01) {
    call <- quote(regularizer_l1_l2())
    structure(list(
        l1 = .asNumber(l1, "l1", call, low = 0),
        l2 = .asNumber(l2, "l2", call, low = 0)
    ), class = "waddington_regularizer")
}

.asRegularizer <- function(value, arg, call) {
    if (is.null(value) || inherits(value, "waddington_regularizer")) {
        return(value)
    }
    name <- .oneOf(value, c("l1", "l2", "l1_l2"), arg, call)
    get(paste0("regularizer_", name), mode = "function")()
}

# One number within bounds, both included unless `open`.
.asNumber <- function(
        value, arg, call, low = -Inf, high = Inf, open = FALSE) {
    number <- is.numeric(value) && length(value) == 1L && is.finite(value)
    if (!number || !.isWithin(value, low, high, open)) {
        bounds <- .boundsText(low, high, open)
        .abort(
            "{.arg {arg}} must be one number{bounds}, not {.val {value}}.",
            call = call
        )
    }
    as.numeric(value)
}

.isWithin <- function(value, low, high, open) {
    if (open) value > low && value < high else value >= low && value <= high
}

.boundsText <- function(low, high, open) {
    if (is.finite(high)) {
        ends <- if (open) c(" between", "and") else c(" from", "to")
        return(paste(ends[1], low, ends[2], high))
    }
    if (!is.finite(low)) return("")
    if (open) paste(" above", low) else paste(" of", low, "or more")
}

.asCount <- function(value, arg, call, low = 1) {
    good <- is.numeric(value) && length(value) == 1L && is.finite(value) &&
        value >= low && value == round(value)
    if (!good) {
        .abort(
            "{.arg {arg}} must be one whole number of {low} or more, not
             {.val {value}}.",
            call = call
        )
    }
    as.integer(value)
}

.asFlag <- function(value, arg, call) {
    if (!is.logical(value) || length(value) != 1L || is.na(value)) {
        .abort(
            "{.arg {arg}} must be {.code TRUE} or {.code FALSE}, not
             {.val {value}}.",
            call = call
        )
    }
    value
}
