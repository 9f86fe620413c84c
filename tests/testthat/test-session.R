# What people type, from counts to files, on cells whose truth is known.

test_that("a model is trained, shown and plotted", {
    model <- modelOfMock()
    expect_s4_class(model, "WaddingtonModel")
    expect_true(validObject(model))
    expect_identical(dim(model), c(100L, 10L))
    expect_identical(rownames(model), rownames(mockCells()))
    expect_identical(colnames(model)[1:2], c("VAE1", "VAE2"))
    expect_identical(model@levels, list(batch = c("batch1", "batch2")))
    shown <- capture.output(model)
    expect_length(shown, 8L)
    expect_match(shown[1], "scvi")
    expect_match(shown[6], "all 30 epochs done")
    expect_match(shown[7], "nats per cell, trivial model")
    expect_output(print(summary(model)), "NegativeBinomial")
})

test_that("the history has a row for each epoch and kind of cells", {
    model <- modelOfMock()
    history <- trainingHistory(model)
    expect_identical(nrow(history), 60L)
    expect_setequal(history$cells, c("training", "held out"))
    expect_identical(unique(history$epoch), 1:30)
    expect_equal(
        history[["nll rna"]] + history[["kl z"]], history$objective,
        tolerance = 1e-5
    )
    p <- plot(model)
    expect_s3_class(p, "ggplot")
    expect_identical(levels(p$data$term), c("objective", "nll rna", "kl z"))
    drawn <- ggplot2::ggplot_build(plot(model, terms = "kl z"))
    expect_identical(nrow(drawn$plot$data), 60L)
    expect_error(plot(model, terms = "nope"), class = "unknown_term")
})

test_that("the latent space tells the cell types apart", {
    sce <- mockCells()
    model <- modelOfMock()
    z <- getLatent(sce, model)
    expect_identical(dim(z), c(200L, 10L))
    expect_identical(dimnames(z), list(colnames(sce), colnames(model)))
    means <- apply(z, 2, function(v) tapply(v, sce$cell_type, mean))
    nearest <- apply(z, 1, function(v) which.min(colSums((t(means) - v)^2)))
    right <- mean(levels(sce$cell_type)[nearest] == sce$cell_type)
    expect_gt(right, 0.9)
})

test_that("standard deviations and samples are what they are called", {
    sce <- mockCells()[, 1:50]
    model <- modelOfMock()
    sd <- getLatent(sce, model, of = "sd")
    expect_true(all(sd > 0))
    one <- getLatent(sce, model, of = "sample", seed = 3)
    expect_identical(dim(one), c(50L, 10L))
    many <- getLatent(sce, model, of = "sample", n_samples = 200, seed = 3)
    expect_identical(dim(many), c(50L, 10L, 200L))
    mean <- getLatent(sce, model)
    z <- (apply(many, 1:2, mean) - mean) / (sd / sqrt(200))
    expect_lt(max(abs(z)), 5)
    set.seed(2)
    a <- getLatent(sce, model, of = "sample")
    set.seed(2)
    expect_identical(getLatent(sce, model, of = "sample"), a)
})

test_that("denoising keeps the library and comes nearer to the truth", {
    sce <- mockCells()
    model <- modelOfMock()
    out <- denoise(sce, model)
    expect_s4_class(out, "SingleCellExperiment")
    expect_identical(dimnames(out), dimnames(sce))
    made <- SummarizedExperiment::assay(out, "denoised")
    counts <- as.matrix(SummarizedExperiment::assay(sce, "counts"))
    truth <- SummarizedExperiment::assay(sce, "mean")
    expect_equal(colSums(made), colSums(counts), tolerance = 1e-4)
    error <- function(x) mean((log1p(x) - log1p(truth))^2)
    expect_lt(error(made), error(counts) / 2)
    median <- denoise(sce, model, library = "median", overwrite = TRUE)
    totals <- colSums(SummarizedExperiment::assay(median, "denoised"))
    expect_equal(unname(totals), rep(stats::median(colSums(counts)), 200),
                 tolerance = 1e-4)
    hundred <- denoise(counts, model, library = 100,
                       covariates = data.frame(batch = sce$batch))
    expect_equal(unname(colSums(hundred)), rep(100, 200), tolerance = 1e-4)
})

