#' Train a variational autoencoder
#'
#' Fits a generative model to the counts of cells. The result gives latent
#' positions (\code{\link{getLatent}}), denoised expression
#' (\code{\link{denoise}}), predicted responses
#' (\code{\link{predictPerturbation}}) and new cells
#' (\code{\link{sampleCells}}).
#'
#' @param x A \linkS4class{SingleCellExperiment} or SummarizedExperiment, or a
#'   matrix of counts with genes in rows and cells in columns: ordinary,
#'   sparse, or a DelayedMatrix. It is never made dense as a whole.
#' @param recipe What to train: a recipe such as \code{\link{scvi}()} or
#'   \code{\link{vae}(n_latent = 32)}, see \link{recipes}. \code{NULL} is
#'   \code{scvi()}, or \code{cvae()} if \code{condition} is given.
#' @param batch Technical batches, which the latent space shall not show: the
#'   name of a column of \code{colData(x)}, or one value per cell.
#' @param condition Biological conditions that the model shall be able to
#'   exchange: likewise.
#' @param covariates Further columns that the recipe reads, by name; for a
#'   matrix, a data frame with one row per cell.
#' @param ... Not used; a misspelt argument is an error.
#' @param assay.type String, the assay of \code{x} with the counts.
#' @param subset_row Genes to train on, such as the variable ones: names,
#'   numbers, or a logical vector. \code{NULL} is all.
#' @param epochs Passes over the cells; \code{NULL} asks the recipe, which
#'   counts in updates, so that few cells get more passes.
#' @param batch_size Cells per minibatch; \code{NULL} asks the recipe.
#' @param learning_rate Step size; \code{NULL} asks the recipe.
#' @param patience Epochs without a better held-out score after which training
#'   stops; \code{NULL} asks the recipe. The best state is always restored.
#' @param held_out Share of the cells that is never trained on, and decides
#'   when to stop.
#' @param seed Whole number; \code{NULL} draws it from R's generator, so that
#'   \code{set.seed} before makes the result reproducible.
#' @param device \code{"auto"}, \code{"cpu"}, \code{"cuda"} or \code{"mps"}.
#' @param threads Threads of the processor; \code{NULL} is 1, or up to 4 if the
#'   environment variable \code{GOMP_SPINCOUNT} was set before R started: more
#'   threads wait for each other at full speed otherwise, and are slower than
#'   one as soon as anything else runs. Results are bit-equal for equal seeds
#'   and equal threads.
#' @param precision \code{"float32"}, or \code{"bfloat16"} for large networks
#'   on GPUs that are fast with it.
#' @param start A \linkS4class{WaddingtonModel} to go on from.
#' @param verbose \code{TRUE}, \code{FALSE} for silence, or \code{NULL}:
#'   progress in a terminal, nothing in reports and tests.
#'
#' @return A \linkS4class{WaddingtonModel}. Printing it tells why training
#'   stopped, and its score on held-out cells beside that of the trivial model
#'   (gene means times library size).
#'
#' @details
#' Genes are kept by name, so that new data may have them in another order.
#' Interrupting (Ctrl-C, or Stop in RStudio) ends training but not the
#' session: the best state so far is returned, and says so.
#'
#' Counts in a file (HDF5Matrix, TENxMatrix, H5ADMatrix, and subsets of these)
#' stay there: Python reads them a block of cells at a time, and so do
#' \code{\link{getLatent}} and \code{\link{denoise}}. Other DelayedMatrix
#' objects are read into memory, a block at a time.
#'
#' @section Errors and warnings: All errors name the argument, what it was and
#'   what to do, and have class \code{waddington_error}; those of the data have
#'   class \code{waddington_InputError} too. A model that is no better than the
#'   trivial one comes with a warning of class \code{no_better_than_trivial}.
#'
#' @references
#' Kingma DP, Welling M (2014). Auto-encoding variational Bayes. \emph{ICLR}.
#'
#' Lopez R et al. (2018). Deep generative modeling for single-cell
#' transcriptomics. \emph{Nature Methods} 15, 1053-1058.
#'
#' @seealso \link{recipes} for what can be trained, \code{\link{trainGAN}},
#'   \code{\link{runVAE}} for a one-liner that fills \code{reducedDim}.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' set.seed(1)
#' model <- trainVAE(sce, batch = "batch", epochs = 5)
#' model
#' plot(model)
#'
#' # another recipe, and only some genes
#' trainVAE(sce, recipe = vae(n_latent = 3), subset_row = 1:50, epochs = 3)
#' @export
setGeneric("trainVAE", signature = "x", function(
        x, recipe = NULL, batch = NULL, condition = NULL, covariates = NULL,
        ..., assay.type = "counts", subset_row = NULL, epochs = NULL,
        batch_size = NULL, learning_rate = NULL, patience = NULL,
        held_out = 0.1, seed = NULL, device = "auto", threads = NULL,
        precision = "float32", start = NULL, verbose = NULL) {
    standardGeneric("trainVAE")
})

