#' Trained models
#'
#' The class of what \code{\link{trainVAE}} and \code{\link{trainGAN}} return.
#' A model is a value: weights, recipe, gene names, levels and training
#' history. It holds no data and no pointer, so it can be copied, saved with
#' \code{saveRDS} and read next year on another machine.
#'
#' @section Asking a model:
#' \describe{
#' \item{\code{show(object)}}{Eight lines: what it is, how it was trained, and
#'   whether it explains cells that it has not seen better than the trivial
#'   model does.}
#' \item{\code{summary(object)}}{The same and every setting of the recipe.}
#' \item{\code{plot(x)}}{The training history, see
#'   \code{\link{plot.WaddingtonModel}}.}
#' \item{\code{trainingHistory(x)}}{The numbers behind that plot.}
#' \item{\code{dim(x)}}{Genes, and latent dimensions.}
#' \item{\code{rownames(x)}}{The genes, in the order of training. New data are
#'   matched to them by name.}
#' }
#'
#' @slot weights Raw bytes: the model file, which Python reads too.
#' @slot recipe String, the recipe as JSON with every default written out.
#' @slot genes Character, the names of the genes.
#' @slot levels List of character: the known levels of each covariate.
#' @slot history Data frame, one row per epoch.
#' @slot record List: seed, threads, device, why training stopped, scores,
#'   warnings, versions.
#' @slot version String, the version of the package that trained it.
#' @slot handle Environment, a cache of the model in Python; it is built again
#'   when it is needed.
#'
#' @return \code{dim}: two integers. \code{dimnames}: the gene names and the
#'   names of the latent dimensions. \code{summary}: a list of class
#'   \code{summary.WaddingtonModel}, which prints.
#'
#' @seealso \code{\link{saveModel}} for files that Python reads.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' model <- trainVAE(sce, batch = "batch", epochs = 3)
#' model
#' dim(model)
#' head(rownames(model))
#' summary(model)
#' @aliases WaddingtonModel
#' @exportClass WaddingtonModel
setClass("WaddingtonModel", slots = c(
    weights = "raw", recipe = "character", genes = "character",
    levels = "list", history = "data.frame", record = "list",
    version = "character", handle = "environment"
))

S4Vectors::setValidity2("WaddingtonModel", function(object) {
    one <- function(x) length(x) == 1L && !is.na(x) && nzchar(x)
    faults <- c(
        if (!length(object@weights)) "'weights' is empty",
        if (!one(object@recipe)) "'recipe' must be one string",
        if (!one(object@version)) "'version' must be one string",
        if (anyDuplicated(object@genes)) "'genes' must be unique",
        if (length(object@levels) && is.null(names(object@levels)))
            "'levels' must be named by covariate"
    )
    if (length(faults)) faults else TRUE
})
