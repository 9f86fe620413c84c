# Posterior predictive checks: silent for a right model, in words for a wrong
# one.

test_that("a model of the right likelihood is not criticised", {
    skip_if_no_python()
    sce <- mockCells(600, 60)
    model <- trainVAE(sce, batch = "batch", seed = 1)
    checks <- checkModel(sce, model, seed = 1)
    expect_s3_class(checks, "waddington_checks")
    expect_identical(rownames(checks$table), c(
        "zeros", "cv", "library", "coverage 50%", "coverage 90%"
    ))
    counts <- as.matrix(SummarizedExperiment::assay(sce, "counts"))
    expect_equal(
        checks$table["library", "data"], mean(colSums(counts)),
        tolerance = 1e-5
    )
    expect_equal(
        checks$genes$zeros_data, unname(rowMeans(counts == 0)),
        ignore_attr = TRUE
    )
    expect_identical(rownames(checks$genes), rownames(sce))
    expect_equal(checks$library$data, unname(colSums(counts)))
    expect_equal(sum(checks$ranks), 1)
    expect_equal(
        checks$table["coverage 90%", "data"], 0.9, tolerance = 0.05
    )
    expect_length(checks$flags, 0L)
    expect_output(print(checks), "Replicates are like the data")
})

test_that("a Poisson model of dispersed counts is told in words", {
    skip_if_no_python()
    sce <- mockCells(theta = 1)
    model <- trainVAE(
        sce, scvi(likelihood = "poisson", n_latent = 2), epochs = 20, seed = 1
    ) |> suppressWarnings()
    checks <- checkModel(sce, model, seed = 1)
    expect_gt(length(checks$flags), 0L)
    expect_match(checks$flags, "vary less than the data", all = FALSE)
    expect_lt(checks$table["coverage 90%", "data"], 0.85)
    words <- paste(capture.output(checks), collapse = " ")
    expect_match(words, "! Replicates vary less")
})

test_that("the plot has what the object has", {
    checks <- checkModel(mockCells(), modelOfMock(), seed = 1)
    p <- plot(checks)
    expect_s3_class(p, "ggplot")
    built <- ggplot2::ggplot_build(p)
    expect_identical(nrow(built$layout$layout), 4L)
    points <- built$data[[1]]
    told <- sum(checks$genes$mean_data >= 0.1) # as the table counts
    expect_identical(sum(points$PANEL == 2), told)
    expect_identical(nrow(points), 300L + told)
    zeros <- points[points$PANEL == 1, ]
    few <- checks
    few$genes$mean_data[1:30] <- 0.09
    expect_identical(nrow(ggplot2::ggplot_build(plot(few))$data[[1]]),
                     300L + sum(few$genes$mean_data >= 0.1))
    expect_equal(sort(zeros$y), sort(unname(checks$genes$zeros_data)))
    expect_equal(built$data[[3]]$y, checks$ranks)
})

test_that("a seed decides, and few cells are enough", {
    ask <- function() {
        set.seed(2)
        checkModel(mockCells(), modelOfMock(), n_most = 50, n_samples = 4)
    }
    first <- ask()
    expect_identical(first, ask())
    expect_identical(nrow(first$library), 50L)
    expect_output(print(first), "50 of 200 cells, 4 replicates")
})

test_that("what can't be checked is told", {
    expect_error(checkModel(mockCells(), modelOfMock(), n_samples = 1),
                 "`n_samples`")
    expect_error(checkModel(mockCells(), modelOfMock(), nsamples = 9),
                 class = "unknown_argument")
    expect_error(checkModel(mockCells(), scvi()), class = "not_a_model")
    skip_if_no_python()
    gan <- suppressWarnings(trainGAN(mockCells(60, 20), epochs = 1, seed = 1))
    expect_error(checkModel(mockCells(60, 20), gan), "can't be checked",
                 class = "waddington_InputError")
})

test_that("genes with extra zeros are told from those without", {
    skip_if_no_python()
    sce <- mockCells(600, 40, n_types = 1, n_batches = 1, n_conditions = 1)
    counts <- as.matrix(SummarizedExperiment::assay(sce, "counts"))
    often <- order(-rowMeans(counts))[1:16]
    extra <- often[c(TRUE, FALSE)]
    drop <- withr::with_seed(1, stats::runif(length(extra) * 600) < 0.5)
    counts[extra, ][matrix(drop, length(extra))] <- 0
    SummarizedExperiment::assay(sce, "counts") <- counts
    model <- trainVAE(sce, autozi(n_latent = 2), epochs = 60, seed = 1)
    zeros <- zeroInflation(model)
    expect_s4_class(zeros, "DataFrame")
    expect_identical(rownames(zeros), rownames(sce))
    expect_identical(
        names(zeros), c("probability", "logit_delta", "logit_delta_sd")
    )
    expect_identical(rownames(S4Vectors::mcols(zeros)), names(zeros))
    expect_equal(
        zeros$probability,
        stats::pnorm(0, zeros$logit_delta, zeros$logit_delta_sd),
        tolerance = 1e-6
    )
    plain <- setdiff(often, extra)
    expect_gt(min(zeros$probability[extra]), max(zeros$probability[plain]))
    expect_error(zeroInflation(modelOfMock()), "autozi",
                 class = "no_zero_inflation")
    expect_error(zeroInflation(sce), class = "not_a_model")
})
