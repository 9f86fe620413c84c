#' Predicted against observed change
#'
#' Each gene's change as it was predicted and as it was observed, by the model
#' and by those who need none, with their scores.
#'
#' @inheritParams evaluatePerturbation
#' @param what \code{"change"} against \code{from}, or \code{"mean"}
#'   expression, which is easily predicted by predicting no change.
#' @param label Whole number: how many genes to name in each panel, those that
#'   change most.
#'
#' @return A ggplot. Its data have one row per gene and panel.
#'
#' @seealso \code{\link{evaluatePerturbation}} for the scores in it, and more.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, epochs = 20)
#' pred <- predictPerturbation(
#'     sce, model, condition = "condition", from = "condition1",
#'     to = "condition2", cell_type = "cell_type", target = "type1"
#' )
#' plotPerturbation(pred, sce, n_top = 10)
#' @export
plotPerturbation <- function(pred, observed, what = c("change", "mean"),
        model = NULL, n_top = 100, label = 8, splits = 20, assay.type = NULL,
        seed = 1) {
    call <- sys.call()
    what <- .checkChoice(what, c("change", "mean"), "what", call)
    label <- .checkWhole(label, "label", call, 0L)
    options <- list(n_top = n_top, splits = splits, seed = seed)
    truth <- .evaluated(pred, observed, model, options, assay.type, call)
    points <- .perturbationPoints(pred, truth, what, label)
    notes <- .perturbationNotes(pred, truth, what)
    about <- S4Vectors::metadata(pred)$perturbation
    axis <- if (what == "change") "change of mean log expression" else
        "mean log expression"
    ggplot2::ggplot(points, ggplot2::aes(.data$predicted, .data$observed)) +
        ggplot2::geom_abline(colour = "grey70") +
        ggplot2::geom_point(
            ggplot2::aes(colour = .data$genes), size = 1, alpha = 0.7
        ) +
        ggplot2::geom_text(
            ggplot2::aes(label = .data$name), size = 2.8, vjust = -0.6,
            hjust = "inward", check_overlap = TRUE, na.rm = TRUE
        ) +
        ggplot2::geom_text(
            data = notes, ggplot2::aes(label = .data$text), x = -Inf, y = Inf,
            hjust = 0, vjust = 1.2, size = 3.1, lineheight = 1.05
        ) +
        ggplot2::facet_wrap(ggplot2::vars(.data$by)) +
        ggplot2::scale_colour_manual(values = c("#C8102E", "grey60")) +
        ggplot2::scale_y_continuous(expand = ggplot2::expansion(c(0.05, 0.1))) +
        ggplot2::labs(
            x = paste("predicted", axis), y = paste("observed", axis),
            colour = NULL, title = .perturbationTitle(about)
        ) +
        .theme()
}

# One row per gene and panel.
.perturbationPoints <- function(pred, truth, what, label) {
    about <- S4Vectors::metadata(pred)$perturbation
    profiles <- about$profiles[-1L]
    shown <- if (what == "change") {
        profiles[setdiff(names(profiles), "control")]
    } else {
        profiles
    }
    n <- nrow(about$profiles)
    top <- seq_len(n) %in% truth$top
    named <- seq_len(n) %in% utils::head(truth$top, label)
    kinds <- c(paste("the", sum(top), "genes that change most"), "other genes")
    rows <- lapply(names(shown), function(by) {
        base <- if (what == "change") profiles$control else 0
        data.frame(
            predicted = shown[[by]] - base,
            observed = truth$observed -
                (if (what == "change") profiles$control else 0),
            genes = factor(ifelse(top, kinds[1L], kinds[2L]), kinds),
            name = ifelse(named, about$profiles$gene, NA), by = by
        )
    })
    points <- do.call(rbind, rows)
    points$by <- .panel(points$by, about)
    points[order(points$genes, decreasing = TRUE), ]
}

# The names of the panels, the model first.
.panel <- function(by, about) {
    known <- names(about$profiles)[-1L]
    titles <- ifelse(
        known == "predicted", paste0(about$recipe, ", by ", about$method),
        paste("no model:", known)
    )
    factor(titles[match(by, known)], c(titles[1L], rev(titles[-1L])))
}

.perturbationNotes <- function(pred, truth, what) {
    about <- S4Vectors::metadata(pred)$perturbation
    scores <- as.data.frame(truth$scores)
    scores$by[scores$by == about$recipe] <- "predicted"
    shown <- names(about$profiles)[-1L]
    if (what == "change") {
        shown <- setdiff(shown, "control")
    }
    scores <- scores[match(shown, scores$by), ]
    column <- paste0("r2_", what)
    data.frame(
        by = .panel(scores$by, about),
        text = sprintf(
            "  R\u00b2 %.2f, all %s genes\n  R\u00b2 %.2f, top %d",
            scores[[column]], .count(nrow(about$profiles)),
            scores[[paste0(column, "_top")]], length(truth$top)
        )
    )
}
