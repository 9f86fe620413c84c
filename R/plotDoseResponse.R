#' Predicted response against dose
#'
#' What a model that learnt doses expects of genes at doses between and beyond
#' those that were measured, with the measured ones as points.
#'
#' @inheritParams predictPerturbation
#' @param doses Numbers: the doses to predict, in the units of training.
#' @param genes Names of genes to show; \code{NULL} is those whose predicted
#'   response is largest.
#' @param n_genes Whole number of genes to show then.
#' @param observed_dose The column of doses in \code{x}, a name or one value per
#'   cell: cells in \code{to} are shown by it, as means and their standard
#'   errors. \code{NULL} shows none.
#' @param ... Passed to \code{\link{predictPerturbation}}, such as
#'   \code{assay.type} and \code{covariates}.
#'
#' @return A ggplot. Its data have one row for each gene and dose:
#'   \code{gene}, \code{dose}, \code{predicted}, the mean log expression.
#'
#' @details
#' The curve of each perturbation is one that rises from 0 at no dose to its
#' effect at dose 1 (see \code{\link{cpa}}); how far to believe it beyond the
#' doses that were measured is for the points to say.
#'
#' @section Errors: Those of \code{\link{predictPerturbation}}, such as class
#'   \code{waddington_InputError} for a model that learnt no doses;
#'   \code{missing_genes} for genes that the model does not know.
#' @seealso \code{\link{cpa}}, \code{\link{perturbationLevels}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells(300)
#' half <- rep(c(TRUE, FALSE), length.out = 300)
#' sce$dose <- ifelse(sce$condition == "condition2" & half, "0.5", "1")
#' model <- trainVAE(sce, recipe = cpa(
#'     perturbation = "condition", control = "condition1", dose = "dose"
#' ), epochs = 20)
#' plotDoseResponse(
#'     sce, model, from = "condition1", to = "condition2",
#'     condition = "condition", observed_dose = "dose"
#' )
#' @export
plotDoseResponse <- function(x, model, condition = NULL, from, to,
        doses = seq(0, 1, 0.2), genes = NULL, n_genes = 6,
        observed_dose = NULL, cell_type = NULL, target = NULL, ...,
        seed = NULL) {
    call <- sys.call()
    doses <- .checkDoses(doses, call)
    n_genes <- .checkWhole(n_genes, "n_genes", call)
    seed <- .checkSeed(seed, call)
    made <- .warnOnce(lapply(doses, function(dose) {
        parts <- length(strsplit(to, "+", fixed = TRUE)[[1L]])
        predictPerturbation(
            x, model, condition = condition, from = from, to = to,
            cell_type = cell_type, target = target, dose = rep(dose, parts),
            seed = seed, ...
        )
    }))
    about <- S4Vectors::metadata(made[[1L]])$perturbation
    profiles <- vapply(made, function(pred) {
        S4Vectors::metadata(pred)$perturbation$profiles$predicted
    }, numeric(nrow(made[[1L]])))
    rownames(profiles) <- rownames(made[[1L]])
    if (is.null(genes)) {
        reach <- apply(profiles, 1L, function(v) diff(range(v)))
        genes <- names(utils::head(sort(reach, decreasing = TRUE), n_genes))
    }
    .checkKnownGenes(genes, rownames(profiles), call)
    data <- data.frame(
        gene = factor(rep(genes, length(doses)), genes),
        dose = rep(doses, each = length(genes)),
        predicted = c(profiles[genes, ])
    )
    seen <- if (!is.null(observed_dose)) {
        .observedDoses(x, observed_dose, about, genes, made[[1L]], call)
    }
    .drawDoses(data, seen, about)
}

.checkDoses <- function(doses, call) {
    if (!is.numeric(doses) || length(doses) < 2L ||
        !all(is.finite(doses) & doses >= 0)) {
        .abort(c(
            "{.arg doses} must be two or more numbers of at least 0.",
            x = "It is {.val {doses}}."
        ), class = "bad_dose", call = call)
    }
    sort(unique(doses))
}

.checkKnownGenes <- function(genes, known, call) {
    unknown <- setdiff(genes, known)
    if (length(unknown)) {
        .abort(
            "{.arg genes} has {.val {unknown}}, which {.arg model} lacks.",
            class = "missing_genes", call = call
        )
    }
}

# Mean log expression of the cells in `to` at each dose, which must be a
# number, with standard errors.
.observedDoses <- function(x, column, about, genes, pred, call) {
    state <- .oneColumn(x, about$condition, "condition", call)[[1L]]
    dose <- .oneColumn(x, column, "observed_dose", call)[[1L]]
    mine <- as.character(state) %in% about$to
    if (!is.null(about$target)) {
        mine <- mine & .columnOf(x, about$cell_type, "cell_type", call) %in%
            about$target
    }
    number <- suppressWarnings(as.numeric(as.character(dose)))
    mine <- which(mine & !is.na(number))
    values <- .countsOf(x, about$assay, NULL, call)
    values <- .asSparse(values[rownames(pred), mine, drop = FALSE])
    if (about$counts) {
        total <- pmax(Matrix::colSums(values), 1)
        values@x <- log1p(values@x * rep.int(1e4 / total, diff(values@p)))
    }
    values <- as.matrix(values[genes, , drop = FALSE])
    parts <- split(seq_along(mine), number[mine])
    do.call(rbind, lapply(names(parts), function(level) {
        some <- values[, parts[[level]], drop = FALSE]
        error <- apply(some, 1L, stats::sd) / sqrt(ncol(some))
        data.frame(
            gene = factor(genes, genes), dose = as.numeric(level),
            observed = rowMeans(some), error = error, n_cells = ncol(some)
        )
    }))
}

.drawDoses <- function(data, seen, about) {
    plot <- ggplot2::ggplot(data, ggplot2::aes(.data$dose)) +
        ggplot2::geom_line(
            ggplot2::aes(y = .data$predicted), colour = "#C8102E",
            linewidth = 0.8
        ) +
        ggplot2::facet_wrap(ggplot2::vars(.data$gene), scales = "free_y") +
        ggplot2::labs(
            x = paste("dose of", about$to), y = "mean log expression",
            title = .perturbationTitle(about),
            subtitle = paste0(
                about$recipe, ", by ", about$method,
                if (!is.null(seen)) "; points: measured, with standard errors"
            )
        ) +
        .theme()
    if (is.null(seen)) {
        return(plot)
    }
    plot + ggplot2::geom_pointrange(data = seen, ggplot2::aes(
        y = .data$observed, ymin = .data$observed - .data$error,
        ymax = .data$observed + .data$error
    ), size = 0.3)
}
