#' Cells as if from another batch, study or condition
#'
#' Carries measured cells over to another level of a covariate: the counts that
#' they would have had there.
#'
#' @inheritParams denoise
#' @param to What to change: a named list of levels, as
#'   \code{list(donor = "101")}, or a level alone where only one covariate of
#'   the model has it.
#' @param cell_type For a model that was not trained with the covariate, the
#'   column of cell types, a name or one value per cell: batches are then
#'   compared within types. \code{NULL} compares them as wholes, so that a batch
#'   with more B cells is moved away from B cells.
#' @param draw Flag: draw counts, in place of their expected values?
#' @param seed Whole number for the draws; \code{NULL} asks R's generator.
#'
#' @return \code{x} with one more assay, \code{name}, in the units of training:
#'   whole counts for a model of counts (a dgCMatrix, if \code{draw}). For a
#'   matrix, a matrix. Genes that the model does not know are left out.
#'
#' @details
#' Counts are thinned where the model expects less with the new level and added
#' to where it expects more, so that each cell keeps its depth and its noise;
#' cells that have the level already stay as they are. \code{\link{denoise}}
#' with \code{batch = } gives the expectation without a cell's own noise.
#'
#' A model that was trained with the covariate decodes with the other level. Of
#' others, positions move by the difference of the means of the two levels; one
#' covariate at a time.
#'
#' What batches differ in for good reasons (donors, patients) is taken away
#' too: nothing in the data tells one from the other.
#'
#' @section Errors: Class \code{unseen_level} for a level that is not there,
#'   \code{unknown_column}, \code{assay_exists}, \code{missing_value}.
#' @seealso \code{\link{denoise}}, \code{\link{predictPerturbation}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, batch = "batch", epochs = 10)
#' sce <- transformCells(sce, model, to = list(batch = "batch1"))
#' sce <- transformCells(sce, model, "batch2", name = "as_batch2")
#' sce
#' @export
setGeneric("transformCells", signature = "x", function(
        x, model, to, ..., cell_type = NULL, draw = TRUE,
        name = "transformed", overwrite = FALSE, seed = NULL,
        assay.type = NULL, covariates = NULL) {
    standardGeneric("transformCells")
})

#' @rdname transformCells
#' @export
setMethod("transformCells", "ANY", function(
        x, model, to, ..., cell_type = NULL, draw = TRUE,
        name = "transformed", overwrite = FALSE, seed = NULL,
        assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(transformCells)), .call = call)
    .checkModel(model, call)
    .checkNewAssay(x, name, overwrite, call)
    .checkFlag(draw, "draw", call)
    to <- .levelsWanted(to, model, call)
    kind <- if (!is.null(cell_type)) {
        .oneColumn(x, cell_type, "cell_type", call)
    }
    values <- .moreColumns(x, covariates, call)
    states <- lapply(rlang::set_names(names(to)), function(name) {
        if (is.null(values[[name]])) {
            .neededColumn(x, name, call)
        } else {
            values[[name]]
        }
    })
    columns <- c(kind, states)
    .checkNoneMissing(columns, ncol(x), call)
    for (name_of in names(to)) {
        .checkThere(
            to[[name_of]], c(states[[name_of]], model@levels[[name_of]]),
            name_of, "to", call
        )
    }
    query <- .query(
        x, model, assay.type, if (length(values)) values, call,
        extra = lapply(columns, .asLevels)
    )
    made <- .callBridge(
        "transform", query$handle, query$cells, to, names(kind), draw,
        .checkSeed(seed, call), call = call
    )
    .asAssay(made, x, model, query, name, sparse = draw)
})

# Values of genes x cells as one more assay of `x`, or as they are.
.asAssay <- function(values, x, model, query, name, sparse) {
    genes <- intersect(rownames(x), model@genes)
    values <- .expressionMatrix(values, model@genes, query$names)
    values <- values[genes, , drop = FALSE]
    if (sparse) {
        values <- .toSparse(values)
    }
    if (!methods::is(x, "SummarizedExperiment")) {
        return(values)
    }
    x <- .onlyGenes(.asSCE(x), genes)
    SummarizedExperiment::assay(x, name, withDimnames = FALSE) <- values
    x
}

# Levels by covariate, from a list or from a level that one covariate has.
.levelsWanted <- function(to, model, call) {
    if (rlang::is_named(to) && length(to)) {
        return(lapply(as.list(to), function(level) {
            .checkString(as.character(level), "to", call)
        }))
    }
    if (length(to) != 1L || is.list(to) || is.na(to)) {
        .abort(c(
            "{.arg to} must be a named list of levels.",
            i = "Such as {.code list(donor = \"101\")}."
        ), class = "unnamed", call = call)
    }
    .covariateWith(as.character(to), model, "to", call)
}

# The covariate of a model that has a level, as list(covariate = level).
.covariateWith <- function(level, model, arg, call) {
    found <- vapply(model@levels, function(known) level %in% known, NA)
    if (sum(found) == 1L) {
        return(rlang::set_names(list(level), names(model@levels)[found]))
    }
    known <- unlist(model@levels)
    .abort(c(
        paste(
            "{.arg {arg}} must be a level of {if (any(found)) 'just '}one",
            "covariate of {.arg model}."
        ),
        x = "It is {.val {level}}.",
        i = if (length(known)) "The model knows {.val {unname(known)}}." else
            "It was trained without covariates: train with {.arg batch}."
    ), class = "unseen_level", call = call)
}
