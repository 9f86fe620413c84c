#' The path from one kind of cell to another
#'
#' Walks in latent space between the mean positions of two groups of cells, or
#' along one dimension of it, and decodes what lies on the way.
#'
#' @param x Cells, in the forms that \code{\link{trainVAE}} takes.
#' @param model A \linkS4class{WaddingtonModel} with a latent space.
#' @param from,to The groups: values of \code{label}, or logical or numeric
#'   indices of cells.
#' @param ... Not used; a misspelt argument is an error.
#' @param label Name of a column of \code{colData(x)}, or one value per cell;
#'   \code{NULL} if \code{from} and \code{to} are indices.
#' @param steps Whole number of points on the path, both ends included.
#' @param path \code{"linear"}, the straight line; \code{"slerp"}, an arc around
#'   the mean of all cells, for cells that lie on a shell around it; or
#'   \code{"manifold"}, from cell to neighbouring cell, which goes round gaps
#'   that the others lead through.
#' @inheritParams getLatent
#'
#' @return A matrix of genes x steps, expected expression along the path, with
#'   the median library. Of \code{interpolateCells()} columns are named by the
#'   share of the way, from 0 to 1; covariates along the path are those of the
#'   cell of \code{from} in its middle; and the attribute \code{novelty} has,
#'   for each step, the share of cells that are nearer to other cells than the
#'   path is: above 0.95 it is off the manifold, where nothing was ever seen. Of
#'   \code{traverseLatent()} columns are named by standard deviations from the
#'   mean; covariates are those of the first cell.
#'
#' @details A path is what the model makes of it, not a trajectory that cells
#'   were seen on. Look at how genes change along it as a hypothesis. In a
#'   generator without an encoder, such as \code{\link{wgan}()}, all cells are
#'   searched for first, which takes longer.
#'
#' @section Errors: Class \code{no_cells} if a group is empty,
#'   \code{unknown_dimension}; \code{waddington_InputError} for a model whose
#'   latent space has no place for given cells, and of \code{traverseLatent()}
#'   for one without an encoder.
#' @references White T (2016). Sampling generative networks. arXiv:1609.04468.
#' @seealso \code{\link{plotInterpolation}} for the heat map.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, epochs = 5)
#' path <- interpolateCells(sce, model, "type1", "type2", label = "cell_type")
#' plotInterpolation(path, n_genes = 20)
#' plotInterpolation(traverseLatent(sce, model, 2), n_genes = 20)
#' @export
interpolateCells <- function(x, model, from, to, ..., label = NULL,
        steps = 11, path = c("linear", "slerp", "manifold"),
        assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(interpolateCells)), .call = call)
    steps <- .checkWhole(steps, "steps", call, 2L)
    path <- .checkChoice(path, c("linear", "slerp", "manifold"), "path", call)
    groups <- if (!is.null(label)) .groupsOf(x, label, "label", call)
    ends <- list(
        .cellsIn(from, groups, ncol(x), "from", call),
        .cellsIn(to, groups, ncol(x), "to", call)
    )
    query <- .query(x, model, assay.type, covariates, call)
    way <- .callBridge(
        "path_between", query$handle, query$cells, as.list(ends[[1L]]),
        as.list(ends[[2L]]), steps, path, call = call
    )
    middle <- ends[[1L]][[way$middle]]
    values <- .decodeAt(query, way$at, rep(middle, steps), "median", call)
    share <- seq(0, 1, length.out = steps)
    values <- .expressionMatrix(values, model@genes, format(round(share, 3)))
    attr(values, "novelty") <- as.numeric(unlist(way$novelty))
    values
}

#' @rdname interpolateCells
#' @param dimension Which latent dimension: a whole number, or a name such as
#'   \code{"VAE3"}.
#' @param span Number: how many standard deviations of the cells below and above
#'   their mean it reaches. The other dimensions stay at their means.
#' @param as_if Levels by covariate, as in \code{\link{denoise}}.
#' @export
traverseLatent <- function(x, model, dimension, ..., steps = 11, span = 3,
        as_if = list(), assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(traverseLatent)), .call = call)
    .checkModel(model, call)
    steps <- .checkWhole(steps, "steps", call, 2L)
    span <- .checkNumber(span, "span", call)
    dimension <- .oneDimension(dimension, model, call)
    as_if <- .asIf(model, NULL, NULL, as_if, call)
    query <- .query(x, model, assay.type, covariates, call)
    values <- .callBridge(
        "traverse", query$handle, query$cells, dimension, steps, span, as_if,
        call = call
    )
    at <- format(round(seq(-span, span, length.out = steps), 3), trim = TRUE)
    values <- .expressionMatrix(values, model@genes, at)
    attr(values, "along") <- paste0(
        "VAE", dimension, ", standard deviations from the mean"
    )
    values
}

.oneDimension <- function(dimension, model, call) {
    n <- ncol(model)
    found <- if (is.character(dimension)) {
        match(dimension, colnames(model))
    } else {
        dimension
    }
    if (length(found) != 1L || !found %in% seq_len(n)) {
        .abort(c(
            "{.arg dimension} must be one from 1 to {n}, or {.val VAE1} to
             {.val {paste0('VAE', n)}}.",
            x = "It is {.val {dimension}}."
        ), class = "unknown_dimension", call = call)
    }
    as.integer(found)
}

# Which cells a group is.
.cellsIn <- function(group, labels, n, arg, call) {
    found <- if (is.null(labels)) {
        tryCatch(seq_len(n)[group], error = function(e) NULL)
    } else {
        which(labels %in% group)
    }
    if (!length(found) || anyNA(found)) {
        known <- unique(labels)
        .abort(c(
            "{.arg {arg}} names no cells: {.val {group}}.",
            i = if (is.null(labels)) {
                "Give indices of cells, or {.arg label}."
            } else {
                "{.arg label} has {.val {known}}."
            }
        ), class = "no_cells", call = call)
    }
    found
}
