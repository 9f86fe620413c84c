#' Clusters of cells
#'
#' Groups of cells: those that a model was trained to find, such as those of
#' \code{\link{saucie}()} and \code{\link{cardec}()}, or communities of the
#' latent space of any other model.
#'
#' @inheritParams getLatent
#' @param resolution Number above 0: higher finds more clusters. \code{NULL} is
#'   0.25 for the codes of \code{saucie()}, and 1 for communities;
#'   \code{cardec()} has as many as it was trained with.
#' @param fewest Whole number: codes of fewer cells are no cluster; \code{NULL}
#'   is none. For \code{saucie()} only.
#' @param merge Flag: merge codes of \code{saucie()} that are neighbours in the
#'   latent space?
#' @param probabilities Flag: return how likely each cell is in each cluster?
#'   Only \code{cardec()} says.
#' @param seed Whole number, for the order in which cells are looked at;
#'   \code{NULL} asks R's generator.
#'
#' @return A factor, one value per cell with the cell's name, ready for
#'   \code{colLabels(x) <-}: \code{"1"} is the largest cluster, NA is none. With
#'   \code{probabilities = TRUE}, a matrix, cells x clusters, whose rows sum
#'   to 1.
#'
#' @details
#' Clusters of \code{cardec()} mean the same in all data. For other models
#' numbers mean something for the cells that were asked about together only:
#' do not compare two calls.
#'
#' @references
#' Amodio M et al. (2019). Exploring single-cell data with deep multitasking
#' neural networks. \emph{Nature Methods} 16, 1139-1145.
#'
#' Traag VA, Waltman L, van Eck NJ (2019). From Louvain to Leiden: guaranteeing
#' well-connected communities. \emph{Scientific Reports} 9, 5233.
#' @seealso \code{\link{getLatent}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, batch = "batch", epochs = 60)
#' SingleCellExperiment::colLabels(sce) <- getClusters(sce, model)
#' table(SingleCellExperiment::colLabels(sce), sce$cell_type)
#' @export
setGeneric("getClusters", signature = "x", function(
        x, model, ..., resolution = NULL, fewest = NULL, merge = TRUE,
        probabilities = FALSE, seed = NULL, assay.type = NULL,
        covariates = NULL) {
    standardGeneric("getClusters")
})

#' @rdname getClusters
#' @export
setMethod("getClusters", "ANY", function(
        x, model, ..., resolution = NULL, fewest = NULL, merge = TRUE,
        probabilities = FALSE, seed = NULL, assay.type = NULL,
        covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(getClusters)), .call = call)
    .checkFlag(probabilities, "probabilities", call)
    options <- list(
        resolution = .checkNumber(resolution, "resolution", call),
        fewest = .checkWhole(fewest, "fewest", call),
        merge = .checkFlag(merge, "merge", call),
        seed = .checkSeed(seed, call)
    )
    query <- .query(x, model, assay.type, covariates, call, filed = TRUE)
    found <- .callBridge(
        "clusters", query$handle, query$cells, options, call = call
    )
    if (probabilities) {
        return(.memberships(found, model, query$names, call))
    }
    number <- as.integer(unlist(found$cluster)) + 1L
    number[number < 1L] <- NA
    levels <- seq_len(max(0L, number, na.rm = TRUE))
    rlang::set_names(factor(number, levels), query$names)
})

.memberships <- function(found, model, cells, call) {
    if (is.null(found$probabilities)) {
        recipe <- .title(model)
        .abort(c(
            "A {.code {recipe}()} model has no probabilities of clusters.",
            i = "Train {.code cardec()}, or leave {.arg probabilities} out."
        ), class = "no_probabilities", call = call)
    }
    values <- found$probabilities
    dimnames(values) <- list(cells, as.character(seq_len(ncol(values))))
    values
}
