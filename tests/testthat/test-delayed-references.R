# Counts in a file give the same answers as counts in memory.

filed <- function(x, frame = parent.frame()) {
    testthat::skip_if_not_installed("HDF5Array")
    file <- withr::local_tempfile(fileext = ".h5", .local_envir = frame)
    counts <- as.matrix(SummarizedExperiment::assay(x, "counts"))
    delayed <- HDF5Array::writeHDF5Array(counts, file, "counts")
    dimnames(delayed) <- dimnames(x)
    SummarizedExperiment::assay(x, "counts", withDimnames = FALSE) <- delayed
    x
}

test_that("every verb of references reads counts in a file", {
    model <- modelOfMock()
    sce <- mockCells()
    there <- filed(sce)
    both <- function(f) list(f(sce), f(there))
    verbs <- list(
        clusters = function(x) getClusters(x, model, seed = 1),
        expression = function(x) {
            differentialExpression(
                x, model, "cell_type", to = "type1", seed = 1, n_samples = 200
            )$p_de
        },
        abundance = function(x) {
            differentialAbundance(x, model, "batch", seed = 1)$log_density
        },
        checks = function(x) checkModel(x, model, seed = 1)$table,
        doublets = function(x) {
            findDoublets(x, epochs = 2, seed = 1)$doublet_score
        },
        mapping = function(x) {
            x$batch <- "new"
            out <- mapQuery(x, model, epochs = 2, seed = 1)
            SingleCellExperiment::reducedDim(out)
        }
    )
    for (name in names(verbs)) {
        pair <- both(verbs[[name]])
        expect_equal(pair[[2]], pair[[1]], tolerance = 1e-6, info = name)
    }
    annotator <- suppressWarnings(
        trainVAE(sce, scanvi("cell_type"), epochs = 5, seed = 1)
    )
    pair <- both(function(x) predictLabels(x, annotator, seed = 1)$label)
    expect_identical(pair[[2]], pair[[1]])
})
