# The verbs of the exercise: arithmetic that is exact where it should be.

assay <- SummarizedExperiment::assay
`assay<-` <- SummarizedExperiment::`assay<-`

# Latent positions: type + batch + noise that is the same in every batch.
additive <- function(n = c(4, 4)) {
    types <- rbind(a = c(0, 0, 5), b = c(4, 0, 0))
    batches <- rbind(one = c(0, 0, 0), two = c(1, -2, 3))
    noise <- matrix(sin(1:12), 4)
    noise <- sweep(noise, 2, colMeans(noise))
    groups <- expand.grid(
        i = 1:4, type = c("a", "b"), batch = c("one", "two"),
        stringsAsFactors = FALSE
    )
    z <- types[groups$type, ] + noise[groups$i, ]
    list(
        groups = groups, truth = unname(z),
        z = unname(z + batches[groups$batch, ])
    )
}

test_that("a step that all cells share is taken back exactly", {
    made <- additive()
    g <- made$groups
    expect_equal(made$z - .shifts(made$z, g$batch, NULL, "one"), made$truth)
    expect_equal(made$z - .shifts(made$z, g$batch, g$type, "one"), made$truth)
})

test_that("other shares of types mislead one step, and not steps by type", {
    made <- additive()
    few <- !(made$groups$batch == "two" & made$groups$type == "a" &
        made$groups$i > 1)
    g <- made$groups[few, ]
    z <- made$z[few, ]
    away <- function(moved) max(abs(moved - made$truth[few, ]))
    expect_gt(away(z - .shifts(z, g$batch, NULL, "one")), 1)
    # type b, which is whole in both, is exact
    b <- g$type == "b"
    moved <- z - .shifts(z, g$batch, g$type, "one")
    expect_equal(moved[b, ], made$truth[few, ][b, ])
})

test_that("the reference is the batch with the most cells, by type", {
    z <- matrix(c(0, 0, 10, 1, 1, 1), ncol = 1)
    shift <- .shifts(z, c("x", "x", "y", "x", "y", "y"), rep(1:2, each = 3),
        NULL)
    expect_equal(c(shift), c(0, 0, 10, 0, 0, 0))
    expect_message(
        .shifts(z, rep(c("x", "y"), each = 3), rep(1:2, each = 3), "x"),
        "stays where it is"
    )
})

test_that("arithmetic finds what an additive world left out", {
    made <- additive()
    g <- made$groups
    groups <- list(label = g$type, batch = g$batch)
    target <- list(label = "a", batch = "two")
    seen <- !(g$type == "a" & g$batch == "two")
    got <- .arithmetic(
        t(made$z[seen, ]), lapply(groups, `[`, seen), target, "one", "b"
    )
    expect_equal(c(got), colMeans(made$z[!seen, ]))
})

# An SCE with an assay and a decoded one.
decoded <- function() {
    sce <- mockCells(n_cells = 60, n_genes = 30)
    assay(sce, "denoised", withDimnames = FALSE) <-
        unname(as.matrix(assay(sce, "mean")))
    sce
}

test_that("plots show what they say", {
    sce <- decoded()
    counts <- as.matrix(assay(sce, "counts"))
    library <- ggplot2::layer_data(
        plotLibrarySize(sce, "counts", log2 = FALSE, colour_by = "batch"), 2
    )
    expect_equal(library$x, unname(log2(colSums(counts))))
    expect_length(unique(library$colour), 2L)
    means <- ggplot2::layer_data(plotReconstruction(sce, "counts"), 2)
    expect_equal(means$x, unname(rowMeans(counts)))
    cells <- plotReconstruction(sce, "counts", what = "cells")
    want <- vapply(seq_len(60), function(i) {
        stats::cor(counts[, i], assay(sce, "denoised")[, i])
    }, 0)
    expect_equal(cells$data$r, want)
    trend <- plotMeanVariance(sce, "counts", log2 = FALSE)
    first <- trend$data[trend$data$assay == "counts", ]
    gene <- rownames(first)[5]
    sd <- sqrt(mean((counts[gene, ] - mean(counts[gene, ]))^2))
    expect_equal(first$mean[5], log2(mean(counts[gene, ]) + 1e-3))
    expect_equal(first$cv[5], log2(sd / (mean(counts[gene, ]) + 1e-3)))
    expect_silent(ggplot2::ggplot_build(trend))
    expect_error(plotMeanVariance(sce, "none"), class = "unknown_assay")
    # log2 values are brought back
    assay(sce, "logs", withDimnames = FALSE) <- log2(counts + 1)
    back <- plotMeanVariance(sce, "logs")
    common <- intersect(rownames(first), rownames(back$data))
    expect_gt(length(common), 25L)
    expect_equal(back$data[common, "mean"], first[common, "mean"])
})

test_that("a path is drawn from what is lost to what is gained", {
    path <- rbind(up = c(0, 1, 2), flat = c(1, 1, 1), down = c(2, 1, 0))
    colnames(path) <- c(0, 0.5, 1)
    plot <- plotInterpolation(path)
    expect_identical(levels(plot$data$gene), c("down", "flat", "up"))
    expect_equal(range(plot$data$value), c(0, 1))
    expect_error(plotInterpolation(path, "other"), class = "missing_genes")
    expect_identical(
        levels(plotInterpolation(path, n_genes = 2)$data$gene),
        c("down", "up")
    )
})

