#' How rare cells are
#'
#' How few others are like a cell, by the density of cells in latent space.
#'
#' @inheritParams getLatent
#' @param method \code{"neighbours"}: the log distance to the 15th neighbour in
#'   latent space, which found planted types best. \code{"density"}: minus the
#'   log density, in nats, of all other cells' posteriors where the cell is. Two
#'   that ask no model, to compare:
#'   \code{"components"}, the same distance in 30 principal components of log
#'   expression, and \code{"sketch"}, how seldom other cells pass the same
#'   random tests of genes against thresholds.
#' @param seed Whole number for samples and tests; \code{NULL} asks R's
#'   generator.
#'
#' @return A number for each cell, under its name; more is rarer. Only their
#'   order means something, and only within a method.
#'
#' @details
#' Doublets look rare too: take them out first. So do cells of very low quality,
#' and those that the model describes badly.
#'
#' @references Jindal A et al. (2018). Discovery of rare cells from voluminous
#'   single cell expression data. \emph{Nature Communications} 9, 4719, for the
#'   sketch.
#' @seealso \code{\link{augment}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells(300)
#' few <- which(sce$cell_type == "type1")[-(1:8)]
#' sce <- sce[, -few]
#' model <- trainVAE(sce, epochs = 20)
#' sce$rareness <- rareness(sce, model)
#' tapply(sce$rareness, sce$cell_type, median)
#' @export
rareness <- function(x, model, ...,
        method = c("neighbours", "density", "components", "sketch"),
        seed = NULL, assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(rareness)), .call = call)
    method <- .checkChoice(
        method, c("neighbours", "density", "components", "sketch"), "method",
        call
    )
    query <- .query(x, model, assay.type, covariates, call)
    values <- .callBridge(
        "rareness", query$handle, query$cells, method,
        .checkSeed(seed, call), call = call
    )
    rlang::set_names(as.numeric(unlist(values)), query$names)
}
