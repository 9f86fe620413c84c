#' Take labels over from neighbours
#'
#' Gives each cell of a query the label that most of its neighbours in a
#' reference have, where both are in one latent space. Any model and any
#' column will do; nothing is trained.
#'
#' @param x The query: a \linkS4class{SingleCellExperiment} with
#'   \code{reducedDim(x, dimred)}, such as \code{\link{mapQuery}} returns.
#' @param reference The reference, with a reduced dimension of the same name
#'   from the same model, as by \code{\link{runVAE}(reference, model = model)}.
#' @param labels The labels of the reference: the name of a column of its
#'   \code{colData}, or one value per cell. Cells where it is NA do not vote.
#' @param ... Not used; a misspelt argument is an error.
#' @param dimred String, the name of the reduced dimension.
#' @param k Whole number: how many neighbours vote. Each has the weight
#'   exp(-(d / d_k)^2), where d is its distance and d_k that of the k-th.
#' @param max_uncertainty Number from 0 to 1: cells whose uncertainty is
#'   higher are called \code{"unknown"}; 1 calls none so.
#' @param name String, the name of the first new column, and what the others
#'   begin with.
#'
#' @return \code{x} with these columns in \code{colData}:
#'   \describe{
#'   \item{\code{label}}{Factor: the label with most votes, or
#'     \code{"unknown"}.}
#'   \item{\code{label_best}}{Factor: the same, never \code{"unknown"}.}
#'   \item{\code{label_uncertainty}}{Share of the votes for other labels, 0 to
#'     1.}
#'   }
#'   Columns that an earlier call made are replaced.
#'
#' @details
#' The uncertainty is high between types. A cell of a type that the reference
#' lacks may still have neighbours that agree: see the novelty of
#' \code{\link{predictLabels}}.
#'
#' @seealso \code{\link{mapQuery}}
#' @examplesIf waddingtonAvailable()
#' sce <- runVAE(mockCells(400), epochs = 20)
#' query <- transferLabels(sce[, 301:400], sce[, 1:300], "cell_type")
#' table(query$label, query$cell_type)
#' @export
setGeneric("transferLabels", signature = "x", function(
        x, reference, labels, ..., dimred = "VAE", k = 15,
        max_uncertainty = 0.5, name = "label") {
    standardGeneric("transferLabels")
})

#' @rdname transferLabels
#' @export
setMethod("transferLabels", "ANY", function(
        x, reference, labels, ..., dimred = "VAE", k = 15,
        max_uncertainty = 0.5, name = "label") {
    call <- sys.call()
    .checkDots(..., .known = names(formals(transferLabels)), .call = call)
    .checkString(name, "name", call)
    k <- .checkWhole(k, "k", call)
    limit <- .checkShare(max_uncertainty, "max_uncertainty", call)
    query <- .positions(x, dimred, "x", call)
    known <- .positions(reference, dimred, "reference", call)
    if (ncol(query) != ncol(known)) {
        .abort(c(
            "{.arg x} and {.arg reference} must be in one latent space.",
            x = "They have {ncol(query)} and {ncol(known)} dimensions."
        ), class = "other_space", call = call)
    }
    given <- .labelsOfCells(reference, labels, call)
    votes <- !is.na(given)
    found <- .callBridge(
        "transfer_labels", known[votes, , drop = FALSE],
        as.list(as.character(given[votes])), query, k, call = call
    )
    columns <- .votedColumns(found, levels(factor(given)), limit)
    about <- list(k = k, max_uncertainty = limit)
    .addColumns(x, columns, name, about, colnames(x), call)
})

# Labels, some of them NA, from a column or as they are.
.labelsOfCells <- function(x, labels, call) {
    if (length(labels) == 1L && ncol(x) > 1L) {
        labels <- .columnOf(x, labels, "labels", call)
    }
    .checkLabels(labels, ncol(x), "labels", call)
}

.votedColumns <- function(found, levels, limit) {
    best <- factor(unlist(found$label), levels)
    doubt <- as.numeric(unlist(found$uncertainty))
    said <- ifelse(doubt > limit, "unknown", as.character(best))
    list(
        factor(said, union(levels, "unknown")), best = best,
        uncertainty = doubt
    )
}

# A reduced dimension as a matrix.
.positions <- function(x, dimred, arg, call) {
    .checkString(dimred, "dimred", call)
    known <- if (methods::is(x, "SingleCellExperiment")) {
        SingleCellExperiment::reducedDimNames(x)
    }
    if (!dimred %in% known) {
        .abort(c(
            "{.arg {arg}} has no reduced dimension {.val {dimred}}.",
            i = if (length(known)) "There {?is/are} {.val {known}}.",
            i = "{.code {arg} <- runVAE({arg}, model = model)} adds it."
        ), class = "unknown_dimred", call = call)
    }
    as.matrix(SingleCellExperiment::reducedDim(x, dimred))
}
