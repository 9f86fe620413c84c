# Scores of predicted responses, against R's own sums.

heldOut <- function() {
    sce <- mockCells(400)
    sce$cell_type == "type1" & sce$condition == "condition2"
}

modelOfHeld <- function() {
    skip_if_no_python()
    trained("held", trainVAE(
        mockCells(400)[, !heldOut()], epochs = 60, seed = 2
    ))
}

predictionOfHeld <- function(...) {
    suppressWarnings(predictPerturbation(
        mockCells(400), modelOfHeld(), condition = "condition",
        from = "condition1", to = "condition2", cell_type = "cell_type",
        target = "type1", seed = 1, ...
    ))
}

logsOf <- function(x, assay = "counts") {
    x <- as.matrix(SummarizedExperiment::assay(x, assay))
    log1p(1e4 * t(t(x) / colSums(x)))
}

test_that("scores are what R computes, baselines among them", {
    sce <- mockCells(400)
    pred <- predictionOfHeld()
    scores <- evaluatePerturbation(pred, sce, n_top = 10)
    expect_identical(scores$by, c(
        "scvi", "control", "control + mean shift", "half of the observed"
    ))
    seen <- logsOf(sce[, heldOut()])
    told <- SummarizedExperiment::assay(pred, "log_expression")
    expect_equal(
        scores$r2_mean[1], cor(rowMeans(told), rowMeans(seen))^2,
        tolerance = 1e-5
    )
    control <- logsOf(pred, "measured")
    expect_equal(
        scores$r2_variance[2],
        cor(apply(control, 1, var), apply(seen, 1, var))^2, tolerance = 1e-5
    )
    expect_identical(scores$r_change[2], 0)
    expect_identical(scores$direction[2], 0.5)
    expect_gt(scores$r2_change[1], 0.4)
    expect_gt(scores$direction_top[1], 0.9)
    expect_lt(scores$energy[1], scores$energy[2] / 2)
})

test_that("the observed cells predict themselves as well as can be", {
    sce <- mockCells(400)
    pred <- predictionOfHeld()
    seen <- logsOf(sce[, heldOut()])
    n <- min(ncol(pred), ncol(seen))
    some <- pred[, seq_len(n)]
    observed <- SummarizedExperiment::assay(sce, "counts")[, heldOut()]
    values <- as.matrix(observed[, seq_len(n)])
    logs <- seen[, seq_len(n)]
    dimnames(values) <- dimnames(logs) <- dimnames(some)
    SummarizedExperiment::assay(some, "predicted") <- values
    SummarizedExperiment::assay(some, "log_expression") <- logs
    best <- evaluatePerturbation(some, sce, n_top = 10)
    expect_gt(best$r2_mean[1], 0.99)
    half <- best[best$by == "half of the observed", ]
    expect_gt(best$r2_change[1], half$r2_change)
    expect_lt(best$energy[1], 0.05)
})

test_that("a decoded prediction is judged beside decoding without a change", {
    pred <- predictionOfHeld(method = "shift", draw = TRUE)
    scores <- evaluatePerturbation(pred, mockCells(400), n_top = 10)
    expect_identical(scores$by[2], "no shift")
    expect_identical(
        SummarizedExperiment::assayNames(pred),
        c("predicted", "log_expression", "unchanged", "measured")
    )
})

test_that("other cells may be absent, and splits have a seed", {
    sce <- mockCells(400)
    pred <- predictionOfHeld()
    a <- evaluatePerturbation(pred, sce[, heldOut()], n_top = 10)
    b <- evaluatePerturbation(pred, sce, n_top = 10)
    expect_equal(a$r2_change, b$r2_change)
    expect_false(identical(
        evaluatePerturbation(pred, sce, n_top = 10, seed = 2)$r2_change,
        b$r2_change
    ))
})

test_that("scores print rounded and in full", {
    scores <- evaluatePerturbation(predictionOfHeld(), mockCells(400), 10)
    shown <- capture.output(scores)
    expect_match(
        shown[1], "type1: condition1 to condition2; 68 cells predicted"
    )
    expect_match(shown[3], "change, top 10")
    expect_true(all(nchar(shown) <= 80))
    expect_output(print(scores[c("by", "energy")]), "energy")
    expect_identical(class(as.data.frame(scores)), "data.frame")
    expect_output(print(rbind(scores, scores)), "r2_change_top")
})

test_that("points of the plot are the genes, and notes are the scores", {
    sce <- mockCells(400)
    pred <- predictionOfHeld()
    p <- plotPerturbation(pred, sce, n_top = 10, label = 3)
    expect_identical(sum(p$data$genes == levels(p$data$genes)[1]), 20L)
    expect_identical(sum(!is.na(p$data$name)), 6L)
    control <- rowMeans(logsOf(pred, "measured"))
    want <- rowMeans(logsOf(sce[, heldOut()])) - control
    one <- p$data[p$data$by == levels(p$data$by)[1], ]
    expect_equal(sort(one$observed), unname(sort(want)), tolerance = 1e-5)
    scores <- evaluatePerturbation(pred, sce, n_top = 10)
    notes <- p$layers[[4]]$data
    expect_match(
        notes$text[1], sprintf("%.2f, all 100 genes", scores$r2_change[1])
    )
})

test_that("what can't be scored is refused by name", {
    sce <- mockCells(400)
    pred <- predictionOfHeld()
    expect_error(evaluatePerturbation(sce, sce), class = "not_a_prediction")
    expect_error(
        evaluatePerturbation(pred[1:5, ], sce), "5 of 100",
        class = "not_a_prediction"
    )
    expect_error(
        evaluatePerturbation(pred, logsOf(sce)), class = "not_an_experiment"
    )
    expect_error(
        evaluatePerturbation(pred, sce[-1, ]), class = "missing_genes"
    )
    expect_error(
        evaluatePerturbation(pred, sce, n_top = 1), "n_top"
    )
    few <- sce[, which(heldOut())[1:3]]
    expect_error(
        evaluatePerturbation(pred, few), "3 cells were observed",
        class = "waddington_InputError"
    )
    expect_error(
        evaluatePerturbation(pred, sce[, !heldOut()]), "no cells of type1",
        class = "waddington_InputError"
    )
    sce$condition <- NULL
    expect_error(evaluatePerturbation(pred, sce), class = "unknown_column")
})
