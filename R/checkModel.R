#' Does a model make cells like the cells?
#'
#' Draws replicates of each cell from the model and compares them with the data
#' in what the model was not asked to match: zeros, spread, totals, and how
#' often counts lie where the model expects them.
#'
#' @inheritParams getLatent
#' @param n_samples Whole number, replicates of each cell; at least 2.
#' @param n_most Whole number: cells that are looked at, picked at random.
#' @param seed Whole number for all draws; \code{NULL} asks R's generator.
#'
#' @return An object of class \code{waddington_checks} that prints its findings
#'   in words, and that \code{plot} draws. It is a list:
#'   \describe{
#'   \item{\code{table}}{Data frame with one row per statistic and the columns
#'     \code{data} and \code{replicates}: \code{zeros}, the mean share of zeros
#'     of a gene, 0 to 1; \code{cv}, the median coefficient of variation of
#'     a gene; \code{library}, the mean counts of a cell; \code{coverage 50\%}
#'     and \code{coverage 90\%}, the share of counts within the central
#'     interval of their replicates, beside the nominal one. Genes with a mean
#'     count below 0.1 are left out, for they say nothing of their spread.}
#'   \item{\code{genes}}{\linkS4class{DataFrame}, one row per gene:
#'     \code{mean_}, \code{variance_} (counts, counts squared), \code{zeros_}
#'     (share) and \code{cv_} (ratio), each of the \code{data} and the
#'     \code{replicates}; and the mean and variance of what is
#'     \code{decoded}, which vary less: that is denoising.}
#'   \item{\code{library}}{Data frame, one row per cell: its counts
#'     (\code{data}) and the mean counts of its \code{replicates}.}
#'   \item{\code{ranks}}{20 numbers, the share of counts by their rank among
#'     replicates: 0.05 each if the model is calibrated.}
#'   \item{\code{flags}}{Character, what does not fit, in words, with a remedy;
#'     empty if all is well.}
#'   }
#'
#' @details
#' A replicate of a cell is drawn near the cell itself, so this criticises the
#' likelihood and the decoder; it does not tell whether the latent space is
#' good. For that see \code{\link{integrationMetrics}} and the held-out score
#' that printing a model shows.
#'
#' @references
#' Gelman A, Meng XL, Stern H (1996). Posterior predictive assessment of model
#' fitness via realized discrepancies. \emph{Statistica Sinica} 6, 733-760.
#'
#' Czado C, Gneiting T, Held L (2009). Predictive model assessment for count
#' data. \emph{Biometrics} 65, 1254-1261.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, batch = "batch", epochs = 150)
#' checks <- checkModel(sce, model)
#' checks
#' plot(checks)
#' @export
setGeneric("checkModel", signature = "x", function(
        x, model, ..., n_samples = 25, n_most = 2000, seed = NULL,
        assay.type = NULL, covariates = NULL) {
    standardGeneric("checkModel")
})

#' @rdname checkModel
#' @export
setMethod("checkModel", "ANY", function(
        x, model, ..., n_samples = 25, n_most = 2000, seed = NULL,
        assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(checkModel)), .call = call)
    options <- list(
        n_samples = .checkWhole(n_samples, "n_samples", call, 2L),
        n_most = .checkWhole(n_most, "n_most", call, 2L),
        seed = .checkSeed(seed, call)
    )
    query <- .query(x, model, assay.type, covariates, call)
    found <- .callBridge(
        "check_model", query$handle, query$cells, options, call = call
    )
    .asChecks(found, model, query$n, options)
})

.asChecks <- function(found, model, n, options) {
    library <- matrix(found$library, ncol = 2L)
    structure(
        list(
            table = data.frame(
                lapply(found$table, unlist), row.names = found$statistics
            ),
            genes = S4Vectors::DataFrame(
                lapply(found$genes, unlist), row.names = model@genes
            ),
            library = data.frame(
                data = library[, 1L], replicates = library[, 2L]
            ),
            ranks = as.numeric(found$uniform),
            flags = as.character(unlist(found$flags)),
            recipe = .title(model), n_cells = n, n_samples = options$n_samples
        ),
        class = "waddington_checks"
    )
}

#' @export
#' @noRd
print.waddington_checks <- function(x, ...) {
    looked <- nrow(x$library)
    of <- if (looked < x$n_cells) paste(" of", .count(x$n_cells)) else ""
    cat(sprintf(
        "Checks of a %s model: %s%s cells, %d replicates of each\n\n",
        x$recipe, .count(looked), of, x$n_samples
    ))
    shown <- x$table
    shown[] <- lapply(shown, function(v) {
        vapply(signif(v, 4L), format, "", big.mark = ",")
    })
    print(shown)
    cat("\n")
    if (!length(x$flags)) {
        cat("Replicates are like the data in all of these.\n")
    }
    for (flag in x$flags) {
        words <- paste0(.upperFirst(flag), ".")
        cat(strwrap(words, initial = "! ", prefix = "  "), sep = "\n")
    }
    invisible(x)
}

#' @rdname checkModel
#' @param y Not used.
#' @export
plot.waddington_checks <- function(x, y, ...) {
    points <- .checkPoints(x)
    panels <- levels(points$panel)
    ranks <- data.frame(
        rank = (seq_along(x$ranks) - 0.5) / length(x$ranks), share = x$ranks,
        panel = factor(panels[4L], panels)
    )
    flat <- data.frame(at = 1 / length(x$ranks), panel = ranks$panel[1L])
    ggplot2::ggplot(mapping = ggplot2::aes(.data$replicates, .data$data)) +
        ggplot2::geom_point(
            data = points, size = 0.7, alpha = 0.4, colour = "grey35"
        ) +
        ggplot2::geom_abline(
            data = data.frame(panel = factor(panels[1:3], panels)),
            ggplot2::aes(slope = 1, intercept = 0), colour = "#C8102E"
        ) +
        ggplot2::geom_col(
            data = ranks, ggplot2::aes(.data$rank, .data$share),
            width = 1 / length(x$ranks), fill = "grey70", colour = "white"
        ) +
        ggplot2::geom_hline(
            data = flat, ggplot2::aes(yintercept = .data$at),
            colour = "#C8102E"
        ) +
        ggplot2::facet_wrap(
            ggplot2::vars(.data$panel), scales = "free", drop = FALSE
        ) +
        ggplot2::labs(
            x = "replicates (last panel: rank, as a share)",
            y = "data (last panel: share of counts)",
            title = paste0("Data against replicates of a ", x$recipe, " model")
        ) +
        .theme()
}

# Mean count below which a gene says nothing of its spread, as in the core.
.expressed <- 0.1

# One row per gene or cell and panel.
.checkPoints <- function(x) {
    panels <- c(
        "share of zeros of each gene", "log10 coefficient of variation",
        "log10 counts of each cell", "rank of counts: flat is right"
    )
    genes <- as.data.frame(x$genes)
    spread <- genes[genes$mean_data >= .expressed & genes$cv_replicates > 0, ]
    part <- function(i, data, replicates) {
        data.frame(
            data = data, replicates = replicates,
            panel = rep(factor(panels[i], panels), length(data))
        )
    }
    rbind(
        part(1L, genes$zeros_data, genes$zeros_replicates),
        part(2L, log10(spread$cv_data), log10(spread$cv_replicates)),
        part(
            3L, log10(pmax(x$library$data, 1)),
            log10(pmax(x$library$replicates, 1))
        )
    )
}
