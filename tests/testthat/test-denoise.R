# Which matrix is what: as measured, of one batch, of all batches.

assays_of <- function(...) {
    x <- denoise(mockCells(), modelOfMock(), ...)
    as.list(SummarizedExperiment::assays(x))
}

test_that("one batch changes only cells of the other", {
    sce <- mockCells()
    own <- assays_of()$denoised
    first <- assays_of(batch = "batch1")$harmonised
    here <- sce$batch == "batch1"
    expect_equal(first[, here], own[, here], tolerance = 1e-5)
    truth <- log(SummarizedExperiment::assay(sce, "mean"))
    effect <- function(x) rowMeans(x[, here]) - rowMeans(x[, !here])
    change <- rowMeans(log(first[, !here] / own[, !here]))
    expect_gt(cor(change, effect(truth)), 0.8)
})

test_that("several batches are the mean over them, whatever their sizes", {
    first <- assays_of(batch = "batch1")$harmonised
    second <- assays_of(batch = "batch2")$harmonised
    both <- assays_of(batch = c("batch1", "batch2"))$harmonised
    expect_equal(both, (first + second) / 2, tolerance = 1e-5)
    again <- assays_of(as_if = list(batch = c("batch2", "batch1")))$denoised
    expect_equal(again, both, tolerance = 1e-6)
})

test_that("harmonised expression hides the batch and keeps the type", {
    sce <- mockCells()
    spread <- function(x, by) {
        groups <- split(seq_len(ncol(x)), by)
        means <- vapply(groups, function(i) rowMeans(log(x[, i])), x[, 1])
        mean(apply(means, 1, stats::var))
    }
    own <- assays_of(library = "median")$denoised
    both <- assays_of(batch = levels(sce$batch), library = "median")$harmonised
    expect_lt(spread(both, sce$batch), spread(own, sce$batch) / 3)
    expect_gt(spread(both, sce$cell_type), 0.7 * spread(own, sce$cell_type))
    counts <- SummarizedExperiment::assay(sce, "counts")
    total <- median(Matrix::colSums(counts))
    expect_equal(unname(colSums(both)), rep(total, 200), tolerance = 1e-3)
})

test_that("the name says which it is, unless another is given", {
    expect_true("harmonised" %in% names(assays_of(batch = "batch1")))
    expect_true("denoised" %in% names(assays_of()))
    expect_true("mine" %in% names(assays_of(batch = "batch1", name = "mine")))
})

test_that("several levels go to a file as they go to memory", {
    testthat::skip_if_not_installed("HDF5Array")
    file <- withr::local_tempfile(fileext = ".h5")
    both <- c("batch1", "batch2")
    want <- assays_of(batch = both)$harmonised
    got <- assays_of(batch = both, file = file)$harmonised
    expect_equal(as.matrix(got), want, tolerance = 1e-5)
})

test_that("levels that make no sense are told", {
    expect_error(assays_of(batch = c("batch1", "batch9")), "batch9",
                 class = "unseen_level")
    expect_error(assays_of(batch = character()), class = "wrong_length")
    expect_error(assays_of(batch = c("batch1", NA)), class = "wrong_length")
    expect_error(
        sampleCells(modelOfMock(), 5, batch = c("batch1", "batch2")),
        class = "wrong_length"
    )
})