test_that("three chemistries are as described", {
    sce <- pbmc3Chemistries()
    expect_identical(dim(sce), c(1767L, 1200L))
    expect_identical(nlevels(sce$batch), 3L)
    expect_identical(nlevels(sce$cell_type), 9L)
    counts <- assay(sce, "counts")
    expect_true(all(counts@x == round(counts@x)))
    expect_true(all(Matrix::colSums(counts) <= sce$total_umi_all_genes))
})

test_that("cells are moved and decoded where they were moved to", {
    skip_if_not(waddingtonAvailable())
    sce <- mockCells()
    set.seed(1)
    model <- trainVAE(sce, epochs = 40, verbose = FALSE)
    out <- correctBatch(sce, model, "batch", reference = "batch1")
    expect_identical(dimnames(out), dimnames(sce))
    plain <- assay(denoise(sce, model), "denoised")
    stays <- sce$batch == "batch1"
    # the reference is not moved, and decodes as it does otherwise
    expect_equal(
        assay(out, "corrected")[, stays], as.matrix(plain)[, stays],
        tolerance = 1e-4
    )
    z <- SingleCellExperiment::reducedDim(out, "VAE_corrected")
    expect_identical(rownames(z), colnames(sce))
    expect_equal(
        colMeans(z[stays, ]), colMeans(z[!stays, ]),
        tolerance = 1e-5
    )
    # genes of x come back in the order of x
    turned <- correctBatch(
        sce[rev(rownames(sce)), ], model, "batch", reference = "batch1"
    )
    expect_equal(
        assay(turned, "corrected")[rownames(sce), ], assay(out, "corrected"),
        tolerance = 1e-5
    )
    expect_error(
        correctBatch(out, model, "batch"), class = "assay_exists"
    )
    expect_error(correctBatch(sce, model, "bach"), class = "unknown_column")
    expect_error(
        correctBatch(sce, model, "batch", lable = "cell_type"),
        "Did you mean"
    )
    expect_error(
        correctBatch(assay(sce), model, "batch"), "SingleCellExperiment"
    )
})

test_that("paths lead from one mean to the other", {
    skip_if_not(waddingtonAvailable())
    sce <- mockCells()
    set.seed(1)
    model <- trainVAE(sce, epochs = 40, verbose = FALSE)
    path <- interpolateCells(
        sce, model, "type1", "type2",
        label = "cell_type", steps = 5
    )
    expect_identical(rownames(path), rownames(sce))
    expect_equal(as.numeric(colnames(path)), seq(0, 1, 0.25))
    back <- interpolateCells(
        sce, model, "type2", "type1",
        label = "cell_type", steps = 5
    )
    expect_equal(unname(back[, 5:1]), unname(path[, 1:5]), tolerance = 1e-4)
    one <- interpolateCells(sce, model, 1, 2, steps = 2)
    expect_equal(dim(one), c(nrow(sce), 2L))
    expect_error(
        interpolateCells(sce, model, "typo", "type1", label = "cell_type"),
        class = "no_cells"
    )
    expect_error(interpolateCells(sce, model, "type1", "type2"),
        class = "no_cells")
})

test_that("a left-out type is predicted, scored and shown", {
    skip_if_not(waddingtonAvailable())
    sce <- mockCells(n_cells = 800)
    out <- sce$cell_type == "type1" & sce$batch == "batch2"
    set.seed(1)
    model <- trainVAE(sce[, !out], epochs = 60, verbose = FALSE)
    ask <- function(x) {
        predictLeftOut(
            x, model, label = "cell_type", target_label = "type1",
            batch = "batch", target_batch = "batch2", n_top = 20
        )
    }
    predicted <- ask(sce)
    expect_identical(predicted$from, "batch1")
    expect_setequal(predicted$via, c("type2", "type3"))
    scores <- predicted$scores
    expect_identical(scores$method, c(
        "predicted", "nearest type", "other batch", "shift of means"
    ))
    # both controls of the exercise, over all genes and over those that differ
    expect_gt(scores$r2[1], max(scores$r2[2:3]))
    expect_gt(scores$r2_top[1], max(scores$r2_top[2:3], 0.8))
    profile <- predicted$profiles[, c("predicted", "observed")]
    expect_equal(scores$r2[1], cor(profile)[1, 2]^2)
    expect_output(print(predicted), "type1 in batch2, predicted from batch1")
    expect_s3_class(plot(predicted), "ggplot")

    # observed cells are for comparison alone
    blind <- ask(sce[, !out])
    expect_null(blind$scores)
    expect_error(plot(blind), class = "no_cells")
    expect_error(
        predictLeftOut(
            sce, model, label = "cell_type", target_label = "type1",
            batch = "batch", target_batch = "batch2", via = "type9"
        ),
        class = "no_cells"
    )
})
