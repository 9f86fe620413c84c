test_that("simulated cells are what they say, R's generator is left alone", {
    set.seed(3)
    before <- .Random.seed
    sce <- mockCells(120, 50, n_types = 4, n_batches = 3)
    expect_identical(.Random.seed, before)
    expect_identical(dim(sce), c(50L, 120L))
    expect_s4_class(SummarizedExperiment::assay(sce, "counts"), "dgCMatrix")
    expect_identical(nlevels(sce$cell_type), 4L)
    expect_identical(nlevels(sce$batch), 3L)
    expect_identical(sce, mockCells(120, 50, n_types = 4, n_batches = 3))
    counts <- SummarizedExperiment::assay(sce, "counts")
    expect_true(all(counts@x == round(counts@x) & counts@x > 0))
})

test_that("counts have the mean and the variance of their truth", {
    sce <- mockCells(4000, 10, n_types = 1, n_batches = 1, n_conditions = 1,
                     theta = 2)
    mean <- SummarizedExperiment::assay(sce, "mean")
    counts <- as.matrix(SummarizedExperiment::assay(sce, "counts"))
    z <- (rowSums(counts) - rowSums(mean)) /
        sqrt(rowSums(mean + mean^2 / 2))
    expect_lt(max(abs(z)), 4)
    variance <- rowMeans((counts - mean)^2)
    expect_equal(variance / rowMeans(mean + mean^2 / 2), rep(1, 10),
                 tolerance = 0.25, ignore_attr = TRUE)
})

test_that("markers mark and responding genes respond", {
    sce <- mockCells(600, 60)
    mean <- SummarizedExperiment::assay(sce, "mean")
    share <- sweep(mean, 2, colSums(mean), "/")
    genes <- SummarizedExperiment::rowData(sce)
    marker <- which(genes$marker_of == "type1")[1]
    one <- sce$batch == "batch1" & sce$condition == "condition1"
    high <- share[marker, one & sce$cell_type == "type1"][1]
    low <- share[marker, one & sce$cell_type == "type2"][1]
    expect_gt(high / low, 2)
    expect_identical(sum(genes$responds), 6L)
    expect_error(mockCells(n_genes = 3), "`n_genes`")
})

test_that("the real cells are those of their description", {
    sce <- kangPBMC()
    expect_identical(dim(sce), c(1267L, 1556L))
    expect_identical(levels(sce$donor), c("101", "107"))
    expect_identical(levels(sce$condition), c("control", "stimulated"))
    expect_identical(nlevels(sce$cell_type), 5L)
    counts <- SummarizedExperiment::assay(sce, "counts")
    expect_s4_class(counts, "dgCMatrix")
    expect_equal(length(counts@x) / prod(dim(counts)), 0.297, tolerance = 1e-3)
    expect_false(anyDuplicated(rownames(sce)) > 0)
})
