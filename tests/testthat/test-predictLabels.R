# Labels, their probabilities and their novelty, on cells whose type is known.

cells <- mockCells(400)
known <- cells[, 1:300]
new <- cells[, 301:400]

modelOfLabels <- function() {
    skip_if_no_python()
    trained("scanvi", trainVAE(
        known, scanvi("cell_type", batch = "batch"), epochs = 30, seed = 1
    ))
}

test_that("cells that were not trained on get their label", {
    out <- predictLabels(new, modelOfLabels(), seed = 1)
    expect_identical(dim(out), dim(new))
    expect_identical(
        setdiff(names(SummarizedExperiment::colData(out)),
                names(SummarizedExperiment::colData(new))),
        c("label", "label_best", "label_probability", "label_novelty",
          "label_unknown")
    )
    expect_identical(
        levels(out$label), c("type1", "type2", "type3", "unknown")
    )
    expect_gt(mean(as.character(out$label_best) == out$cell_type), 0.95)
    expect_true(all(out$label_probability > 1 / 3 & out$label_probability <= 1))
    expect_true(all(out$label_novelty >= 0 & out$label_novelty <= 1))
    expect_identical(out$label == "unknown", out$label_unknown)
    kept <- !out$label_unknown
    expect_identical(
        as.character(out$label[kept]), as.character(out$label_best[kept])
    )
})

test_that("thresholds decide what is unknown", {
    ask <- function(...) predictLabels(new, modelOfLabels(), seed = 1, ...)
    expect_gt(mean(ask(threshold = 0.9999)$label_unknown), 0.8)
    expect_false(any(ask(threshold = 0, max_novelty = 1)$label_unknown))
    some <- ask(threshold = 0.9, max_novelty = 0.9)
    expect_identical(
        some$label_unknown,
        some$label_probability < 0.9 | some$label_novelty > 0.9
    )
    expect_true(any(some$label_unknown) && !all(some$label_unknown))
})

test_that("a matrix gives the same columns, and probabilities on request", {
    want <- predictLabels(new, modelOfLabels(), seed = 1)
    batch <- data.frame(batch = new$batch)
    got <- predictLabels(
        SummarizedExperiment::assay(new, "counts"), modelOfLabels(), seed = 1,
        covariates = batch, probabilities = TRUE
    )
    expect_s4_class(got, "DataFrame")
    expect_identical(rownames(got), colnames(new))
    for (column in c("label", "label_probability", "label_novelty")) {
        expect_identical(got[[column]], want[[column]])
    }
    p <- got$label_probabilities
    expect_identical(dimnames(p), list(colnames(new), paste0("type", 1:3)))
    expect_equal(unname(rowSums(p)), rep(1, 100), tolerance = 1e-5)
    expect_identical(colnames(p)[max.col(p)], as.character(got$label_best))
    expect_identical(unname(apply(p, 1, max)), got$label_probability)
})

test_that("a type that was never seen is told by its novelty", {
    skip_if_no_python()
    blind <- trainVAE(
        known[, known$cell_type != "type3"],
        scanvi("cell_type", batch = "batch"), epochs = 30, seed = 1
    )
    out <- predictLabels(new, blind, seed = 1)
    foreign <- out$cell_type == "type3"
    ranks <- rank(out$label_novelty)
    n <- c(sum(foreign), sum(!foreign))
    auc <- (sum(ranks[foreign]) - n[1] * (n[1] + 1) / 2) / prod(n)
    expect_gt(auc, 0.9)
    expect_gt(mean(out$label_unknown[foreign]), 0.3)
    expect_lt(mean(out$label_unknown[!foreign]), 0.2)
})

test_that("scores are those of held-out cells, beside logistic regression", {
    model <- modelOfLabels()
    scores <- labelScores(model)
    expect_identical(
        rownames(scores), c("mixture", "classifier", "logistic_regression")
    )
    expect_identical(
        names(scores), c("n", "accuracy", "macro_f1", "ece", "confidence")
    )
    expect_identical(unname(scores$n), c(30L, 30L, 30L))
    expect_true(all(scores$macro_f1 > 0.9 & scores$macro_f1 <= 1))
    expect_true(all(scores$ece >= 0 & scores$ece < 0.3))
    expect_message(
        predictLabels(new, model, seed = 1, verbose = TRUE),
        "Logistic regression on principal components alone: macro F1"
    )
    expect_silent(predictLabels(new, model, seed = 1, verbose = FALSE))
})

test_that("both say their own, and the mixture is between", {
    p <- lapply(c("classifier", "logistic_regression", "mixture"), function(k) {
        told <- predictLabels(
            new, modelOfLabels(), seed = 1, method = k, probabilities = TRUE
        )
        expect_identical(S4Vectors::metadata(told)$label$method, k)
        told$label_probabilities
    })
    both <- sqrt(p[[1]] * p[[2]])
    expect_equal(p[[3]], both / rowSums(both), tolerance = 1e-4)
    expect_error(
        predictLabels(new, modelOfLabels(), method = "vote"), "method"
    )
})

test_that("few held-out labels are no scores", {
    skip_if_no_python()
    model <- suppressWarnings(trainVAE(
        known[, 1:60], scanvi(), epochs = 2, seed = 1
    ))
    expect_identical(nrow(labelScores(model)), 0L)
    expect_message(
        predictLabels(new, model, seed = 1, verbose = TRUE), "Too few"
    )
})

test_that("own columns are replaced, those of the user are not", {
    model <- modelOfLabels()
    once <- predictLabels(new, model, seed = 1, probabilities = TRUE)
    expect_identical(ncol(once$label_probabilities), 3L)
    twice <- predictLabels(once, model, seed = 1, threshold = 0.9999)
    expect_gt(mean(twice$label_unknown), 0.8)
    expect_null(twice$label_probabilities)
    mine <- new
    mine$label <- "mine"
    expect_error(predictLabels(mine, model), "`name`", class = "column_exists")
    other <- predictLabels(mine, model, name = "predicted")
    expect_identical(other$label, rep("mine", 100))
    expect_true("predicted_novelty" %in%
        names(SummarizedExperiment::colData(other)))
})

test_that("a seed makes it reproducible, and set.seed() is one", {
    model <- modelOfLabels()
    ask <- function() {
        set.seed(3)
        predictLabels(new, model)$label_probability
    }
    expect_identical(ask(), ask())
})

test_that("what can't be asked is told", {
    expect_error(predictLabels(mockCells(), modelOfMock()), "scanvi",
                 class = "no_labels")
    expect_error(labelScores(modelOfMock()), class = "no_labels")
    model <- modelOfLabels()
    expect_error(predictLabels(new, model, labels = "kind"), "cell_type")
    expect_error(predictLabels(new, model, threshold = 2), "`threshold`")
    expect_error(predictLabels(new, model, max_novelty = -1), "`max_novelty`")
    expect_error(predictLabels(new, model, treshold = 0.3), "threshold",
                 class = "unknown_argument")
    expect_error(predictLabels(new, 3), class = "not_a_model")
})
