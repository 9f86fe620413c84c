# Losses and metrics: by name, of the package's likelihoods, or R functions.

.lossNames <- c(
    "binary_crossentropy", "categorical_crossentropy", "cosine_similarity",
    "hinge", "huber", "kullback_leibler_divergence", "logcosh",
    "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error",
    "negative_binomial", "poisson", "sparse_categorical_crossentropy",
    "squared_hinge", "zero_inflated_negative_binomial"
)

.aliases <- c(
    mse = "mean_squared_error", mae = "mean_absolute_error",
    mape = "mean_absolute_percentage_error",
    msle = "mean_squared_logarithmic_error",
    kld = "kullback_leibler_divergence",
    kl_divergence = "kullback_leibler_divergence", nb = "negative_binomial",
    zinb = "zero_inflated_negative_binomial", log_cosh = "logcosh"
)

# Likelihoods, and the vectors, one number per feature, that they learn.
.likelihoods <- list(
    negative_binomial = c(log_theta = 0),
    zero_inflated_negative_binomial = c(log_theta = 0, zero_logits = -5)
)

#' Losses
#'
#' For \code{\link{compile}}, by these functions or by their names without
#' `loss_`; called with two tensors, they are parts of a loss of your own.
#'
#' @md
#' @param y_true,y_pred Tensors, what is true and what is predicted; or
#'   nothing.
#' @return A list of class `waddington_loss`; with tensors a tensor, one
#'   number per sample.
#' @details
#' As in Keras they are means over features, but for cross entropies of classes
#' and divergences, which are sums.
#'
#' `negative_binomial` and `zero_inflated_negative_binomial` are likelihoods of
#' the package, in nats and summed over features: `y_pred` is the mean count,
#' so let the last layer have activation `"softplus"` or `"exponential"`. The
#' dispersion of each feature is learnt beside.
#' @examples
#' loss_mean_squared_error()
#' # a loss of one's own, of tensors
#' my_loss <- function(y_true, y_pred) {
#'     loss_mean_squared_error(y_true, y_pred) + 0.1 * k_mean(abs(y_pred), -1)
#' }
#' @name losses
NULL

.loss <- function(kind, y_true, y_pred) {
    if (missing(y_true) && missing(y_pred)) {
        return(structure(list(kind = kind), class = "waddington_loss"))
    }
    call <- call(paste0("loss_", kind))
    values <- .operands(list(y_true, y_pred), call)
    .commonShape(values[[1]], values[[2]], call)
    .op("loss", values, integer(), list(of = kind))
}

