# Clusters: of the latent space, of codes, of centres.

agreement <- function(found, truth) {
    counts <- table(found, truth)
    sum(apply(counts, 1, max)) / length(truth)
}

test_that("communities of a latent space are the types", {
    sce <- mockCells()
    found <- getClusters(sce, modelOfMock(), seed = 1)
    expect_s3_class(found, "factor")
    expect_identical(names(found), colnames(sce))
    expect_gt(agreement(found, sce$cell_type), 0.9)
    sizes <- as.integer(table(found))
    expect_false(is.unsorted(-sizes))
    expect_identical(found, getClusters(sce, modelOfMock(), seed = 1))
    more <- getClusters(sce, modelOfMock(), seed = 1, resolution = 5)
    expect_gt(nlevels(more), nlevels(found))
    expect_error(
        getClusters(sce, modelOfMock(), probabilities = TRUE), "cardec",
        class = "no_probabilities"
    )
})

test_that("models that were made to cluster give their own", {
    skip_if_no_python()
    sce <- mockCells(300, n_batches = 1)
    centred <- trainVAE(sce, cardec(n_clusters = 3L), seed = 1)
    found <- getClusters(sce, centred)
    expect_identical(levels(found), as.character(1:3))
    expect_gt(agreement(found, sce$cell_type), 0.8)
    p <- getClusters(sce, centred, probabilities = TRUE)
    expect_identical(dim(p), c(300L, 3L))
    expect_equal(unname(rowSums(p)), rep(1, 300), tolerance = 1e-5)
    expect_identical(unname(max.col(p)), as.integer(found))
    coded <- suppressWarnings(trainVAE(sce, saucie(), epochs = 20, seed = 1))
    codes <- getClusters(sce, coded, merge = FALSE, fewest = 10, seed = 1)
    expect_true(all(table(codes) >= 10))
    expect_identical(ncol(getLatent(sce, coded)), 2L)
})

test_that("what makes no sense is told", {
    ask <- function(...) getClusters(mockCells(), modelOfMock(), ...)
    expect_error(ask(resolution = 0), "`resolution`")
    expect_error(ask(fewest = 0), "`fewest`")
    expect_error(ask(merge = NA), "`merge`")
    expect_error(ask(resolutoin = 1), "resolution", class = "unknown_argument")
    expect_error(getClusters(mockCells(), 3), class = "not_a_model")
})
