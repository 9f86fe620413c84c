#' How good is a predicted response?
#'
#' Compares a prediction with cells that were measured, beside what anybody
#' could have predicted without a model.
#'
#' @param pred What \code{\link{predictPerturbation}} returned.
#' @param observed A SummarizedExperiment with cells of both conditions, whose
#'   \code{colData} has the columns that were named in the prediction.
#' @param n_top Whole number: how many of the genes that change most are scored
#'   apart, by Welch's t between the observed conditions.
#' @param splits Whole number. Cells in \code{from} make the prediction and
#'   are what changes are measured against; using the same ones for both
#'   flatters. So they are split into halves so many times, and scores are
#'   means over splits.
#' @param assay.type String, the assay of \code{observed}; \code{NULL} is the
#'   one that the model was trained on.
#' @param what \code{"change"} against \code{from}, or \code{"mean"}
#'   expression, which is easily predicted by predicting no change.
#' @param label Whole number: how many genes to name in each panel.
#'
#' @return \code{scorePerturbation}: a data frame with one row for the model
#'   and one for each baseline; \code{mean_all} and \code{mean_top} are squared
#'   correlations of mean log expression over all genes and over the
#'   \code{n_top}; \code{change_all} and \code{change_top} are the explained
#'   share of the observed change (1 is perfect, 0 no better than a constant;
#'   below 0 worse). \code{plotPerturbation}: a ggplot.
#'
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, epochs = 20)
#' pred <- predictPerturbation(
#'     sce, model, condition = "condition", from = "condition1",
#'     to = "condition2", cell_type = "cell_type", target = "type1"
#' )
#' scorePerturbation(pred, sce, n_top = 10)
#' plotPerturbation(pred, sce, n_top = 10)
#' @export
plotPerturbation <- function(pred, observed, what = c("change", "mean"),
        n_top = 100, label = 8, splits = 20, assay.type = NULL) {
    call <- sys.call()
    what <- .checkChoice(what, c("change", "mean"), "what", call)
    label <- .checkWhole(label, "label", call, 0L)
    truth <- .truth(pred, observed, n_top, assay.type, call)
    scores <- .scores(pred, truth, .checkWhole(splits, "splits", call))
    points <- .perturbationPoints(pred, truth, what, label)
    notes <- .perturbationNotes(pred, scores, what, truth)
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
            check_overlap = TRUE, na.rm = TRUE
        ) +
        ggplot2::geom_text(
            data = notes, ggplot2::aes(label = .data$text), x = -Inf, y = Inf,
            hjust = 0, vjust = 1.2, size = 3.1, lineheight = 1.05
        ) +
        ggplot2::facet_wrap(ggplot2::vars(.data$by)) +
        ggplot2::scale_colour_manual(values = c("#C8102E", "grey60")) +
        ggplot2::labs(
            x = paste("predicted", axis), y = paste("observed", axis),
            colour = NULL, title = .perturbationTitle(about)
        ) +
        .theme()
}

#' @rdname plotPerturbation
#' @export
scorePerturbation <- function(pred, observed, n_top = 100, splits = 20,
        assay.type = NULL) {
    call <- sys.call()
    truth <- .truth(pred, observed, n_top, assay.type, call)
    .scores(pred, truth, .checkWhole(splits, "splits", call))
}

.perturbationTitle <- function(about) {
    what <- paste(about$from, "to", about$to)
    if (is.null(about$target)) what else paste0(about$target, ": ", what)
}

# What was measured: mean log expression in `to` and `from`, the genes that
# change most, and the log expression of the cells in `from`.
.truth <- function(pred, observed, n_top, assay.type, call) {
    about <- .aboutPrediction(pred, call)
    n_top <- .checkWhole(n_top, "n_top", call, 2L)
    if (!methods::is(observed, "SummarizedExperiment")) {
        .abort(c(
            "{.arg observed} must be a SummarizedExperiment.",
            x = "It is {.obj_type_friendly {observed}}."
        ), class = "not_an_experiment", call = call)
    }
    observed <- .asSCE(observed)
    assay <- if (is.null(assay.type)) about$assay else assay.type
    counts <- .assayOf(observed, assay, call)
    genes <- rownames(pred)
    absent <- setdiff(genes, rownames(counts))
    if (length(absent)) {
        .abort(
            "{.arg observed} lacks {length(absent)} gene{?s} of {.arg pred}.",
            class = "missing_genes", call = call
        )
    }
    logs <- .logExpression(counts[genes, , drop = FALSE], about$counts)
    is <- .observedGroups(observed, about, call)
    after <- logs[, is$to, drop = FALSE]
    before <- logs[, is$from, drop = FALSE]
    statistic <- abs(.welch(after, before))
    list(
        observed = Matrix::rowMeans(after), control = Matrix::rowMeans(before),
        before = before,
        top = utils::head(order(statistic, decreasing = TRUE), n_top)
    )
}

