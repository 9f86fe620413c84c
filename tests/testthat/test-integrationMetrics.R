# Scores of embeddings whose quality is known.

embedded <- function() {
    sce <- mockCells(300)
    set.seed(1)
    noise <- matrix(stats::rnorm(300 * 4, sd = 0.3), 300)
    type <- as.integer(sce$cell_type)
    batch <- as.integer(sce$batch)
    place <- function(by) noise + 3 * outer(by, 1:4, `==`)
    SingleCellExperiment::reducedDims(sce) <- list(
        TYPES = place(type), BATCHES = place(batch)
    )
    sce
}

test_that("kept types and mixed batches are told apart", {
    skip_if_no_python()
    out <- integrationMetrics(embedded(), "batch", "cell_type", seed = 1)
    expect_s3_class(out, c("waddington_metrics", "data.frame"), exact = TRUE)
    expect_identical(
        rownames(out), c("TYPES", "BATCHES", "PCA of log counts", "random")
    )
    kept <- c("ari_kmeans", "nmi_kmeans", "ari_leiden", "nmi_leiden", "clisi")
    expect_true(all(unlist(out["TYPES", kept]) > 0.95))
    expect_true(all(unlist(out["BATCHES", kept]) < 0.5))
    expect_true(all(unlist(out["random", kept]) < 0.5))
    mixed <- c("batch_silhouette", "ilisi", "kbet")
    expect_true(all(unlist(out["TYPES", mixed]) > 0.8))
    expect_true(all(unlist(out["BATCHES", mixed]) < 0.2))
    expect_true(all(unlist(out["random", mixed]) > 0.8))
    expect_true(is.na(out["TYPES", "isolated"]))
})

test_that("it prints both halves, rounded, and is drawn", {
    skip_if_no_python()
    out <- integrationMetrics(
        embedded(), "batch", "cell_type", dimred = "TYPES", seed = 1
    )
    expect_identical(nrow(out), 3L)
    said <- capture.output(out)
    expect_match(said, "^Labels kept", all = FALSE)
    expect_match(said, "^Batches mixed", all = FALSE)
    expect_false(any(grepl("[0-9]\\.[0-9]{3}", said)))
    drawn <- plot(out)$data
    expect_identical(drawn$name, rownames(out))
    expect_equal(drawn$mixed[1], mean(unlist(out[1, c(
        "batch_silhouette", "ilisi", "connectivity", "kbet"
    )])))
    expect_identical(drawn$kind, c("model", "baseline", "baseline"))
    expect_output(print(out[, c("ilisi", "clisi")]), "Batches mixed")
})

test_that("a reduced dimension called PCA is beside our own", {
    skip_if_no_python()
    sce <- embedded()
    SingleCellExperiment::reducedDimNames(sce)[1] <- "PCA"
    out <- integrationMetrics(sce, "batch", "cell_type", seed = 1)
    expect_identical(
        rownames(out), c("PCA", "BATCHES", "PCA of log counts", "random")
    )
    expect_gt(out["PCA", "clisi"], 0.95)
})

test_that("what can't be scored is told", {
    sce <- embedded()
    ask <- function(...) integrationMetrics(sce, ...)
    expect_error(ask("bach", "cell_type"), "batch", class = "unknown_column")
    expect_error(ask("batch", "cell_type", dimred = "UMAP"), "TYPES",
                 class = "unknown_dimred")
    sce$one <- "a"
    expect_error(ask("one", "cell_type"), "two levels", class = "one_level")
    expect_error(ask("batch", "one"), "two levels", class = "one_level")
    sce$cell_type[2] <- NA
    expect_error(ask("batch", "cell_type"), class = "missing_value")
    expect_error(
        integrationMetrics(embedded()[, 1:20], "batch", "cell_type"),
        "50 cells", class = "too_few_cells"
    )
    counts <- SummarizedExperiment::assay(sce, "counts")
    expect_error(integrationMetrics(counts, "batch", "cell_type"),
                 class = "not_an_experiment")
    expect_error(ask("batch", sce$condition, assay.type = "tpm"),
                 class = "unknown_assay")
})