test_that("an assay is not overwritten unless told to", {
    sce <- mockCells()
    model <- modelOfMock()
    expect_error(denoise(sce, model, name = "counts"), "overwrite = TRUE",
                 class = "assay_exists")
})

test_that("genes can be picked, and those that the model lacks are told", {
    sce <- mockCells()
    model <- modelOfMock()
    all <- SummarizedExperiment::assay(denoise(sce, model), "denoised")
    some <- suppressMessages(
        denoise(sce, model, genes = c("gene003", "gene001"))
    )
    expect_identical(rownames(some), c("gene003", "gene001"))
    expect_equal(SummarizedExperiment::assay(some, "denoised"),
                 all[c("gene003", "gene001"), ], tolerance = 1e-5)
    expect_error(denoise(sce, model, genes = "XIST"), "XIST",
                 class = "missing_genes")
    wide <- BiocGenerics::rbind(sce, sce[1:2, ])
    rownames(wide) <- c(rownames(sce), "extra1", "extra2")
    expect_message(out <- denoise(wide, model), "2 genes")
    expect_identical(rownames(out), rownames(sce))
})

test_that("large results go to a file and are the same", {
    skip_if_not_installed("HDF5Array")
    sce <- mockCells()
    model <- modelOfMock()
    want <- SummarizedExperiment::assay(denoise(sce, model), "denoised")
    file <- withr::local_tempfile(fileext = ".h5")
    got <- SummarizedExperiment::assay(
        denoise(sce, model, file = file), "denoised"
    )
    expect_s4_class(got, "DelayedMatrix")
    expect_identical(dimnames(got), dimnames(want))
    expect_equal(as.matrix(got), want, tolerance = 1e-5)
    withr::local_options(waddington.memory = 1000)
    expect_message(
        denoise(sce, model, library = "median"), "results go to"
    )
})

test_that("predictions come with baselines and can be judged", {
    sce <- mockCells(400)
    skip_if_no_python()
    held <- sce$cell_type == "type1" & sce$condition == "condition2"
    model <- trained("held", trainVAE(sce[, !held], epochs = 60, seed = 2))
    heard <- testthat::capture_warnings(
        pred <- predictPerturbation(
            sce, model, condition = "condition", from = "condition1",
            to = "condition2", cell_type = "cell_type", target = "type1",
            seed = 1
        )
    )
    source <- sce$cell_type == "type1" & sce$condition == "condition1"
    expect_identical(colnames(pred), colnames(sce)[source])
    expect_true(all(pred$condition == "condition2"))
    expect_identical(levels(pred$condition), levels(sce$condition))
    about <- S4Vectors::metadata(pred)$perturbation
    expect_identical(about$method, "transfer")
    expect_identical(about$types[[1]]$type, "type1")
    expect_identical( # it is warned of just where it is true
        any(grepl("off the manifold", heard)), about$types[[1]]$novelty > 1
    )
    expect_length(about$shift, 10L)
    expect_identical(
        names(about$profiles),
        c("gene", "predicted", "control", "control + mean shift")
    )
    score <- evaluatePerturbation(pred, sce, n_top = 10)
    expect_identical(score$by[1:2], c("scvi", "control"))
    expect_gt(score$r2_change[1], 0.4)
    expect_lt(abs(score$r2_change[2]), 0.1)
    p <- plotPerturbation(pred, sce, n_top = 10)
    expect_identical(sum(p$data$genes == levels(p$data$genes)[1]), 20L)
    expect_s3_class(plotPerturbation(pred, sce, what = "mean"), "ggplot")
    expect_error(plotPerturbation(sce, sce), class = "not_a_prediction")
})