#' @export
#' @rdname losses
loss_mean_squared_error <- function(y_true, y_pred) {
    .loss("mean_squared_error", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_mean_absolute_error <- function(y_true, y_pred) {
    .loss("mean_absolute_error", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_mean_absolute_percentage_error <- function(y_true, y_pred) {
    .loss("mean_absolute_percentage_error", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_mean_squared_logarithmic_error <- function(y_true, y_pred) {
    .loss("mean_squared_logarithmic_error", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_huber <- function(y_true, y_pred) .loss("huber", y_true, y_pred)

#' @export
#' @rdname losses
loss_logcosh <- function(y_true, y_pred) .loss("logcosh", y_true, y_pred)

#' @export
#' @rdname losses
loss_binary_crossentropy <- function(y_true, y_pred) {
    .loss("binary_crossentropy", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_categorical_crossentropy <- function(y_true, y_pred) {
    .loss("categorical_crossentropy", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_sparse_categorical_crossentropy <- function(y_true, y_pred) {
    .loss("sparse_categorical_crossentropy", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_kullback_leibler_divergence <- function(y_true, y_pred) {
    .loss("kullback_leibler_divergence", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_cosine_similarity <- function(y_true, y_pred) {
    .loss("cosine_similarity", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_poisson <- function(y_true, y_pred) .loss("poisson", y_true, y_pred)

#' @export
#' @rdname losses
loss_hinge <- function(y_true, y_pred) .loss("hinge", y_true, y_pred)

#' @export
#' @rdname losses
loss_squared_hinge <- function(y_true, y_pred) {
    .loss("squared_hinge", y_true, y_pred)
}

#' @export
#' @rdname losses
loss_negative_binomial <- function() {
    structure(list(kind = "negative_binomial"), class = "waddington_loss")
}

#' @export
#' @rdname losses
loss_zero_inflated_negative_binomial <- function() {
    structure(
        list(kind = "zero_inflated_negative_binomial"),
        class = "waddington_loss"
    )
}

#' @export
print.waddington_loss <- function(x, ...) {
    writeLines(paste0("<loss ", x$kind, ">"))
    invisible(x)
}

#' A metric of your own
#'
#' Gives a function of tensors a name, by which the history knows it.
#'
#' @md
#' @param name The name.
#' @param metric_fn A function of `y_true` and `y_pred` that returns one number
#'   or one per sample, made as described in \code{\link{backend}}.
#' @return A list of class `waddington_metric`.
#' @examples
#' custom_metric("largest", function(y_true, y_pred) {
#'     k_max(abs(y_true - y_pred), axis = -1)
#' })
#' @export
custom_metric <- function(name, metric_fn) {
    call <- quote(custom_metric())
    if (!rlang::is_string(name) || !nzchar(name)) {
        .abort("{.arg name} must be one string, not {.val {name}}.",
            call = call)
    }
    if (!is.function(metric_fn)) {
        .abort("{.arg metric_fn} must be a function of two tensors.",
            call = call)
    }
    structure(list(name = name, f = metric_fn), class = "waddington_metric")
}

#' @export
print.waddington_metric <- function(x, ...) {
    writeLines(paste0("<metric ", x$name, ">"))
    invisible(x)
}

.metricNames <- c(
    "accuracy", "binary_accuracy", "categorical_accuracy",
    "sparse_categorical_accuracy", "top_5_categorical_accuracy",
    setdiff(.lossNames, c(
        "negative_binomial", "zero_inflated_negative_binomial"
    ))
)

# What compile() was given as list(name, kind) or list(name, f).
.asLoss <- function(loss, call, name = "loss") {
    if (inherits(loss, "waddington_loss")) {
        return(list(name = name, kind = loss$kind))
    }
    if (is.function(loss) && !.isModel(loss) && !.isLayer(loss)) {
        made <- .calledBare(loss)
        if (inherits(made, "waddington_loss")) {
            return(list(name = name, kind = made$kind))
        }
        return(list(name = name, f = loss))
    }
    if (rlang::is_string(loss) && loss %in% names(.aliases)) {
        loss <- .aliases[[loss]]
    }
    list(name = name, kind = .oneOf(loss, .lossNames, "loss", call))
}

# loss_mean_squared_error is as good as loss_mean_squared_error().
.calledBare <- function(f) {
    if (!identical(environment(f), topenv())) return(NULL)
    tryCatch(f(), error = function(e) NULL)
}

.asMetrics <- function(metrics, call) {
    if (inherits(metrics, c("waddington_metric", "waddington_loss"))) {
        metrics <- list(metrics)
    }
    if (is.function(metrics)) metrics <- list(metrics)
    metrics <- as.list(metrics)
    given <- rlang::names2(metrics)
    lapply(seq_along(metrics), function(i) {
        .asMetric(metrics[[i]], given[i], call)
    })
}

.asMetric <- function(metric, name, call) {
    if (inherits(metric, "waddington_metric")) return(unclass(metric))
    if (inherits(metric, "waddington_loss")) metric <- metric$kind
    if (is.function(metric)) {
        return(list(name = if (nzchar(name)) name else "metric", f = metric))
    }
    asked <- metric
    if (identical(metric, "acc")) metric <- "accuracy"
    if (rlang::is_string(metric) && metric %in% names(.aliases)) {
        metric <- .aliases[[metric]]
    }
    kind <- .oneOf(metric, .metricNames, "metrics", call)
    list(name = if (nzchar(name)) name else asked, kind = kind)
}

# "accuracy" is what the loss makes of it.
.accuracyFor <- function(loss, width) {
    if (identical(loss$kind, "sparse_categorical_crossentropy")) {
        "sparse_categorical_accuracy"
    } else if (identical(loss$kind, "binary_crossentropy") ||
        identical(as.integer(width), 1L)) {
        "binary_accuracy"
    } else {
        "categorical_accuracy"
    }
}
