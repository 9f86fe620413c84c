#' Which genes have more zeros than their counts explain
#'
#' Reads off an \code{\link{autozi}()} model, gene by gene, whether it needs
#' extra zeros beside those of its count distribution.
#'
#' @param model A \linkS4class{WaddingtonModel} of \code{\link{autozi}()}.
#'
#' @return A \linkS4class{DataFrame} with one row per gene, in the order of the
#'   model:
#'   \describe{
#'   \item{\code{probability}}{That the gene has extra zeros, 0 to 1: near 1
#'     for genes with, near 0 for genes without, in between where the data
#'     can't tell.}
#'   \item{\code{logit_delta}, \code{logit_delta_sd}}{Mean and standard
#'     deviation of the posterior of logit(delta), where delta, 0 to 1, is the
#'     weight of the component without extra zeros.}
#'   }
#'   \code{mcols()} of it says the same.
#'
#' @references Clivio O et al. (2019). Detecting zero-inflated genes in
#'   single-cell transcriptomics data. \emph{bioRxiv} 794875.
#' @examplesIf waddingtonAvailable()
#' # these genes have no extra zeros, and too few cells to be sure of that
#' model <- trainVAE(mockCells(), autozi(), epochs = 20)
#' zeros <- zeroInflation(model)
#' zeros[order(-zeros$probability), ]
#' @export
zeroInflation <- function(model) {
    call <- sys.call()
    .checkModel(model, call)
    recipe <- .title(model)
    if (recipe != "autozi") {
        .abort(c(
            "{.arg model} does not ask for zero inflation.",
            x = "It is of {.code {recipe}()}.",
            i = "Train {.code trainVAE(x, autozi())}."
        ), class = "no_zero_inflation", call = call)
    }
    found <- .callBridge("zero_inflation", .handle(model, call), call = call)
    told <- .columnTable(
        c("probability", "probability", "that the gene has extra zeros"),
        c("logit_delta", "log odds", "posterior mean of logit(delta)"),
        c("logit_delta_sd", "log odds", "posterior standard deviation of it")
    )
    table <- S4Vectors::DataFrame(
        lapply(found[rownames(told)], unlist), row.names = unlist(found$gene)
    )
    S4Vectors::mcols(table) <- told
    table
}
