# What decoded data look like beside the data themselves.

#' Decoded data beside their input
#'
#' The questions to ask of an autoencoder's output: are library sizes kept, are
#' gene means, how alike is each cell to itself, and what became of the relation
#' between mean and variance?
#'
#' @md
#' @param x A SummarizedExperiment with two assays.
#' @param input,output Names of the assays: data, and what a model made of
#'   them.
#' @param log2 Flag: are values log2(1 + expression)? They are brought back
#'   for library sizes, means and variances. \code{FALSE} for counts.
#' @param colour_by Name of a column of \code{colData(x)} to colour cells by,
#'   or \code{NULL}.
#' @param what \code{"genes"} for the mean of each gene, input against output;
#'   \code{"cells"} for the correlation of each cell with itself.
#'
#' @return A ggplot.
#' \describe{
#' \item{\code{plotLibrarySize}}{log2 of the sum of expression of each cell,
#'   output against input.}
#' \item{\code{plotReconstruction}}{Gene means, or a histogram of
#'   correlations.}
#' \item{\code{plotMeanVariance}}{log2 of the coefficient of variation of each
#'   gene against log2 of its mean, with a loess curve (red) and the slope of
#'   -1/2 that Poisson counts have (grey), for input and output.}
#' }
#'
#' @details The genes with the least expression, one in a hundred, are left out
#'   of the mean-variance plot: nothing is known of their variance. To means
#'   0.001 is added, so that genes decoded as all but absent stay in it. Decoded
#'   values are expectations, so their variance is that of cells, without that
#'   of counting.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, epochs = 5)
#' sce <- denoise(sce, model)
#' plotLibrarySize(sce, "counts", "denoised", log2 = FALSE)
#' plotReconstruction(sce, "counts", "denoised")
#' plotMeanVariance(sce, "counts", "denoised", log2 = FALSE)
#' @export
plotLibrarySize <- function(x, input = "logcounts", output = "denoised",
        log2 = TRUE, colour_by = NULL) {
    call <- sys.call()
    size <- function(name) {
        log2(Matrix::colSums(.linear(.assayOf(x, name, call), log2)))
    }
    colour <- if (!is.null(colour_by)) {
        .columnOf(x, colour_by, "colour_by", call)
    }
    data <- data.frame(input = size(input), output = size(output))
    data$colour <- colour
    ggplot2::ggplot(data, ggplot2::aes(.data$input, .data$output)) +
        ggplot2::geom_abline(colour = "grey70") +
        (if (is.null(colour)) {
            ggplot2::geom_point(size = 0.8, alpha = 0.6)
        } else {
            ggplot2::geom_point(
                ggplot2::aes(colour = .data$colour), size = 0.8, alpha = 0.6
            )
        }) +
        ggplot2::labs(
            x = paste("log2 library size,", input),
            y = paste("log2 library size,", output), colour = colour_by
        ) +
        .theme()
}

#' @rdname plotLibrarySize
#' @export
plotReconstruction <- function(x, input = "logcounts", output = "denoised",
        what = c("genes", "cells")) {
    call <- sys.call()
    what <- .checkChoice(what, c("genes", "cells"), "what", call)
    a <- .assayOf(x, input, call)
    b <- .assayOf(x, output, call)
    if (what == "genes") .plotGeneMeans(a, b) else .plotCellCorrelations(a, b)
}

.plotGeneMeans <- function(a, b) {
    data <- data.frame(
        input = Matrix::rowMeans(a), output = Matrix::rowMeans(b)
    )
    r2 <- stats::cor(data$input, data$output)^2
    ggplot2::ggplot(data, ggplot2::aes(.data$input, .data$output)) +
        ggplot2::geom_abline(colour = "grey70") +
        ggplot2::geom_point(size = 0.8, alpha = 0.5) +
        ggplot2::labs(
            x = "mean of each gene, input", y = "mean of each gene, decoded",
            subtitle = sprintf("R2 = %.3f over %d genes", r2, nrow(data))
        ) +
        .theme()
}

.plotCellCorrelations <- function(a, b) {
    r <- vapply(seq_len(ncol(a)), function(i) {
        stats::cor(as.numeric(a[, i]), as.numeric(b[, i]))
    }, 0)
    ggplot2::ggplot(data.frame(r = r), ggplot2::aes(.data$r)) +
        ggplot2::geom_histogram(bins = 40, fill = "grey60") +
        ggplot2::geom_vline(
            xintercept = stats::median(r), colour = "#C8102E"
        ) +
        ggplot2::labs(
            x = "correlation of a cell with its decoded self", y = "cells",
            subtitle = sprintf("median %.3f", stats::median(r))
        ) +
        .theme()
}

