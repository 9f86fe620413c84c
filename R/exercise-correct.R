# Arithmetic with latent positions, and the way back to genes.

#' Batch correction by latent arithmetic
#'
#' Moves the cells of every batch in the latent space of a model, by the
#' difference between the mean of their batch and that of a reference, and
#' decodes them there.
#'
#' @md
#' @param x A SingleCellExperiment.
#' @param model A \linkS4class{WaddingtonModel} with a latent space.
#' @param batch Name of a column of \code{colData(x)}, or one value per cell.
#' @param ... Not used; a misspelt argument is an error.
#' @param label The same for cell types: means and differences are then taken
#'   within each type. \code{NULL} takes them over all cells.
#' @param reference The batch to move to; \code{NULL} is the one with the most
#'   cells, of each type if there are \code{label}s.
#' @param name String, the name of the new assay.
#' @param dimred String, the name of the new reduced dimensions.
#' @param overwrite Flag: replace an assay that is there?
#' @inheritParams getLatent
#'
#' @return \code{x} with the assay \code{name}, expected expression after the
#'   move, and the reduced dimensions \code{dimred}, where cells were moved to.
#'
#' @details
#' Without \code{label} the difference between batches is also a difference
#' between their shares of cell types: if one has more B cells, its mean lies
#' nearer to them, and correction moves all its cells away from B cells. Where
#' shares differ, give \code{label}s, or train with \code{trainVAE(x, batch =
#' )}, whose model needs no arithmetic: \code{denoise(x, model, batch = )}.
#'
#' Types that a batch lacks are left where they are, and named in a message.
#'
#' @references Lotfollahi M, Wolf FA, Theis FJ (2019). scGen predicts
#'   single-cell perturbation responses. \emph{Nature Methods} 16, 715-721.
#' @seealso \code{\link{predictLeftOut}}, \code{\link{interpolateCells}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, epochs = 5)
#' sce <- correctBatch(sce, model, "batch", label = "cell_type")
#' sce
#' @export
correctBatch <- function(x, model, batch, ..., label = NULL,
        reference = NULL, name = "corrected", dimred = "VAE_corrected",
        assay.type = NULL, covariates = NULL, overwrite = FALSE) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(correctBatch)), .call = call)
    .checkSCE(x, call)
    .checkNewAssay(x, name, overwrite, call)
    batch <- .groupsOf(x, batch, "batch", call)
    label <- if (!is.null(label)) .groupsOf(x, label, "label", call)
    if (!is.null(reference)) {
        .checkChoice(reference, unique(batch), "reference", call)
    }
    query <- .query(x, model, assay.type, covariates, call)
    z <- .latentOf(query, call)
    moved <- z - .shifts(z, batch, label, reference)
    values <- .decodeAt(query, moved, seq_len(nrow(moved)), "observed", call)
    x <- .onlyGenes(.asSCE(x), intersect(rownames(x), model@genes))
    values <- .expressionMatrix(values, model@genes, colnames(x))
    SummarizedExperiment::assay(x, name, withDimnames = FALSE) <-
        values[rownames(x), , drop = FALSE]
    SingleCellExperiment::reducedDim(x, dimred) <-
        .latentMatrix(moved, query$names, "VAE")
    x
}

.checkSCE <- function(x, call) {
    if (!methods::is(x, "SingleCellExperiment")) {
        .abort(
            "{.arg x} must be a SingleCellExperiment, not
             {.obj_type_friendly {x}}.",
            call = call
        )
    }
}

# One value per cell, from a column's name or as they are.
.groupsOf <- function(x, column, arg, call) {
    as.character(.oneColumn(x, column, arg, call)[[1L]])
}

.latentOf <- function(query, call) {
    .callBridge(
        "latent", query$handle, query$cells, "mean", 1L, 0L, call = call
    )
}

# Expected expression, genes x positions; position i takes its covariates, and
# its library, from the cell that `like` names.
.decodeAt <- function(query, z, like, library, call) {
    .callKeras(
        "decode", query$handle, query$cells, unname(z),
        as.list(as.integer(like) - 1L), library, call = call
    )
}

# How far each cell is from where it would be in the reference batch.
.shifts <- function(z, batch, label, reference) {
    shift <- 0 * z
    parts <- if (is.null(label)) list(seq_along(batch)) else
        split(seq_along(batch), label)
    for (cells in parts) {
        counts <- table(batch[cells])
        to <- if (is.null(reference)) names(which.max(counts)) else reference
        if (!to %in% names(counts)) {
            .inform(c(i = paste(
                "{.val {unique(label[cells])}} has no cell in {.val {to}}",
                "and stays where it is."
            )))
            next
        }
        goal <- colMeans(z[cells[batch[cells] == to], , drop = FALSE])
        for (from in setdiff(names(counts), to)) {
            mine <- cells[batch[cells] == from]
            gap <- colMeans(z[mine, , drop = FALSE]) - goal
            shift[mine, ] <- rep(gap, each = length(mine))
        }
    }
    shift
}
