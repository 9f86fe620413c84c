# Batches out of the latent space, in one line and with every kind of column.

# Share of the variance of the latent space that groups explain.
explained <- function(z, by) {
    z <- scale(z)
    means <- apply(z, 2, function(v) stats::ave(v, by))
    sum(means^2) / sum(z^2)
}

test_that("one line takes the batch out and keeps the type", {
    skip_if_no_python()
    sce <- mockCells(400)
    set.seed(1)
    out <- runVAE(sce, recipe = scvi(batch = "batch"), store_model = TRUE)
    without <- SingleCellExperiment::reducedDim(
        runVAE(sce, recipe = scvi(), seed = 1)
    )
    with <- SingleCellExperiment::reducedDim(out, "VAE")
    expect_lt(
        explained(with, sce$batch), 0.5 * explained(without, sce$batch)
    )
    expect_gt(explained(with, sce$cell_type), 0.2)
    model <- S4Vectors::metadata(out)$VAE
    expect_identical(getLatent(sce, model), with)
    set.seed(1)
    expect_identical(
        getLatent(sce, trainVAE(sce, recipe = scvi(batch = "batch"))), with
    )
    set.seed(1)
    expect_identical(getLatent(sce, trainVAE(sce, batch = "batch")), with)
})

test_that("several columns of both kinds go in, at every place", {
    skip_if_no_python()
    sce <- mockCells(200)
    sce$age <- seq(-1, 1, length.out = 200)
    ways <- list(
        scvi(batch = c("batch", "condition"), covariates = "age"),
        scvi(batch = c("batch", "condition"), covariates = "age",
             inject = "first", encode_covariates = TRUE),
        scvi(batch = c("batch", "condition"), covariates = "age",
             n_embedding = 2L),
        scvi(batch = "batch", dispersion = "gene-batch"),
        scvi(batch = "batch", dispersion = "gene-cell", likelihood = "zinb"),
        scvi(batch = "batch", library = "size_factor")
    )
    SingleCellExperiment::sizeFactors(sce) <- sce$size_factor
    for (recipe in ways) {
        model <- suppressWarnings(trainVAE(sce, recipe, epochs = 3, seed = 1))
        info <- format(recipe)
        expect_true("batch" %in% names(model@levels), info = info)
        expect_true(all(is.finite(getLatent(sce, model))), info = info)
        if ("condition" %in% names(model@levels)) {
            both <- denoise(
                sce, model, batch = NULL, as_if = list(
                    batch = c("batch1", "batch2"), condition = "condition1"
                )
            )
            made <- SummarizedExperiment::assay(both, "denoised")
            expect_true(all(made > 0), info = info)
        }
    }
    expect_error(
        trainVAE(sce, scvi(covariates = "cell_type"), epochs = 1),
        "`cell_type` must be finite numbers", class = "not_numeric"
    )
})
