#' Plot the training history of a model
#'
#' The objective and its terms over epochs, for the cells that were trained on
#' and for those that were held out.
#'
#' @param x A \linkS4class{WaddingtonModel}.
#' @param terms Character, which columns of \code{\link{trainingHistory}} to
#'   draw; \code{NULL} is the objective and all of its terms.
#' @param ... Not used.
#'
#' @return A ggplot. The dashed line is the epoch whose weights the model has;
#'   the dotted line, where a negative log-likelihood is drawn, is what the
#'   trivial model reaches on held-out cells.
#'
#' @examplesIf waddingtonAvailable()
#' model <- trainVAE(mockCells(), epochs = 10)
#' plot(model)
#' plot(model, terms = "objective") + ggplot2::theme_minimal()
#' @importFrom ggplot2 .data
#' @export
plot.WaddingtonModel <- function(x, terms = NULL, ...) {
    call <- sys.call()
    history <- .historyLong(x@history, terms, call)
    best <- x@record$best_epoch
    ggplot2::ggplot(history, ggplot2::aes(
        .data$epoch, .data$value, colour = .data$cells
    )) +
        ggplot2::geom_vline(
            xintercept = best, linetype = "dashed", colour = "grey60"
        ) +
        .trivialLine(x, levels(history$term)) +
        .historyMarks(history) +
        ggplot2::facet_wrap(
            ggplot2::vars(.data$term), scales = "free_y", ncol = 1L,
            strip.position = "top"
        ) +
        ggplot2::scale_colour_manual(values = .historyColours()) +
        ggplot2::labs(
            x = "epoch", y = "nats per cell", colour = NULL,
            title = paste("Training of", .title(x)),
            subtitle = .upperFirst(x@record$why)
        ) +
        .theme()
}

.historyColours <- function() {
    c(training = "#8A8D91", `held out` = "#C8102E")
}

# The look of all plots of the package.
.theme <- function() {
    ggplot2::theme_bw(base_size = 11) +
        ggplot2::theme(
            panel.grid.minor = ggplot2::element_blank(),
            strip.background = ggplot2::element_blank(),
            strip.text = ggplot2::element_text(hjust = 0, face = "bold"),
            legend.position = "top", legend.justification = "left",
            plot.title = ggplot2::element_text(face = "bold")
        )
}

.upperFirst <- function(text) {
    paste0(toupper(substr(text, 1L, 1L)), substr(text, 2L, nchar(text)))
}

# Lines; points where there are few epochs.
.historyMarks <- function(history) {
    few <- length(unique(history$epoch)) <= 30L
    list(
        ggplot2::geom_line(linewidth = 0.6, na.rm = TRUE),
        if (few) ggplot2::geom_point(size = 1, na.rm = TRUE)
    )
}

# One row per epoch, kind of cells, and term.
.historyLong <- function(history, terms, call) {
    known <- setdiff(names(history), c("epoch", "cells", "lr"))
    known <- known[vapply(history[known], function(v) any(is.finite(v)), NA)]
    if (!length(known)) {
        .abort("The model has no training history to draw.", call = call)
    }
    if (is.null(terms)) {
        terms <- known
    }
    unknown <- setdiff(terms, known)
    if (length(unknown)) {
        .abort(c(
            "{.arg terms} must name columns of the history.",
            x = "Unknown: {.val {unknown}}.",
            i = "There {?is/are} {.val {known}}."
        ), class = "unknown_term", call = call)
    }
    rows <- lapply(terms, function(term) {
        data.frame(
            epoch = history$epoch, value = history[[term]],
            cells = factor(history$cells, names(.historyColours())),
            term = factor(term, terms)
        )
    })
    do.call(rbind, rows)
}

# Where the trivial model is, in the panel of the only likelihood.
.trivialLine <- function(model, terms) {
    panel <- grep("^nll ", terms, value = TRUE)
    trivial <- model@record$trivial_nll
    if (length(panel) != 1L || is.null(trivial)) {
        return(NULL)
    }
    ggplot2::geom_hline(
        data = data.frame(term = factor(panel, terms), at = trivial),
        ggplot2::aes(yintercept = .data$at), linetype = "dotted"
    )
}
