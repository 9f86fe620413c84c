#' Generate new cells
#'
#' Draws cells that a trained model could have seen: from its prior, or near
#' given cells.
#'
#' @param model A \linkS4class{WaddingtonModel}.
#' @param n Whole number of cells. With \code{x}, so many of its cells, picked
#'   at random, lend their covariates and library sizes; \code{NULL} is one
#'   new cell for each.
#' @param ... Not used; a misspelt argument is an error.
#' @param x Cells that lend covariates and library sizes, in the forms that
#'   \code{\link{trainVAE}} takes; \code{NULL} draws both as they were in
#'   training.
#' @param near Flag: stay near the given cells, drawing from the posterior of
#'   each? Otherwise new cells are of any kind that the model knows.
#' @param expected Flag: return expected values without the noise of counts?
#' @param batch,condition,as_if Levels that all new cells shall have, as in
#'   \code{\link{denoise}}.
#' @param cell_type A type that all new cells shall be of, for models that were
#'   told types, such as \code{\link{scgan}} or \code{\link{cvae}} trained with
#'   that column: a level of just one covariate of the model. For other models
#'   see \code{\link{augment}}.
#' @param seed Whole number; \code{NULL} asks R's generator.
#' @inheritParams getLatent
#'
#' @return A \linkS4class{SingleCellExperiment} of genes x new cells, named
#'   \code{sample1} and so on. Its assay has the name of the one that the
#'   model was trained on (\code{counts} for count models, a dgCMatrix of whole
#'   numbers); \code{colData} has the covariates of each cell.
#'
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, batch = "batch", epochs = 5)
#' sampleCells(model, 20)
#' sampleCells(model, x = sce, near = TRUE)
#' typed <- trainVAE(sce, recipe = cvae("cell_type"), epochs = 10)
#' sampleCells(typed, 5, cell_type = "type2")
#' @export
setGeneric("sampleCells", signature = "model", function(
        model, n = NULL, ..., x = NULL, near = FALSE, expected = FALSE,
        batch = NULL, condition = NULL, cell_type = NULL, as_if = list(),
        seed = NULL, assay.type = NULL, covariates = NULL) {
    standardGeneric("sampleCells")
})

#' @rdname sampleCells
#' @export
setMethod("sampleCells", "WaddingtonModel", function(
        model, n = NULL, ..., x = NULL, near = FALSE, expected = FALSE,
        batch = NULL, condition = NULL, cell_type = NULL, as_if = list(),
        seed = NULL, assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(sampleCells)), .call = call)
    n <- .checkWhole(n, "n", call)
    .checkFlag(near, "near", call)
    .checkFlag(expected, "expected", call)
    as_if <- .asIf(model, batch, condition, as_if, call)
    if (!is.null(cell_type)) {
        as_if <- c(.typeOf(cell_type, model, call), as_if)
    }
    query <- if (!is.null(x)) .query(x, model, assay.type, covariates, call)
    if (near && is.null(x)) {
        .abort(
            "{.code near = TRUE} needs cells to be near to: give {.arg x}.",
            class = "no_cells", call = call
        )
    }
    made <- .callBridge(
        "sample", .handle(model, call), query$cells, n, near, expected,
        .checkSeed(seed, call), as_if, call = call
    )
    .sampledCells(made, model, assay.type)
})

# The covariate that has the type, among those that the model decodes with.
.typeOf <- function(cell_type, model, call) {
    level <- .checkString(as.character(cell_type), "cell_type", call)
    labels <- as.character(unlist(.callBridge(
        "needs_of", .handle(model, call), call = call
    )$labels))
    told <- model@levels[setdiff(names(model@levels), labels)]
    has <- vapply(told, function(known) level %in% known, NA)
    if (sum(has) == 1L) {
        return(rlang::set_names(list(level), names(told)[has]))
    }
    known <- unlist(told, use.names = FALSE)
    .abort(c(
        "{.arg cell_type} must be a level that {.arg model} generates by.",
        x = "It is {.val {level}}.",
        i = if (length(known)) "It was told {.val {known}}." else
            "It was trained without covariates.",
        i = paste(
            "Train {.code scgan()} or {.code cvae()} with the column of",
            "types, or use {.code augment(x, model, type, n)}."
        )
    ), class = "unseen_level", call = call)
}

# Cells have no names in a prior, so they are counted.
.sampledCells <- function(made, model, assay.type) {
    cells <- paste0("sample", seq_len(ncol(made$values)))
    values <- .expressionMatrix(made$values, model@genes, cells)
    columns <- c(
        Map(
            function(v, name) factor(unlist(v), model@levels[[name]]),
            made$levels, names(made$levels)
        ),
        lapply(made$numbers, unlist)
    )
    assays <- list(.toSparse(values))
    names(assays) <- .assayOfModel(assay.type, model)
    SingleCellExperiment::SingleCellExperiment(
        assays = assays,
        colData = S4Vectors::DataFrame(columns, row.names = cells)
    )
}
