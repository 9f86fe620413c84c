#' Find droplets that held two cells
#'
#' Scores each cell by how much it is like sums of two cells of its own
#' sample, and calls as many doublets as are to be expected.
#'
#' @param x Cells of one droplet lane, or of several: what
#'   \code{\link{trainVAE}} takes, with raw counts, before doublets are
#'   removed.
#' @param model A \linkS4class{WaddingtonModel} of these cells without
#'   covariates; \code{NULL} trains \code{\link{scvi}()} on each lane.
#' @param lane The lanes (captures): the name of a column of
#'   \code{colData(x)}, or one value per cell. Each is looked at by itself,
#'   because cells of two lanes can't have shared a droplet. \code{NULL} is one
#'   lane.
#' @param ... Not used; a misspelt argument is an error.
#' @param expected How many doublets a lane has: a share (below 1) or a number,
#'   for all lanes or named by lane; \code{NULL} is 0.8 \% per 1,000 cells of
#'   the lane, as of 10x Genomics.
#' @param ratio Number, simulated doublets per cell.
#' @param n_neighbours Whole number of neighbours that are looked at;
#'   \code{NULL} chooses.
#' @param epochs Passes over the cells for the models that are trained;
#'   \code{NULL} asks the recipe.
#' @param seed Whole number for everything random; \code{NULL} asks R's
#'   generator.
#' @param threads As in \code{\link{trainVAE}}.
#' @param assay.type String, the assay of \code{x} with the counts.
#' @param name String, the name of the first new column, and what the others
#'   begin with.
#' @param verbose \code{TRUE} or \code{FALSE}: say what was found?
#'   \code{NULL} does so where somebody listens.
#'
#' @return For a SummarizedExperiment, \code{x} with these columns in
#'   \code{colData}; for a matrix, a \linkS4class{DataFrame} of them, one row
#'   per cell:
#'   \describe{
#'   \item{\code{doublet}}{Logical: is it one of the cells of highest score, as
#'     many as are expected in its lane?}
#'   \item{\code{doublet_score}}{How many times denser simulated doublets are
#'     than cells at its place; higher is more suspicious. Compare scores
#'     within a lane only.}
#'   \item{\code{doublet_probability}}{That it is a doublet of unlike cells,
#'     given the expected share, 0 to 1.}
#'   }
#'   \code{metadata(x)[[name]]$expected} has the expected number of each lane.
#'
#' @details
#' A doublet of two like cells is a cell with more counts, and nothing but its
#' size can tell it. The expected number counts those too, so that of the cells
#' that are called, some are no doublets: use the score to be more strict.
#'
#' @section Errors: Class \code{waddington_InputError} for lanes of fewer than
#'   50 cells.
#'
#' @references
#' Bernstein NJ et al. (2020). Solo: doublet identification in single-cell
#' RNA-seq via semi-supervised deep learning. \emph{Cell Systems} 11, 95-101.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells(150)
#' doublets <- sce[, 1:20]
#' SummarizedExperiment::assay(doublets, "counts") <-
#'     SummarizedExperiment::assay(sce, "counts")[, 1:20] +
#'     SummarizedExperiment::assay(sce, "counts")[, 21:40]
#' colnames(doublets) <- paste0("doublet", 1:20)
#' both <- BiocGenerics::cbind(sce, doublets)
#' x <- findDoublets(both, expected = 20, epochs = 20)
#' table(x$doublet, startsWith(colnames(x), "doublet"))
#' @export
setGeneric("findDoublets", signature = "x", function(
        x, model = NULL, lane = NULL, ..., expected = NULL, ratio = 2,
        n_neighbours = NULL, epochs = NULL, seed = NULL, threads = NULL,
        assay.type = "counts", name = "doublet", verbose = NULL) {
    standardGeneric("findDoublets")
})

#' @rdname findDoublets
#' @export
setMethod("findDoublets", "ANY", function(
        x, model = NULL, lane = NULL, ..., expected = NULL, ratio = 2,
        n_neighbours = NULL, epochs = NULL, seed = NULL, threads = NULL,
        assay.type = "counts", name = "doublet", verbose = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(findDoublets)), .call = call)
    .checkString(name, "name", call)
    x <- .asSCE(x)
    lanes <- if (is.null(lane)) list() else
        .wholeColumn(x, lane, "lane", call)
    options <- list(
        expected = .expectedDoublets(expected, lanes, call),
        ratio = .checkNumber(ratio, "ratio", call),
        n_neighbours = .checkWhole(n_neighbours, "n_neighbours", call),
        epochs = .checkWhole(epochs, "epochs", call),
        seed = .checkSeed(seed, call), threads = .checkThreads(threads, call)
    )
    query <- .doubletCells(x, model, lanes, assay.type, call)
    found <- .callBridge(
        "find_doublets", query$cells, query$handle, query$lane, options,
        call = call
    )
    columns <- list(
        as.logical(unlist(found$doublet)), score = unlist(found$score),
        probability = unlist(found$probability)
    )
    expected <- unlist(found$expected)
    if (length(lanes)) {
        names(expected) <- unlist(found$lanes)
    }
    about <- list(expected = expected, lane = names(lanes))
    if (.isVerbose(verbose)) {
        .sayDoublets(columns[[1L]], expected)
    }
    .addColumns(x, columns, name, about, query$names, call)
})

.sayDoublets <- function(called, expected) {
    of <- if (is.null(names(expected))) "" else
        paste0(" (", names(expected), ")")
    each <- paste0(signif(expected, 2L), of)
    .inform(c(v = paste(
        "Called {sum(called)} of {length(called)} cells doublets; expected:",
        "{each}."
    )))
}

# The cells in Python, with their lane and what a given model reads.
.doubletCells <- function(x, model, lanes, assay.type, call) {
    if (!is.null(model)) {
        query <- .grouped(x, model, lanes, assay.type, NULL, call)
        return(c(query, list(lane = names(lanes))))
    }
    counts <- .countsOf(x, assay.type, NULL, call)
    columns <- list(categorical = lapply(lanes, .asLevels))
    list(
        handle = NULL, cells = .toCells(counts, columns, call),
        names = colnames(counts), lane = names(lanes)
    )
}

# A number, a share, or one of either for each lane.
.expectedDoublets <- function(expected, lanes, call) {
    if (is.null(expected) || is.null(names(expected))) {
        return(.checkNumber(expected, "expected", call))
    }
    known <- unique(as.character(lanes[[1L]]))
    absent <- setdiff(known, names(expected))
    if (length(absent)) {
        .abort(c(
            "{.arg expected} has no value for lane {.val {absent}}.",
            i = "Name them: {.code expected = c(lane1 = 0.05, lane2 = 0.08)}."
        ), class = "wrong_length", call = call)
    }
    lapply(as.list(expected), .checkNumber, "expected", call)
}