#' @rdname plotLibrarySize
#' @export
plotMeanVariance <- function(x, input = "logcounts", output = "denoised",
        log2 = TRUE) {
    call <- sys.call()
    trends <- lapply(c(input, output), function(name) {
        .trendOf(.linear(.assayOf(x, name, call), log2), name)
    })
    keep <- Reduce(`&`, lapply(trends, `[[`, "seen"))
    data <- do.call(rbind, lapply(trends, function(one) one[keep, ]))
    data$assay <- factor(data$assay, c(input, output))
    middle <- .middlePart(data)
    ggplot2::ggplot(data, ggplot2::aes(.data$mean, .data$cv)) +
        ggplot2::geom_point(size = 0.8, alpha = 0.35, colour = "#5080B0") +
        ggplot2::geom_abline(slope = -0.5, intercept = 0, colour = "grey50",
            linetype = 2) +
        ggplot2::geom_smooth(
            data = middle, method = "loess", formula = y ~ x, span = 0.5,
            method.args = list(degree = 1), se = FALSE, colour = "#C8102E",
            linewidth = 0.8
        ) +
        ggplot2::facet_wrap(ggplot2::vars(.data$assay)) +
        ggplot2::labs(
            x = "log2 mean expression", y = "log2 coefficient of variation"
        ) +
        .theme()
}

.linear <- function(values, log2) if (log2) 2^as.matrix(values) - 1 else values

# Added to means, so that genes decoded as all but absent stay in the picture.
.pseudo <- 1e-3

# log2 mean and log2 CV of each gene, and whether there is enough to tell.
.trendOf <- function(values, name) {
    values <- as.matrix(values)
    mean <- rowMeans(values)
    sd <- sqrt(pmax(rowMeans(values^2) - mean^2, 0))
    seen <- mean > stats::quantile(mean, 0.01) & mean > 0 & sd > 0
    data.frame(
        mean = log2(mean + .pseudo), cv = log2(pmax(sd, 1e-12) /
            (mean + .pseudo)),
        assay = name, seen = seen
    )
}

# The curve follows the genes between the quantiles 0.1 and 0.95 of the mean.
.middlePart <- function(data) {
    parts <- lapply(split(data, data$assay), function(one) {
        ends <- stats::quantile(one$mean, c(0.1, 0.95))
        one[one$mean > ends[1L] & one$mean < ends[2L], ]
    })
    do.call(rbind, parts)
}

#' A heat map of a path
#'
#' The genes that change most between the ends of a path, from those that are
#' lost to those that are gained.
#'
#' @md
#' @param path A matrix of genes x steps, of \code{\link{interpolateCells}} or
#'   \code{\link{traverseLatent}}.
#' @param genes Names of the genes to show; \code{NULL} is those that change
#'   most.
#' @param n_genes Whole number of genes to show then.
#' @return A ggplot; each gene is scaled to its range along the path. Crosses
#'   below mark the steps that are off the manifold, further from all cells than
#'   95 in 100 cells are from theirs.
#' @examples
#' path <- outer(1:3, seq(0, 1, 0.25))
#' dimnames(path) <- list(c("a", "b", "c"), seq(0, 1, 0.25))
#' plotInterpolation(path)
#' @export
plotInterpolation <- function(path, genes = NULL, n_genes = 40) {
    call <- sys.call()
    n_genes <- .checkWhole(n_genes, "n_genes", call)
    change <- path[, ncol(path)] - path[, 1L]
    if (is.null(genes)) {
        genes <- rownames(path)[utils::head(order(-abs(change)), n_genes)]
    }
    unknown <- setdiff(genes, rownames(path))
    if (length(unknown)) {
        .abort("{.arg genes} has {.val {unknown}}, which {.arg path} lacks.",
            class = "missing_genes", call = call)
    }
    genes <- genes[order(change[genes])]
    low <- apply(path[genes, , drop = FALSE], 1L, min)
    high <- apply(path[genes, , drop = FALSE], 1L, max)
    scaled <- (path[genes, , drop = FALSE] - low) / pmax(high - low, 1e-12)
    data <- data.frame(
        gene = factor(rep(genes, ncol(path)), genes),
        share = rep(as.numeric(colnames(path)), each = length(genes)),
        value = c(scaled)
    )
    ggplot2::ggplot(data, ggplot2::aes(.data$share, .data$gene)) +
        ggplot2::geom_tile(ggplot2::aes(fill = .data$value)) +
        ggplot2::scale_fill_viridis_c() +
        ggplot2::scale_x_continuous(expand = c(0, 0)) +
        .offManifold(path, genes) +
        ggplot2::labs(
            x = attr(path, "along") %||% "share of the way", y = NULL,
            fill = "share of range"
        ) +
        .theme()
}

# Crosses below the steps where no cells are.
.offManifold <- function(path, genes) {
    far <- which(attr(path, "novelty") > 0.95)
    if (!length(far)) {
        return(NULL)
    }
    data <- data.frame(share = as.numeric(colnames(path))[far])
    list(
        ggplot2::geom_point(
            data = data, ggplot2::aes(.data$share, y = 0.25), shape = 4,
            colour = "#C8102E"
        ),
        ggplot2::expand_limits(y = c(0, length(genes) + 0.5)),
        ggplot2::labs(caption = paste(
            length(far), "of", ncol(path),
            "steps are where no cells are (crosses)"
        ))
    )
}
