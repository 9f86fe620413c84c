#' Simulated cells with known truth
#'
#' A small experiment whose types, batches, conditions and means are known, for
#' examples and tests. Counts are negative binomial.
#'
#' @param n_cells Whole number of cells.
#' @param n_genes Whole number of genes, at least 10.
#' @param n_types,n_batches,n_conditions Whole numbers of levels.
#' @param library_size Mean of the counts per cell.
#' @param theta Inverse dispersion: the variance of a gene is
#'   mean + mean\^2 / theta.
#' @param seed Whole number. R's generator is left as it was.
#'
#' @return A \linkS4class{SingleCellExperiment} with the assays \code{counts}
#'   and \code{logcounts} (log2 of counts per mean library size, plus one; both
#'   dgCMatrix) and \code{mean} (the truth behind the counts, genes x cells);
#'   \code{colData} has the factors \code{cell_type}, \code{batch} and
#'   \code{condition} and the number \code{size_factor}; \code{rowData} has
#'   \code{marker_of} (a type, or NA) and \code{responds} (whether the gene
#'   goes up in conditions other than the first).
#'
#' @details
#' A tenth of the genes are markers of each type (fivefold), a tenth respond
#' to the condition in all types (threefold), and every gene has its own
#' factor for each batch (log standard deviation 0.3).
#'
#' @examples
#' sce <- mockCells()
#' sce
#' table(sce$cell_type, sce$condition)
#' @export
mockCells <- function(n_cells = 200, n_genes = 100, n_types = 3,
        n_batches = 2, n_conditions = 2, library_size = 1000, theta = 5,
        seed = 1) {
    call <- sys.call()
    sizes <- list(
        n_cells = n_cells, n_genes = n_genes, n_types = n_types,
        n_batches = n_batches, n_conditions = n_conditions
    )
    for (size in names(sizes)) {
        least <- if (size == "n_genes") 10L else 1L
        .checkWhole(sizes[[size]], size, call, least)
    }
    .checkNumber(library_size, "library_size", call)
    .checkNumber(theta, "theta", call)
    withr::with_seed(.checkSeed(seed, call), .simulate(
        n_cells, n_genes, n_types, n_batches, n_conditions, library_size, theta
    ))
}

.simulate <- function(n_cells, n_genes, n_types, n_batches, n_conditions,
        library_size, theta) {
    level <- function(prefix, n) {
        factor(
            paste0(prefix, rep_len(seq_len(n), n_cells))[sample.int(n_cells)],
            paste0(prefix, seq_len(n))
        )
    }
    cells <- S4Vectors::DataFrame(
        cell_type = level("type", n_types), batch = level("batch", n_batches),
        condition = level("condition", n_conditions),
        size_factor = stats::rlnorm(n_cells, -0.05, 0.3),
        row.names = sprintf("cell%04d", seq_len(n_cells))
    )
    genes <- .simulateGenes(n_genes, levels(cells$cell_type))
    mean <- .simulateMeans(genes, cells) * library_size
    counts <- stats::rnbinom(length(mean), mu = mean, size = theta)
    dim(counts) <- dim(mean)
    dimnames(counts) <- dimnames(mean)
    counts <- .toSparse(counts + 0)
    SingleCellExperiment::SingleCellExperiment(
        assays = list(
            counts = counts, logcounts = .logOfCounts(counts), mean = mean
        ),
        colData = cells, rowData = genes
    )
}

# log2(counts per mean library size + 1), sparse.
.logOfCounts <- function(counts) {
    total <- Matrix::colSums(counts)
    scale <- mean(total) / pmax(total, 1)
    counts@x <- log2(counts@x * rep.int(scale, diff(counts@p)) + 1)
    counts
}

# One gene a row: its level, what it marks, and whether it responds.
.simulateGenes <- function(n_genes, types) {
    share <- max(1L, n_genes %/% 10L)
    marker_of <- rep(NA_character_, n_genes)
    marked <- seq_len(min(n_genes - share, share * length(types)))
    marker_of[marked] <- rep(types, each = share)[marked]
    S4Vectors::DataFrame(
        marker_of = factor(marker_of, types),
        responds = seq_len(n_genes) > n_genes - share,
        row.names = sprintf("gene%03d", seq_len(n_genes))
    )
}

# Expected share of the library of each gene in each cell, times size factor.
.simulateMeans <- function(genes, cells) {
    n <- nrow(genes)
    base <- stats::rnorm(n)
    batch <- matrix(stats::rnorm(n * nlevels(cells$batch), sd = 0.3), n)
    types <- levels(cells$cell_type)
    marks <- outer(as.character(genes$marker_of), types, `==`)
    changed <- as.integer(cells$condition) > 1L
    logs <- base + batch[, as.integer(cells$batch), drop = FALSE] +
        log(5) * replace(marks, is.na(marks), FALSE)[
            , as.integer(cells$cell_type), drop = FALSE
        ] +
        log(3) * outer(genes$responds, changed)
    share <- exp(logs)
    share <- sweep(share, 2L, cells$size_factor / colSums(share), `*`)
    dimnames(share) <- list(rownames(genes), rownames(cells))
    share
}
