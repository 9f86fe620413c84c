#' More cells of a rare type
#'
#' Adds cells that a model generates after the few that there are, so that a
#' classifier sees enough of them.
#'
#' @param x A SingleCellExperiment or SummarizedExperiment.
#' @param model A \linkS4class{WaddingtonModel}: any with an encoder, or a
#'   generator that was trained with the column, such as \code{\link{scgan}}.
#' @param type Level of \code{cell_type}: which cells to make more of.
#' @param n Whole number of new cells.
#' @param ... Not used; a misspelt argument is an error.
#' @param cell_type The column of types: a name, or one value per cell.
#' @param seed Whole number for the draws; \code{NULL} asks R's generator.
#' @inheritParams getLatent
#'
#' @return A \linkS4class{SingleCellExperiment} of the genes of the model, with
#'   the cells of \code{x} followed by \code{n} new ones. It has one assay, the
#'   one of training, and the \code{colData} of \code{x}, a new cell's being
#'   those of the cell that it was made after, with two more columns:
#'   \code{generated} (TRUE or FALSE) and \code{made_after}, the name of that
#'   cell, or NA. Other assays and reduced dimensions are left out, as new
#'   cells have none.
#'
#' @details
#' Each new cell is made after a real one of its type, all of which lend as
#' often: a position is drawn from the posterior of that cell, and counts are
#' drawn there, with its library size and covariates.
#'
#' New cells are what the model learnt of those that were measured. They add
#' nothing that was not measured, and are no replicates: no test may count
#' them. Split into training and test cells first, and augment the training
#' cells only; a new cell knows the real ones.
#'
#' @section Errors: Class \code{unseen_level} for a type that is not there,
#'   \code{not_an_experiment}, \code{unknown_column};
#'   \code{waddington_InputError} if the model can't make cells of a type. A
#'   warning tells of types with fewer than 20 cells.
#' @seealso \code{\link{sampleCells}}, \code{\link{rareness}}
#' @name augment
#' @importFrom generics augment
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, epochs = 20)
#' more <- augment(sce, model, "type1", n = 50, cell_type = "cell_type")
#' table(more$cell_type, more$generated)
#' @export augment
NULL

#' @rdname augment
#' @method augment SummarizedExperiment
#' @export
augment.SummarizedExperiment <- function(x, model, type, n, ...,
        cell_type = "cell_type", seed = NULL, assay.type = NULL,
        covariates = NULL) {
    call <- sys.call()
    call[[1L]] <- quote(augment)
    .checkDots(
        ..., .known = names(formals(augment.SummarizedExperiment)),
        .call = call
    )
    .checkModel(model, call)
    x <- .asSCE(x)
    kind <- .oneColumn(x, cell_type, "cell_type", call)
    .checkNoneMissing(kind, ncol(x), call)
    .checkThere(type, kind[[1L]], names(kind), "type", call)
    query <- .query(
        x, model, assay.type, c(kind, .moreColumns(x, covariates, call)),
        call, extra = lapply(kind, .asLevels)
    )
    made <- .callBridge(
        "augment", query$handle, query$cells, names(kind), as.character(type),
        .checkWhole(n, "n", call), .checkSeed(seed, call), call = call
    )
    .withNewCells(x, made, model@genes, .assayOfModel(assay.type, model))
}

.withNewCells <- function(x, made, genes, assay) {
    index <- as.integer(unlist(made$index))
    new <- paste0("augmented", seq_along(index))
    values <- .toSparse(.expressionMatrix(made$values, genes, new))
    old <- SummarizedExperiment::assay(x, assay)[genes, , drop = FALSE]
    told <- SummarizedExperiment::colData(x)
    columns <- told[c(seq_len(ncol(x)), index), , drop = FALSE]
    names <- if (is.null(colnames(x))) {
        paste0("cell", seq_len(ncol(x)))
    } else {
        colnames(x)
    }
    rownames(columns) <- c(names, new)
    columns$generated <- rep(c(FALSE, TRUE), c(ncol(x), length(index)))
    columns$made_after <- c(rep(NA, ncol(x)), names[index])
    assays <- list(cbind(.asSparse(old), values))
    dimnames(assays[[1L]]) <- list(genes, rownames(columns))
    names(assays) <- assay
    SingleCellExperiment::SingleCellExperiment(
        assays = assays, colData = columns,
        rowData = SummarizedExperiment::rowData(x)[
            match(genes, rownames(x)), , drop = FALSE
        ]
    )
}

#' @rdname augment
#' @method augment default
#' @export
augment.default <- function(x, model, type, n, ...) {
    .abort(c(
        "{.arg x} must be a SingleCellExperiment with a column of types.",
        x = "It is {.obj_type_friendly {x}}."
    ), class = "not_an_experiment", call = quote(augment()))
}
