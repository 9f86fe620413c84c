# What a training said of itself.

.newHistory <- function(run, status) {
    structure(
        list(
            params = list(
                samples = run$samples, validation_samples = run$held,
                batch_size = run$batch_size, epochs = run$epoch,
                best_epoch = run$best_epoch, status = status
            ),
            metrics = run$history
        ),
        class = "waddington_history"
    )
}

#' The history of a training
#'
#' What \code{\link{fit}} returns: the loss, and every metric, after each epoch,
#' on the samples trained on and on those held out.
#'
#' @md
#' @param x A history.
#' @param y Not used.
#' @param metrics Names of the metrics to plot, or `NULL` for all.
#' @param row.names,optional,... As in \code{\link{as.data.frame}}; not used.
#'
#' @return A history is a list of `params` (sizes) and `metrics` (numeric
#'   vectors, one number an epoch, `val_` before the names of those of held-out
#'   samples). `as.data.frame()` has one row per epoch, metric and kind of
#'   samples: columns `epoch`, `value`, `metric` and `data`, the latter
#'   `"training"` or `"validation"`. `plot()` returns a ggplot, one facet per
#'   metric.
#' @details The loss of the training samples is a mean over the epoch, with
#'   dropout on, so it is often above that of held-out samples.
#' @examplesIf waddington::waddingtonAvailable()
#' model <- keras_model_sequential(input_shape = 4) %>% layer_dense(units = 1)
#' model %>% compile(loss = "mse", optimizer = "adam")
#' x <- as.matrix(iris[, 1:4])
#' history <- model %>% fit(x, x[, 1], epochs = 5, validation_split = 0.2)
#' history
#' tail(as.data.frame(history), 2)
#' plot(history)
#' @name waddington_history
NULL

#' @export
#' @rdname waddington_history
print.waddington_history <- function(x, ...) {
    n <- function(k) format(k, big.mark = ",")
    p <- x$params
    held <- if (!is.null(p$validation_samples)) {
        paste0(", validated on ", n(p$validation_samples), " samples")
    }
    writeLines(c(
        paste0(
            "Trained on ", n(p$samples), " samples", held, " (batch_size=",
            p$batch_size, ", epochs=", length(x$metrics[[1]]), ")"
        ),
        "Final epoch (plot to see history):"
    ))
    names <- formatC(names(x$metrics), width = max(nchar(names(x$metrics))))
    values <- vapply(x$metrics, function(v) {
        format(v[length(v)], digits = 4)
    }, "")
    writeLines(paste0(names, ": ", values))
    if (!is.null(p$best_epoch)) {
        writeLines(paste0("Kept: the weights of epoch ", p$best_epoch))
    }
    invisible(x)
}

#' @export
#' @rdname waddington_history
as.data.frame.waddington_history <- function(
        x, row.names = NULL, optional = FALSE, ...) {
    names <- names(x$metrics)
    n <- lengths(x$metrics)
    metric <- sub("^val_", "", names)
    held <- startsWith(names, "val_")
    data.frame(
        epoch = unlist(lapply(n, seq_len), use.names = FALSE),
        value = unlist(x$metrics, use.names = FALSE),
        metric = factor(rep(metric, n), unique(metric)),
        data = factor(
            rep(ifelse(held, "validation", "training"), n),
            c("training", "validation")
        )
    )
}

#' @export
#' @rdname waddington_history
#' @importFrom rlang .data
plot.waddington_history <- function(x, y, metrics = NULL, ...) {
    data <- as.data.frame(x)
    if (!is.null(metrics)) {
        .oneOf(metrics[1], levels(data$metric), "metrics", quote(plot()))
        data <- data[data$metric %in% metrics, ]
    }
    data <- data[is.finite(data$value), ]
    ggplot2::ggplot(data, ggplot2::aes(
        .data$epoch, .data$value, colour = .data$data
    )) +
        ggplot2::geom_line() +
        (if (max(data$epoch) <= 50) ggplot2::geom_point(size = 1)) +
        ggplot2::facet_wrap(
            ggplot2::vars(.data$metric),
            ncol = 1, scales = "free_y", strip.position = "left"
        ) +
        ggplot2::labs(x = "epoch", y = NULL, colour = NULL) +
        ggplot2::theme_bw() +
        ggplot2::theme(
            strip.placement = "outside",
            strip.background = ggplot2::element_blank()
        )
}
