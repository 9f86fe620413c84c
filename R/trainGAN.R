#' Train a generative adversarial network
#'
#' Fits a generator that makes cells which a critic can't tell from real ones.
#' It gives new cells (\code{\link{sampleCells}}); having no encoder, it gives
#' no latent positions of given cells.
#'
#' @inheritParams trainVAE
#' @param assay.type String, the assay of \code{x} to learn: counts, or
#'   log-normalised values for a recipe with \code{likelihood = "normal"}.
#' @param recipe A recipe with a critic; \code{NULL} is \code{\link{wgan}()}.
#'
#' @return A \linkS4class{WaddingtonModel}.
#'
#' @details
#' There is no likelihood, so nothing tells by itself when to stop: train a
#' fixed number of \code{epochs} and compare \code{\link{sampleCells}} with
#' the data.
#'
#' @references
#' Goodfellow I et al. (2014). Generative adversarial nets. \emph{NeurIPS} 27.
#'
#' Gulrajani I et al. (2017). Improved training of Wasserstein GANs.
#' \emph{NeurIPS} 30.
#'
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainGAN(sce, epochs = 2)
#' sampleCells(model, 5)
#' @export
setGeneric("trainGAN", signature = "x", function(
        x, recipe = NULL, batch = NULL, condition = NULL, covariates = NULL,
        ..., assay.type = "counts", subset_row = NULL, epochs = NULL,
        batch_size = NULL, learning_rate = NULL, patience = NULL,
        held_out = 0.1, seed = NULL, device = "auto", threads = NULL,
        precision = "float32", start = NULL, verbose = NULL) {
    standardGeneric("trainGAN")
})

#' @rdname trainGAN
#' @export
setMethod("trainGAN", "ANY", function(
        x, recipe = NULL, batch = NULL, condition = NULL, covariates = NULL,
        ..., assay.type = "counts", subset_row = NULL, epochs = NULL,
        batch_size = NULL, learning_rate = NULL, patience = NULL,
        held_out = 0.1, seed = NULL, device = "auto", threads = NULL,
        precision = "float32", start = NULL, verbose = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(trainGAN)), .call = call)
    x <- .asSCE(x)
    counts <- .countsOf(x, assay.type, subset_row, call)
    columns <- .roles(x, batch, condition, covariates, call)
    recipe <- .recipeFor(recipe, columns, function(roles) wgan(), call)
    .checkHasOpponent(recipe, call)
    options <- .trainerOptions(
        epochs, batch_size, learning_rate, patience, held_out, seed, device,
        threads, precision, start, verbose, .assayName(x, assay.type), call
    )
    .train(counts, x, recipe, columns, options, call)
})

.checkHasOpponent <- function(recipe, call) {
    tree <- jsonlite::fromJSON(
        .recipeTree(recipe, call), simplifyVector = FALSE
    )
    if (!length(tree$opponents)) {
        .abort(c(
            "{.code {recipe$name}()} has no critic to play against.",
            i = "Use {.code trainVAE()}, or a recipe such as {.code wgan()}."
        ), class = "no_opponent", call = call)
    }
}
