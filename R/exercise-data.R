#' Blood cells of three chemistries
#'
#' Peripheral blood mononuclear cells that were measured with three versions of
#' one technology: the same types of cells, in other shares, and a batch effect
#' between them.
#'
#' @md
#' @return A \linkS4class{SingleCellExperiment} of 1,767 genes x 1,200 cells
#'   with raw counts (a dgCMatrix) in the assay \code{counts}; \code{colData}
#'   has the factors \code{batch} (three chemistries), \code{cell_type} (9) and
#'   \code{cell_type_broad}, as given by the authors, and the number
#'   \code{total_umi_all_genes}, the counts of each cell over all genes, of
#'   which the 1,767 are a choice.
#'
#' @details Licence and provenance are in
#'   \code{system.file("extdata", "README.md", package = "waddington")}.
#' @references
#' Korsunsky I et al. (2019). Fast, sensitive and accurate integration of
#' single-cell data with Harmony. \emph{Nature Methods} 16, 1289-1296.
#'
#' Kang JB et al. (2021). Efficient and precise single-cell reference atlas
#' mapping with Symphony. \emph{Nature Communications} 12, 5890.
#' @examples
#' sce <- pbmc3Chemistries()
#' sce
#' table(sce$cell_type, sce$batch)
#' @export
pbmc3Chemistries <- function() {
    sce <- .readExtdata(
        "pbmc_3chemistries", c("batch", "cell_type", "cell_type_broad")
    )
    sce$total_umi_all_genes <- as.integer(sce$total_umi_all_genes)
    sce
}
