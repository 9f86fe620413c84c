#' Latent positions of cells
#'
#' Where a trained model places each cell: a few numbers that say what kind of
#' cell it is, for clustering, neighbours and UMAP.
#'
#' @param x Cells: what \code{\link{trainVAE}} takes. Genes are matched by
#'   name; others are ignored.
#' @param model A \linkS4class{WaddingtonModel}.
#' @param ... Not used; a misspelt argument is an error.
#' @param of What to return for each cell: the \code{"mean"} of its posterior,
#'   the \code{"sd"}, or a \code{"sample"}.
#' @param n_samples Whole number, draws per cell for \code{of = "sample"}.
#' @param seed Whole number for the draws; \code{NULL} asks R's generator.
#' @param assay.type String, the assay of \code{x} with the counts;
#'   \code{NULL} is the one that the model was trained on.
#' @param covariates The covariates of the model, if they are not columns of
#'   \code{colData(x)} of the same name: a data frame of values, or for
#'   columns of other names \code{c(covariate = "column")}.
#'
#' @return A numeric matrix, one row per cell with the cell's name, one column
#'   per latent dimension (\code{VAE1}, \code{VAE2}, ...), ready for
#'   \code{reducedDim(x) <-}. With \code{n_samples} above 1, an array of
#'   cells, dimensions and draws.
#'
#' @details
#' The mean is what to cluster. The standard deviation says how sure the model
#' is; a dimension whose mean is nearly 0 and whose standard deviation is
#' nearly 1 for all cells is not in use.
#'
#' @section Errors: Class \code{missing_genes} if \code{x} lacks genes of the
#'   model, \code{unknown_column} if it lacks a covariate,
#'   \code{unseen_level} for a level that was not trained on.
#'
#' @references Lopez R et al. (2018). \emph{Nature Methods} 15, 1053-1058.
#' @seealso \code{\link{runVAE}} to train and fill \code{reducedDim} at once.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, batch = "batch", epochs = 5)
#' SingleCellExperiment::reducedDim(sce, "VAE") <- getLatent(sce, model)
#' dim(getLatent(sce, model, of = "sample", n_samples = 3))
#' @export
setGeneric("getLatent", signature = "x", function(
        x, model, ..., of = c("mean", "sd", "sample"), n_samples = 1,
        seed = NULL, assay.type = NULL, covariates = NULL) {
    standardGeneric("getLatent")
})

#' @rdname getLatent
#' @export
setMethod("getLatent", "ANY", function(
        x, model, ..., of = c("mean", "sd", "sample"), n_samples = 1,
        seed = NULL, assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(getLatent)), .call = call)
    of <- .checkChoice(of, c("mean", "sd", "sample"), "of", call)
    n_samples <- .checkWhole(n_samples, "n_samples", call)
    query <- .query(x, model, assay.type, covariates, call, filed = TRUE)
    seed <- if (of == "sample") .checkSeed(seed, call) else 0L
    values <- .callBridge(
        "latent", query$handle, query$cells, of, n_samples, seed, call = call
    )
    .latentMatrix(values, query$names, "VAE")
})
