# What must hold for every model and all data.

test_that("the order of genes does not matter, nor do further genes", {
    sce <- mockCells()
    model <- modelOfMock()
    want <- getLatent(sce, model)
    shuffled <- sce[rev(seq_len(nrow(sce))), ]
    expect_identical(getLatent(shuffled, model), want)
    more <- BiocGenerics::rbind(sce[1:3, ], sce)
    rownames(more) <- c("x1", "x2", "x3", rownames(sce))
    expect_identical(getLatent(more, model), want)
})

test_that("decoding a cell as what it is equals denoising it", {
    sce <- mockCells()
    model <- modelOfConditions()
    denoised <- SummarizedExperiment::assay(denoise(sce, model), "denoised")
    pred <- predictPerturbation(
        sce, model, from = "condition1", to = "condition2",
        method = "condition"
    )
    expect_identical(
        S4Vectors::metadata(pred)$perturbation$method, "condition"
    )
    as2 <- denoise(sce, model, condition = "condition2", name = "as2")
    as2 <- SummarizedExperiment::assay(as2, "as2")
    there <- sce$condition == "condition2"
    expect_equal(as2[, there], denoised[, there], tolerance = 1e-6)
    expect_equal(
        SummarizedExperiment::assay(pred, "predicted"), as2[, !there],
        tolerance = 1e-5
    )
    expect_gt(max(abs(as2[, !there] - denoised[, !there])), 0.1)
})

test_that("a model survives saveRDS, and its own file", {
    sce <- mockCells()
    model <- modelOfMock()
    want <- getLatent(sce, model)
    file <- withr::local_tempfile()
    saveRDS(model, file)
    expect_identical(getLatent(sce, readRDS(file)), want)
    wad <- withr::local_tempfile(fileext = ".wad")
    expect_identical(saveModel(model, wad), wad)
    again <- loadModel(wad)
    expect_identical(getLatent(sce, again), want)
    for (slot in setdiff(methods::slotNames(model), "handle")) {
        expect_equal(methods::slot(again, slot), methods::slot(model, slot),
                     info = slot)
    }
    expect_identical(updateObject(model)@weights, model@weights)
})

test_that("set.seed makes training reproducible, bit by bit", {
    skip_if_no_python()
    sce <- mockCells(60, 20)
    one <- function() {
        set.seed(11)
        suppressWarnings(trainVAE(sce, batch = "batch", epochs = 2))
    }
    a <- one()
    b <- one()
    expect_identical(getLatent(sce, a), getLatent(sce, b))
    expect_identical(a@record$seed, b@record$seed)
    c <- suppressWarnings(trainVAE(sce, batch = "batch", epochs = 2))
    expect_false(identical(a@record$seed, c@record$seed))
})

test_that("every kind of matrix gives the same model", {
    skip_if_no_python()
    sce <- mockCells(60, 20)
    counts <- SummarizedExperiment::assay(sce, "counts")
    fit <- function(x) {
        model <- suppressWarnings(
            trainVAE(x, batch = sce$batch, epochs = 2, seed = 3)
        )
        getLatent(x, model, covariates = list(batch = sce$batch))
    }
    want <- fit(counts)
    kinds <- list(
        dense = as.matrix(counts), row = methods::as(counts, "RsparseMatrix")
    )
    if (requireNamespace("DelayedArray", quietly = TRUE)) {
        kinds$delayed <- DelayedArray::DelayedArray(counts)
    }
    for (kind in names(kinds)) {
        expect_identical(fit(kinds[[kind]]), want, info = kind)
    }
    bySCE <- suppressWarnings(
        trainVAE(sce, batch = "batch", epochs = 2, seed = 3)
    )
    expect_equal(getLatent(sce, bySCE), want)
})

test_that("a minibatch and one cell more train", {
    skip_if_no_python()
    sce <- mockCells(129, 20)
    model <- suppressWarnings(
        trainVAE(sce, epochs = 2, batch_size = 128, held_out = 0, seed = 1)
    )
    expect_identical(model@record$n_cells, 129L)
})
