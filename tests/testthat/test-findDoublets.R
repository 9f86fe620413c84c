# Doublets that were made, in one lane and in two.

lane <- function(seed, n = 150, made = 15) {
    sce <- mockCells(n, n_types = 3, n_batches = 1, n_conditions = 1,
                     seed = seed)
    counts <- SummarizedExperiment::assay(sce, "counts")
    types <- as.character(sce$cell_type)
    first <- which(types == "type1")[seq_len(made)]
    second <- which(types == "type2")[seq_len(made)]
    both <- sce[, first]
    SummarizedExperiment::assay(both, "counts") <-
        counts[, first] + counts[, second]
    sce$truth <- FALSE
    both$truth <- TRUE
    out <- BiocGenerics::cbind(sce, both)
    colnames(out) <- paste0("lane", seed, "_", seq_len(ncol(out)))
    out$lane <- paste0("lane", seed)
    out
}

found <- function() {
    skip_if_no_python()
    trained("doublets", findDoublets(
        BiocGenerics::cbind(lane(1), lane(2)), lane = "lane", seed = 1,
        epochs = 20, expected = c(lane1 = 15, lane2 = 0.1)
    ))
}

test_that("doublets of unlike cells have the highest scores", {
    out <- found()
    for (name in c("lane1", "lane2")) {
        here <- out$lane == name
        ranks <- rank(out$doublet_score[here])
        truth <- out$truth[here]
        auc <- (sum(ranks[truth]) - 15 * 16 / 2) / (15 * 150)
        expect_gt(auc, 0.85)
        expect_gt(mean(truth[out$doublet[here]]), 0.5)
    }
})

test_that("as many are called as are expected, lane by lane", {
    out <- found()
    expected <- S4Vectors::metadata(out)$doublet$expected
    expect_equal(expected, c(lane1 = 15, lane2 = 16.5))
    expect_equal(
        as.numeric(tapply(out$doublet, out$lane, sum)), c(15, 16)
    )
    called <- tapply(out$doublet_score[out$doublet], out$lane[out$doublet], min)
    left <- tapply(out$doublet_score[!out$doublet], out$lane[!out$doublet], max)
    expect_true(all(called >= left))
    share <- expected[out$lane] / 165
    expect_equal(
        out$doublet_probability,
        unname(pmin(1, share * out$doublet_score)), tolerance = 1e-6
    )
})

test_that("a lane by itself has the scores that it has among others", {
    alone <- findDoublets(lane(1), seed = 1, epochs = 20, expected = 15)
    both <- found()
    expect_equal(alone$doublet_score, both$doublet_score[both$lane == "lane1"])
})

test_that("a matrix gives a DataFrame, a model is not trained again", {
    skip_if_no_python()
    sce <- lane(1)
    model <- trainVAE(sce, epochs = 60, seed = 3)
    out <- findDoublets(SummarizedExperiment::assay(sce, "counts"), seed = 1,
                        model = model)
    expect_s4_class(out, "DataFrame")
    expect_identical(rownames(out), colnames(sce))
    expect_identical(
        names(out), c("doublet", "doublet_score", "doublet_probability")
    )
    expected <- S4Vectors::metadata(out)$doublet$expected
    expect_equal(expected, 165 * 0.008 * 165 / 1000)
    expect_message(
        findDoublets(sce, seed = 1, model = model, verbose = TRUE),
        "Called 0 of 165 cells doublets; expected: 0.22"
    )
})

test_that("lanes and numbers that make no sense are told", {
    sce <- BiocGenerics::cbind(lane(1, 60, 5), lane(2, 30, 5))
    ask <- function(...) suppressWarnings(findDoublets(sce, ..., epochs = 1))
    expect_error(ask(lane = "lane"), "35 cells",
                 class = "waddington_InputError")
    expect_error(findDoublets(sce, lane = "lanes"), "lane",
                 class = "unknown_column")
    expect_error(
        findDoublets(sce, lane = "lane", expected = c(lane1 = 3)), "lane2",
        class = "wrong_length"
    )
    expect_error(findDoublets(sce, expected = -1), "`expected`")
    expect_error(ask(expected = 1000), "expected",
                 class = "waddington_InputError")
    expect_error(findDoublets(sce, treads = 2), "threads",
                 class = "unknown_argument")
    floats <- sce
    SummarizedExperiment::assay(floats, "counts") <-
        SummarizedExperiment::assay(sce, "counts") / 3
    expect_error(findDoublets(floats), "counts",
                 class = "waddington_InputError")
})

test_that("Python is started before arrays are made for it", {
    local_internal(".bridge", function(call = NULL) stop("started"))
    expect_error(.toCells(SummarizedExperiment::assay(lane(1), "counts"),
                          list(), NULL), "started")
})
