#' Latent positions straight into an experiment
#'
#' Trains a model, or takes one that is trained, and writes the latent
#' positions of all cells to \code{reducedDim}.
#'
#' @param x A \linkS4class{SingleCellExperiment}.
#' @param ... Arguments of \code{\link{trainVAE}}, such as \code{batch},
#'   \code{recipe} and \code{epochs}. Not to be given with \code{model}.
#' @param model A \linkS4class{WaddingtonModel}, or \code{NULL} to train one.
#' @param altexp String or number, the alternative experiment that has the
#'   counts; \code{NULL} is the main one.
#' @param name String, the name of the reduced dimension.
#' @param store_model Flag: keep the model in \code{metadata(x)[[name]]}?
#'
#' @return \code{x} with the matrix \code{reducedDim(x, name)}, cells x latent
#'   dimensions.
#'
#' @examplesIf waddingtonAvailable()
#' sce <- runVAE(mockCells(), batch = "batch", epochs = 5)
#' SingleCellExperiment::reducedDim(sce, "VAE")[1:3, 1:3]
#' @export
setGeneric("runVAE", signature = "x", function(
        x, ..., model = NULL, altexp = NULL, name = "VAE",
        store_model = FALSE) {
    standardGeneric("runVAE")
})

#' @rdname runVAE
#' @export
setMethod("runVAE", "SingleCellExperiment", function(
        x, ..., model = NULL, altexp = NULL, name = "VAE",
        store_model = FALSE) {
    call <- sys.call()
    .checkString(name, "name", call)
    .checkFlag(store_model, "store_model", call)
    cells <- .experimentOf(x, altexp, call)
    if (is.null(model)) {
        model <- trainVAE(cells, ...)
    } else {
        .checkDots(..., .known = names(formals(runVAE)), .call = call)
    }
    latent <- getLatent(cells, model)
    SingleCellExperiment::reducedDim(x, name) <- latent
    if (store_model) {
        S4Vectors::metadata(x)[[name]] <- model
    }
    x
})

# The main experiment or an alternative one, with the columns of the main one.
.experimentOf <- function(x, altexp, call) {
    if (is.null(altexp)) {
        return(x)
    }
    known <- SingleCellExperiment::altExpNames(x)
    if (!altexp %in% c(known, seq_along(known))) {
        .abort(c(
            "{.arg altexp} must name an alternative experiment of {.arg x}.",
            x = "It is {.val {altexp}}.",
            i = if (length(known)) "There {?is/are} {.val {known}}." else
                "There is none."
        ), class = "unknown_experiment", call = call)
    }
    SingleCellExperiment::altExp(x, altexp, withColData = TRUE)
}
