#' Real blood cells that ship with the package
#'
#' Peripheral blood mononuclear cells of two donors, resting and after six
#' hours with interferon beta.
#'
#' @return A \linkS4class{SingleCellExperiment} of 1,267 genes x 1,556 cells
#'   with raw counts (a dgCMatrix) in the assay \code{counts};
#'   \code{colData} has the factors \code{condition} (control, stimulated),
#'   \code{cell_type} (5), \code{donor} (101, 107) and \code{sample} (4), all
#'   as given by the authors; \code{rowData} has the Ensembl identifiers.
#'
#' @details
#' The genes are a choice of the source. Its licence and what was done to it
#' are in \code{system.file("extdata", "README.md", package = "waddington")}.
#'
#' @references
#' Kang HM et al. (2018). Multiplexed droplet single-cell RNA-sequencing using
#' natural genetic variation. \emph{Nature Biotechnology} 36, 89-94.
#'
#' Crowell HL et al. (2020). muscat detects subpopulation-specific state
#' transitions from multi-sample multi-condition single-cell transcriptomics
#' data. \emph{Nature Communications} 11, 6077.
#' @examples
#' sce <- kangPBMC()
#' sce
#' table(sce$cell_type, sce$condition)
#' @export
kangPBMC <- function() {
    .readExtdata("kang_pbmc", c("condition", "cell_type", "donor", "sample"))
}

# A data set in inst/extdata: counts, genes, cells as text.
.readExtdata <- function(name, factors) {
    folder <- system.file(
        "extdata", name, package = "waddington", mustWork = TRUE
    )
    table <- function(file) {
        utils::read.csv(
            file.path(folder, file), row.names = 1L, colClasses = "character"
        )
    }
    cells <- table("cells.csv.gz")
    genes <- table("genes.csv.gz")
    cells[factors] <- lapply(cells[factors], factor)
    counts <- scan(
        file.path(folder, "counts.csv.gz"), numeric(), sep = ",", quiet = TRUE
    )
    counts <- matrix(
        counts, nrow(genes), nrow(cells), byrow = TRUE,
        dimnames = list(rownames(genes), rownames(cells))
    )
    SingleCellExperiment::SingleCellExperiment(
        assays = list(counts = .toSparse(counts)),
        colData = S4Vectors::DataFrame(cells),
        rowData = S4Vectors::DataFrame(genes)
    )
}
