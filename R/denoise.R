#' Denoised expression
#'
#' What a trained model expects of each gene in each cell, given all that was
#' measured of the cell. Cells of different batches are compared by decoding
#' them as if all had come from one batch, or from each batch in turn.
#'
#' @inheritParams getLatent
#' @param batch,condition A level: decode as if every cell were of that batch
#'   or condition. Several levels give the mean over them, each with the same
#'   weight, so that none is favoured: \code{levels(x$batch)} is all.
#'   \code{NULL} leaves each cell what it is.
#' @param as_if Further counterfactuals by covariate, likewise, as in
#'   \code{list(donor = "101")}.
#' @param library Counts per cell that the result is scaled to:
#'   \code{"observed"}, each cell's own; \code{"median"}, the same for all,
#'   the median of \code{x}; or a number.
#' @param genes Names of genes to return; \code{NULL} is all of the model.
#'   For a SummarizedExperiment, \code{x} is restricted to them.
#' @param name String, the name of the new assay; \code{NULL} is
#'   \code{"harmonised"} if \code{batch} is given, else \code{"denoised"}.
#' @param overwrite Flag: replace an assay that is there?
#' @param file String, an HDF5 file to write the result to, for results that
#'   do not fit into memory; \code{NULL} is memory, or a temporary file if the
#'   result is above a gigabyte.
#'
#' @return Expected counts on the scale of \code{library}, genes x cells. For
#'   a matrix, a matrix. For a SummarizedExperiment, \code{x} with the assay
#'   \code{name}, without the genes that the model does not know. With a file,
#'   the assay is an HDF5Array.
#'
#' @section Which matrix is what:
#' \describe{
#' \item{\code{counts}}{What was measured, with its noise, its depth and its
#'   batch. For training, for quality control, for sums per donor
#'   (pseudobulk) and every test on them.}
#' \item{\code{denoise(x, model)}}{Counts that the model expects of each cell,
#'   at the depth of the cell and \emph{in its own batch}: batch effects are
#'   still there. For comparison with the counts, gene by gene.}
#' \item{\code{denoise(x, model, library = "median")}}{The same at one depth for
#'   all cells. For plots of expression within a batch; take
#'   \code{log1p} of it.}
#' \item{\code{denoise(x, model, batch = levels(x$batch), library = "median")}}{
#'   Harmonised: at one depth, the mean over all batches of what the cell would
#'   have been in each. For heat maps, dot plots and colours across batches.
#'   With one level, as if all cells were of that batch: for comparison with
#'   its counts.}
#' \item{\code{\link{sampleCells}(model, x = x, near = TRUE)}}{New counts,
#'   which vary as counts do.}
#' }
#' All but the first and the last are means of a model, which vary less than
#' data and of which genes go together because the model lets them. None is
#' for tests that take cells as replicates (p-values would be far too small:
#' use \code{\link{differentialExpression}}), nor for networks of correlated
#' genes, nor for training another model.
#'
#' What a cell would have been in another batch is a guess: a good one if that
#' batch has cells like it.
#'
#' @references Eraslan G et al. (2019). Single-cell RNA-seq denoising using a
#'   deep count autoencoder. \emph{Nature Communications} 10, 390.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, batch = "batch", epochs = 5)
#' sce <- denoise(sce, model)
#' sce <- denoise(sce, model, batch = levels(sce$batch), library = "median")
#' sce
#' @export
setGeneric("denoise", signature = "x", function(
        x, model, ..., batch = NULL, condition = NULL, as_if = list(),
        library = c("observed", "median"), genes = NULL, assay.type = NULL,
        covariates = NULL, name = NULL, overwrite = FALSE,
        file = NULL) {
    standardGeneric("denoise")
})

#' @rdname denoise
#' @export
setMethod("denoise", "ANY", function(
        x, model, ..., batch = NULL, condition = NULL, as_if = list(),
        library = c("observed", "median"), genes = NULL, assay.type = NULL,
        covariates = NULL, name = NULL, overwrite = FALSE,
        file = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(denoise)), .call = call)
    .checkModel(model, call)
    name <- name %||% if (is.null(batch)) "denoised" else "harmonised"
    .checkNewAssay(x, name, overwrite, call)
    genes <- .genesWanted(x, genes, model, call)
    library <- .checkLibrary(library, call)
    as_if <- .asIf(model, batch, condition, as_if, call, several = TRUE)
    query <- .query(x, model, assay.type, covariates, call, filed = TRUE)
    values <- .denoised(query, library, genes, as_if, name, file, call)
    if (!methods::is(x, "SummarizedExperiment")) {
        return(values)
    }
    x <- .onlyGenes(.asSCE(x), genes)
    SummarizedExperiment::assay(x, name, withDimnames = FALSE) <- values
    x
})

# genes x cells, in memory or in a file.
.denoised <- function(query, library, genes, as_if, name, file, call) {
    bytes <- 8 * length(genes) * query$n
    limit <- getOption("waddington.memory", 2^30)
    if (is.null(file) && bytes <= limit) {
        values <- .callBridge(
            "denoise", query$handle, query$cells, library, as.list(genes),
            as_if, call = call
        )
        return(.expressionMatrix(values, genes, query$names))
    }
    rlang::check_installed("HDF5Array", "to read results from a file.")
    if (is.null(file)) {
        file <- tempfile(fileext = ".h5")
        .inform(c(i = paste(
            "{signif(bytes / 2^30, 2)} GB of results go to {.file {file}};",
            "give {.arg file} to keep them."
        )))
    }
    .callBridge(
        "denoise_to_file", query$handle, query$cells, library,
        as.list(genes), as_if, path.expand(file), name, call = call
    )
    .expressionFile(file, name, genes, query$names)
}

# The genes of the result, in the order of `x`.
.genesWanted <- function(x, genes, model, call) {
    if (is.null(genes)) {
        return(intersect(rownames(x), model@genes))
    }
    unknown <- setdiff(genes, model@genes)
    if (length(unknown)) {
        more <- .more(unknown)
        .abort(c(
            paste(
                "{.arg genes} has {length(unknown)} gene{?s} that",
                "{.arg model} does not know."
            ),
            x = "{.val {utils::head(unknown, 5L)}}{more}"
        ), class = "missing_genes", call = call)
    }
    unique(as.character(genes))
}

.checkLibrary <- function(library, call) {
    if (is.numeric(library)) {
        return(.checkNumber(library, "library", call))
    }
    .checkChoice(library, c("observed", "median"), "library", call)
}

.checkNewAssay <- function(x, name, overwrite, call) {
    .checkString(name, "name", call)
    .checkFlag(overwrite, "overwrite", call)
    if (overwrite || !methods::is(x, "SummarizedExperiment")) {
        return(invisible())
    }
    if (name %in% SummarizedExperiment::assayNames(x)) {
        .abort(c(
            "{.arg x} has an assay {.val {name}} already.",
            i = "Give another {.arg name}, or {.code overwrite = TRUE}."
        ), class = "assay_exists", call = call)
    }
}

# `x` with those genes, and a word about those that went.
.onlyGenes <- function(x, genes) {
    if (identical(rownames(x), genes)) {
        return(x)
    }
    gone <- setdiff(rownames(x), genes)
    if (length(gone)) {
        .inform(c(i = paste(
            "{length(gone)} gene{?s} of {.arg x} without a value",
            "{?is/are} left out of the result."
        )))
    }
    x[genes, ]
}