.aboutPrediction <- function(pred, call) {
    about <- if (methods::is(pred, "SingleCellExperiment")) {
        S4Vectors::metadata(pred)$perturbation
    }
    if (is.null(about)) {
        .abort(
            "{.arg pred} must come from {.code predictPerturbation()}.",
            class = "not_a_prediction", call = call
        )
    }
    about
}

# Which cells of `observed` the prediction is about, and what they came from.
.observedGroups <- function(observed, about, call) {
    state <- .columnOf(observed, about$condition, "condition", call)
    mine <- if (is.null(about$target)) {
        rep(TRUE, ncol(observed))
    } else {
        .columnOf(observed, about$cell_type, "cell_type", call) %in%
            about$target
    }
    groups <- list(
        to = which(mine & state %in% about$to),
        from = which(mine & state %in% about$from)
    )
    for (level in c("to", "from")) {
        n <- length(groups[[level]])
        if (n < 2L) {
            .abort(c(
                "{.arg observed} has too few cells to compare with.",
                x = "{n} {about$target} cell{?s} in {.val {about[[level]]}}."
            ), class = "too_few_cells", call = call)
        }
    }
    groups
}

# log(1 + counts per 10,000), or the values as they are if they are no counts.
.logExpression <- function(x, counts) {
    x <- .asSparse(x)
    if (!counts) {
        return(x)
    }
    total <- pmax(Matrix::colSums(x), 1e-12)
    x@x <- log1p(x@x * rep.int(1e4 / total, diff(x@p)))
    x
}

# Welch's t of each row.
.welch <- function(a, b) {
    spread <- function(x) {
        mean <- Matrix::rowMeans(x)
        (Matrix::rowMeans(x^2) - mean^2) / (ncol(x) - 1L)
    }
    difference <- Matrix::rowMeans(a) - Matrix::rowMeans(b)
    ifelse(difference == 0, 0, difference / sqrt(spread(a) + spread(b)))
}

# Scores of the model and of the baselines. Predicted changes are against one
# half of the control cells, observed ones against the other.
.scores <- function(pred, truth, splits) {
    about <- S4Vectors::metadata(pred)$perturbation
    profiles <- about$profiles[-1L]
    logs <- SummarizedExperiment::assay(
        pred, if (about$counts) "log_expression" else "predicted"
    )
    baselines <- setdiff(names(profiles), "predicted")
    still <- lapply(profiles[baselines], function(p) p - profiles$control)
    changes <- .withSeed(1L, lapply(seq_len(splits), function(i) {
        half <- sample.int(ncol(logs), ncol(logs) %/% 2L)
        source <- .sourceOf(pred, truth, half)
        predicted <- Matrix::rowMeans(logs[, half, drop = FALSE]) -
            Matrix::rowMeans(source$half)
        list(
            observed = truth$observed - Matrix::rowMeans(source$rest),
            by = c(list(predicted = predicted), still)
        )
    }))
    rows <- lapply(names(profiles), function(by) {
        .scoreRow(by, profiles[[by]], truth, changes)
    })
    out <- do.call(rbind, rows)
    out$by[out$by == "predicted"] <- about$recipe
    out
}

# The control cells that the half of a prediction came from, and the others.
.sourceOf <- function(pred, truth, half) {
    before <- truth$before
    place <- match(colnames(pred)[half], colnames(before))
    if (anyNA(place) || !length(place)) {
        place <- sample.int(ncol(before), ncol(before) %/% 2L)
    }
    list(
        half = before[, place, drop = FALSE],
        rest = before[, -place, drop = FALSE]
    )
}

.scoreRow <- function(by, profile, truth, changes) {
    change <- function(rows) {
        mean(vapply(changes, function(split) {
            .explained(split$by[[by]][rows], split$observed[rows])
        }, 0))
    }
    correlation <- function(rows) {
        stats::cor(profile[rows], truth$observed[rows])^2
    }
    all <- seq_along(profile)
    data.frame(
        by = by, mean_all = correlation(all), mean_top = correlation(truth$top),
        change_all = change(all), change_top = change(truth$top)
    )
}

# 1 - residual sum of squares / total sum of squares.
.explained <- function(predicted, observed) {
    1 - sum((observed - predicted)^2) / sum((observed - mean(observed))^2)
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
                (if (what == "change") truth$control else 0),
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

.perturbationNotes <- function(pred, scores, what, truth) {
    about <- S4Vectors::metadata(pred)$perturbation
    scores$by[scores$by == about$recipe] <- "predicted"
    if (what == "change") {
        scores <- scores[scores$by != "control", ]
    }
    all <- scores[[paste0(what, "_all")]]
    top <- scores[[paste0(what, "_top")]]
    data.frame(
        by = .panel(scores$by, about),
        text = sprintf(
            "  R\u00b2 %.2f, all %s genes\n  R\u00b2 %.2f, top %d", all,
            .count(nrow(about$profiles)), top, length(truth$top)
        )
    )
}