#' @rdname trainVAE
#' @export
setMethod("trainVAE", "ANY", function(
        x, recipe = NULL, batch = NULL, condition = NULL, covariates = NULL,
        ..., assay.type = "counts", subset_row = NULL, epochs = NULL,
        batch_size = NULL, learning_rate = NULL, patience = NULL,
        held_out = 0.1, seed = NULL, device = "auto", threads = NULL,
        precision = "float32", start = NULL, verbose = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(trainVAE)), .call = call)
    x <- .asSCE(x)
    counts <- .countsOf(x, assay.type, subset_row, call)
    columns <- .roles(x, batch, condition, covariates, call)
    recipe <- .recipeFor(recipe, columns, .defaultVAE, call)
    options <- .trainerOptions(
        epochs, batch_size, learning_rate, patience, held_out, seed, device,
        threads, precision, start, verbose, .assayName(x, assay.type), call
    )
    .train(counts, x, recipe, columns, options, call)
})

# The recipe with the columns that were named in the call. A recipe without an
# argument `batch` takes it as one more condition, if it has any.
.recipeFor <- function(recipe, columns, default, call) {
    recipe <- if (is.null(recipe)) {
        default(columns$roles)
    } else {
        .checkRecipe(recipe, call)
    }
    roles <- columns$roles
    known <- names(recipe$args)
    if (!"batch" %in% known && "condition" %in% known && length(roles$batch)) {
        given <- roles$condition
        if (is.null(given)) given <- recipe$args$condition
        recipe$args$condition <- c(given, roles$batch)
        recipe$changed <- union(recipe$changed, "condition")
        roles <- list()
    }
    if (length(columns$covariates) && "covariates" %in% known) {
        roles$covariates <- setdiff(columns$covariates, unlist(recipe$args))
    }
    .fillRecipe(recipe, roles[lengths(roles) > 0L], call)
}

.defaultVAE <- function(roles) {
    if ("condition" %in% names(roles)) cvae() else scvi()
}

# The counts of `x`: an assay, or the matrix itself; some rows of it.
.countsOf <- function(x, assay.type, subset_row, call) {
    counts <- if (methods::is(x, "SummarizedExperiment")) {
        .assayOf(x, assay.type, call)
    } else {
        x
    }
    .checkCounts(counts, call)
    if (is.null(subset_row)) counts else .someGenes(counts, subset_row, call)
}

.assayName <- function(x, assay.type) {
    if (methods::is(x, "SummarizedExperiment")) assay.type
}

.someGenes <- function(counts, subset_row, call) {
    tryCatch(
        counts[subset_row, , drop = FALSE],
        error = function(e) {
            .abort(c(
                "{.arg subset_row} must pick genes of {.arg x}.",
                x = "{conditionMessage(e)}"
            ), class = "unknown_genes", call = call)
        }
    )
}
