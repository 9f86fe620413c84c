#' Where on the landscape samples differ in numbers
#'
#' How many cells each sample has in the neighbourhood of every cell, and the
#' ratio between two groups of samples, without drawing borders between
#' clusters.
#'
#' @inheritParams getLatent
#' @param sample The samples: the name of a column of \code{colData(x)}, or
#'   one value per cell.
#' @param group The groups of samples, such as the condition: likewise.
#'   \code{NULL} compares single samples.
#' @param from,to Levels of \code{group}, or of \code{sample} without one. The
#'   ratio is of \code{to} over \code{from}.
#' @param n_most Whole number: cells that stand for a sample, picked at random.
#' @param seed Whole number for that pick; \code{NULL} asks R's generator.
#'
#' @return A \linkS4class{DataFrame} with one row per cell:
#'   \describe{
#'   \item{\code{log_ratio}}{Mean log density of the samples in \code{to} minus
#'     that of those in \code{from}, in nats: 0.69 is twice as many cells.
#'     Not there without \code{from} and \code{to}.}
#'   \item{\code{se}}{Its standard error over samples; NA if a group has only
#'     one, for then nothing tells chance from difference.}
#'   \item{\code{log_density}}{A matrix, cells x samples: the log of the density
#'     of each sample at the place of the cell, in nats.}
#'   }
#'
#' @details
#' The density of a sample is the mean of the posteriors of its cells, so
#' samples of different size can be compared. What is compared are shares: if
#' one type doubles, the others shrink. Where one group has no cells nearby,
#' ratios are huge and say only that: there are none.
#'
#' @references Boyeau P et al. (2024). Deep generative modeling of
#'   sample-level heterogeneity in single-cell genomics. \emph{bioRxiv}
#'   2022.10.04.510898.
#' @seealso \code{\link{differentialExpression}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells(300)
#' sce$sample <- rep(c("a", "b", "c", "d"), length.out = 300)
#' sce$state <- ifelse(sce$sample %in% c("a", "b"), "rest", "wake")
#' model <- trainVAE(sce, batch = "batch", epochs = 60)
#' there <- differentialAbundance(
#'     sce, model, "sample", "state", from = "rest", to = "wake"
#' )
#' there
#' sce$log_ratio <- there$log_ratio
#' @export
setGeneric("differentialAbundance", signature = "x", function(
        x, model, sample, group = NULL, from = NULL, to = NULL, ...,
        n_most = 1000, seed = NULL, assay.type = NULL, covariates = NULL) {
    standardGeneric("differentialAbundance")
})

#' @rdname differentialAbundance
#' @export
setMethod("differentialAbundance", "ANY", function(
        x, model, sample, group = NULL, from = NULL, to = NULL, ...,
        n_most = 1000, seed = NULL, assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(
        ..., .known = names(formals(differentialAbundance)), .call = call
    )
    .checkModel(model, call)
    n_most <- .checkWhole(n_most, "n_most", call)
    seed <- .checkSeed(seed, call)
    samples <- .wholeColumn(x, sample, "sample", call)
    sides <- .sidesOf(x, samples, group, from, to, call)
    query <- .grouped(x, model, samples, assay.type, covariates, call)
    found <- .callBridge(
        "differential_abundance", query$handle, query$cells, names(samples),
        n_most, seed, call = call
    )
    density <- found$log_density
    dimnames(density) <- list(query$names, unlist(found$samples))
    .abundanceTable(density, sides)
})

# The samples on either side: list(from, to), or NULL if none are compared.
.sidesOf <- function(x, samples, group, from, to, call) {
    if (is.null(from) && is.null(to) && is.null(group)) {
        return(NULL)
    }
    values <- as.character(samples[[1L]])
    groups <- if (is.null(group)) samples else
        .wholeColumn(x, group, "group", call)
    known <- unique(data.frame(sample = values, group = groups[[1L]]))
    for (arg in c("from", "to")) {
        .checkThere(get(arg), known$group, names(groups), arg, call)
    }
    twice <- unique(known$sample[duplicated(known$sample)])
    if (length(twice)) {
        .abort(c(
            "Each sample must be in one level of {.field {names(groups)}}.",
            x = "{.val {utils::head(twice, 3L)}} {?is/are} in several.",
            i = "Make such a column: {.code paste(x$donor, x$condition)}."
        ), class = "mixed_samples", call = call)
    }
    list(
        from = known$sample[known$group == as.character(from)],
        to = known$sample[known$group == as.character(to)]
    )
}

.abundanceTable <- function(density, sides) {
    table <- S4Vectors::make_zero_col_DFrame(nrow(density))
    rownames(table) <- rownames(density)
    if (!is.null(sides)) {
        parts <- lapply(sides, function(s) density[, s, drop = FALSE])
        means <- lapply(parts, rowMeans)
        table$log_ratio <- unname(means$to - means$from)
        errors <- lapply(names(parts), function(side) {
            n <- ncol(parts[[side]])
            off <- parts[[side]] - means[[side]]
            if (n < 2L) NA_real_ else rowSums(off^2) / (n - 1L) / n
        })
        table$se <- rep_len(
            unname(sqrt(errors[[1L]] + errors[[2L]])), nrow(density)
        )
        S4Vectors::metadata(table) <- sides
    }
    table$log_density <- density
    table
}