test_that("new cells are counts like those of training", {
    sce <- mockCells()
    model <- modelOfMock()
    made <- sampleCells(model, 500, seed = 1)
    expect_identical(dim(made), c(100L, 500L))
    counts <- SummarizedExperiment::assay(made, "counts")
    expect_s4_class(counts, "dgCMatrix")
    expect_true(all(counts@x == round(counts@x)))
    real <- Matrix::rowMeans(SummarizedExperiment::assay(sce, "counts"))
    expect_gt(stats::cor(log(Matrix::rowMeans(counts)), log(real)), 0.95)
    expect_identical(levels(made$batch), c("batch1", "batch2"))
    one <- sampleCells(model, 20, batch = "batch2", seed = 1)
    expect_true(all(one$batch == "batch2"))
    near <- sampleCells(model, x = sce, near = TRUE, expected = TRUE)
    want <- SummarizedExperiment::assay(denoise(sce, model), "denoised")
    got <- as.matrix(SummarizedExperiment::assay(near, "counts"))
    expect_gt(stats::cor(as.vector(log1p(got)), as.vector(log1p(want))), 0.9)
    expect_error(sampleCells(model, near = TRUE), class = "no_cells")
    set.seed(1)
    a <- sampleCells(model, 5)
    set.seed(1)
    expect_identical(sampleCells(model, 5), a)
})

test_that("runVAE fills reducedDim, and keeps the model if asked", {
    skip_if_no_python()
    sce <- mockCells(60, 20)
    out <- suppressWarnings(runVAE(sce, epochs = 2, seed = 1))
    expect_identical(SingleCellExperiment::reducedDimNames(out), "VAE")
    expect_length(S4Vectors::metadata(out), 0L)
    model <- suppressWarnings(trainVAE(sce, epochs = 2, seed = 1))
    again <- runVAE(sce, model = model, name = "mine", store_model = TRUE)
    expect_identical(
        SingleCellExperiment::reducedDim(again, "mine"),
        SingleCellExperiment::reducedDim(out, "VAE")
    )
    expect_s4_class(S4Vectors::metadata(again)$mine, "WaddingtonModel")
    SingleCellExperiment::altExp(sce, "other") <- sce[1:10, ]
    alt <- suppressWarnings(
        runVAE(sce, altexp = "other", batch = "batch", epochs = 1, seed = 1)
    )
    expect_identical(SingleCellExperiment::reducedDimNames(alt), "VAE")
    expect_error(runVAE(sce, altexp = "nope"), class = "unknown_experiment")
})

test_that("a GAN is trained on counts, or on log expression, and makes them", {
    skip_if_no_python()
    sce <- mockCells(80, 20)
    model <- trainGAN(sce, epochs = 2, seed = 1)
    expect_match(capture.output(model)[1], "wgan")
    made <- sampleCells(model, 7, seed = 1)
    expect_identical(SummarizedExperiment::assayNames(made), "counts")
    expect_identical(dim(made), c(20L, 7L))
    values <- trainGAN(
        sce, recipe = wgan(likelihood = "normal"), assay.type = "logcounts",
        epochs = 1, seed = 1
    )
    made <- sampleCells(values, 3, seed = 1)
    expect_identical(SummarizedExperiment::assayNames(made), "logcounts")
    expect_error(getLatent(sce, model), "no encoder",
                 class = "waddington_InputError")
    expect_error(trainGAN(sce, recipe = scvi()), class = "no_opponent")
})

test_that("layers in the manner of Keras are encoder and decoder", {
    skip_if_no_python()
    sce <- mockCells(60, 20)
    encoder <- keras_model_sequential() |>
        layer_dense(units = 16, activation = "elu") |>
        layer_dropout(rate = 0.2)
    recipe <- vae(encoder = encoder, n_latent = 4, prior_sd = 0.8)
    model <- suppressWarnings(
        trainVAE(sce, recipe = recipe, epochs = 2, seed = 1)
    )
    expect_identical(dim(model), c(20L, 4L))
    layer <- waddington:::.tree(model)$encoders[[1]]$stack$layers[[1]]
    expect_identical(layer$units, 16L)
    expect_identical(layer$act, "elu")
    expect_output(print(recipe), "encoder = <layers>", fixed = TRUE)
})
