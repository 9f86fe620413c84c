# What goes wrong with batches, labels and queries: told before it costs time,
# or harmless.

sce <- mockCells(200, 40)
counts <- SummarizedExperiment::assay(sce, "counts")

# Warnings of a short training, but not those about its length.
warned <- function(x, recipe, epochs = 1) {
    said <- testthat::capture_warnings(
        trainVAE(x, recipe, epochs = epochs, seed = 1)
    )
    said[!grepl("no better than the trivial", said)]
}

with_counts <- function(f) {
    x <- sce
    SummarizedExperiment::assay(x, "counts") <- f(as.matrix(counts))
    x
}

test_that("a batch of three cells trains and is decoded", {
    skip_if_no_python()
    x <- sce
    x$batch <- rep(c("large", "small"), c(197, 3))
    said <- capture_warnings(
        model <- trainVAE(x, scvi(batch = "batch"), epochs = 10, seed = 1)
    )
    expect_match(said, "fewer than 5 cells \\('small \\(3\\)'\\)", all = FALSE)
    expect_identical(model@levels$batch, c("large", "small"))
    out <- denoise(x, model, batch = c("large", "small"))
    made <- SummarizedExperiment::assay(out, "harmonised")
    expect_true(all(is.finite(made)) && all(made > 0))
    expect_true(all(is.finite(getLatent(x, model))))
})

test_that("labels may be unknown for some cells, not for all", {
    skip_if_no_python()
    some <- sce
    some$cell_type[1:50] <- NA
    model <- suppressWarnings(
        trainVAE(some, scanvi("cell_type"), epochs = 10, seed = 1)
    )
    out <- predictLabels(some, model, seed = 1)
    expect_false(anyNA(out$label))
    expect_identical(model@levels$cell_type, paste0("type", 1:3))
    none <- sce
    none$cell_type <- NA
    expect_error(trainVAE(none, scanvi("cell_type")), "any cell.*scvi",
                 class = "missing_value")
    expect_error(trainVAE(sce, scanvi("kind")), "kind",
                 class = "unknown_column")
    same <- sce
    same$cell_type <- "a"
    expect_match(
        warned(same, scanvi("cell_type")), "one level", all = FALSE
    )
})

test_that("a label seen in one batch only is a warning that names it", {
    skip_if_no_python()
    x <- sce
    x$cell_type <- as.character(x$cell_type)
    x$cell_type[x$batch == "batch1"][1:20] <- "lonely"
    expect_match(
        warned(x, scanvi("cell_type", batch = "batch")),
        "in one level of 'batch' only.*'lonely'", all = FALSE
    )
    x$lane <- paste0("lane", x$batch)
    expect_match(
        warned(x, scvi(batch = c("batch", "lane"))), "tells that of",
        all = FALSE
    )
    expect_length(warned(sce, scvi(batch = "batch")), 0L)
})

test_that("negative counts and fractions are refused by every verb", {
    model <- modelOfMock()
    x <- mockCells()
    bad <- list(
        negative = function(x) replace(x, 5, -1),
        fraction = function(x) x / 3, missing = function(x) replace(x, 5, NA)
    )
    for (kind in names(bad)) {
        broken <- x
        SummarizedExperiment::assay(broken, "counts") <- bad[[kind]](
            as.matrix(SummarizedExperiment::assay(x, "counts"))
        )
        broken$batch <- as.character(broken$batch)
        broken$batch[1:100] <- "new"
        verbs <- list(
            mapQuery = function() mapQuery(broken, model, epochs = 1),
            findDoublets = function() findDoublets(broken, epochs = 1)
        )
        for (verb in names(verbs)) {
            expect_error(
                suppressWarnings(verbs[[verb]]()), "count|NA|finite|missing",
                class = "waddington_InputError", info = paste(verb, kind)
            )
        }
    }
})

test_that("repeated barcodes change no result", {
    model <- modelOfMock()
    x <- mockCells()
    twice <- x
    colnames(twice) <- rep(colnames(x)[1:10], 20)
    scores <- function(x) {
        set.seed(1)
        out <- differentialExpression(
            x, model, "cell_type", to = "type1", n_samples = 100
        )
        out$p_de
    }
    expect_identical(scores(twice), scores(x))
    out <- denoise(twice, model)
    expect_identical(colnames(out), colnames(twice))
    expect_equal(
        unname(SummarizedExperiment::assay(out, "denoised")),
        unname(SummarizedExperiment::assay(denoise(x, model), "denoised"))
    )
    found <- findDoublets(twice, epochs = 2, seed = 1)
    want <- findDoublets(x, epochs = 2, seed = 1)
    expect_identical(found$doublet_score, want$doublet_score)
})

test_that("one unseen batch is told by all verbs but the one that maps it", {
    model <- modelOfMock()
    x <- mockCells()
    x$batch <- as.character(x$batch)
    x$batch[1:3] <- "batch9"
    verbs <- list(getLatent, denoise, checkModel)
    for (verb in verbs) {
        expect_error(
            verb(x, model), "batch9.*mapQuery", class = "unseen_level"
        )
    }
    mapped <- mapQuery(x, model, epochs = 2, seed = 1)
    expect_identical(
        mappedModel(mapped)@levels$batch, c("batch1", "batch2", "batch9")
    )
    expect_true(all(is.finite(getLatent(x, mappedModel(mapped)))))
})

test_that("one cell is asked everything that one cell can be asked", {
    model <- modelOfMock()
    one <- mockCells()[, 7]
    expect_identical(dim(getLatent(one, model)), c(1L, 10L))
    expect_equal(
        SummarizedExperiment::assay(denoise(one, model), "denoised"),
        SummarizedExperiment::assay(
            denoise(mockCells(), model), "denoised"
        )[, 7, drop = FALSE], tolerance = 1e-5
    )
    expect_error(findDoublets(one), "1 cell", class = "waddington_InputError")
    expect_error(
        differentialExpression(one, model, "cell_type", to = "type9"),
        class = "unseen_level"
    )
})
